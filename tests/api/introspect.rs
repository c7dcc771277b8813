//! `POST /oauth/introspect` (RFC 7662, bar X02).

use serde_json::{Value, json};
use unforget::domain::{AccessToken, PlainToken};
use unforget::entropy;
use unforget::flows::By;

use crate::both;
use crate::helpers::{APP, Backend, OLD_PASSWORD, Reply, TestApp, TestClient};

/// Asks as a client does.
async fn introspect(app: &TestApp, client: &TestClient, token: &str) -> Reply {
    let form = [("token", token)];
    let request = app.request("POST", "/oauth/introspect").form(&form);
    let request = request.basic_auth(&client.id, Some(&client.secret));
    Reply::of(request.send().await.unwrap()).await
}

const DEAD: &str = "{\"active\":false}";

both! {
    async fn x02_a_live_token_is_described(app: TestApp) {
        let client = app.client("password:remind users:read").await;
        let asked = [("grant_type", "client_credentials"), ("scope", "users:read")];
        let before = app.clock.now().timestamp();
        let issued = app.token_request(&client, &asked).await.json();
        let token = issued["access_token"].as_str().unwrap();
        let reply = introspect(&app, &client, token).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("cache-control"), "no-store");
        let mut told = reply.json();
        let (iat, exp) = (told["iat"].as_i64().unwrap(), told["exp"].as_i64().unwrap());
        assert!((before..=before + 20).contains(&iat), "{told}");
        assert_eq!(exp - iat, issued["expires_in"].as_i64().unwrap());
        for time in ["iat", "exp"] {
            told.as_object_mut().unwrap().remove(time);
        }
        assert_eq!(told, json!({
            "active": true, "iss": "https://unforget.example", "client_id": client.id, "sub": client.id,
            "scope": "users:read", "token_type": "Bearer",
        }));
    }

    async fn x02_dead_unknown_foreign_and_garbled_tokens_are_told_in_the_same_bytes(app: TestApp) {
        let (client, other) = (app.client(APP).await, app.client(APP).await);
        let expired = app.token_of(&client).await;
        app.advance(3600);
        let foreign = app.token_of(&other).await;
        let unknown = PlainToken::<AccessToken>::from_random(entropy::bytes());
        let disabled = app.client(APP).await;
        let of_disabled = app.token_of(&disabled).await;
        app.flows.disable_client(By::Operator, disabled.client_id(), true).await.unwrap();
        let seer = app.client("tokens:introspect").await;
        for token in [expired.as_str(), unknown.expose(), &of_disabled, "garbage", "uf_at_é\"\u{1}"] {
            for caller in [&client, &seer] {
                let reply = introspect(&app, caller, token).await;
                assert_eq!((reply.status, reply.text.as_str()), (200, DEAD), "{token}");
                assert_eq!(reply.header("cache-control"), "no-store");
            }
        }
        assert_eq!(introspect(&app, &client, &foreign).await.text, DEAD);
        // The guard is the look-up, not the test: who may see every token sees this one.
        assert_eq!(introspect(&app, &seer, &foreign).await.json()["client_id"], other.id);
    }

    async fn x02_a_token_that_carries_what_its_client_has_lost_is_dead(app: TestApp) {
        let client = app.client(APP).await;
        let token = app.token_of(&client).await;
        app.narrow(&client, "password:reset").await;
        assert_eq!(introspect(&app, &client, &token).await.text, DEAD);
        let token = app.token_of(&client).await;
        assert_eq!(introspect(&app, &client, &token).await.json()["scope"], "password:reset");
    }

    async fn x02_the_caller_must_authenticate(app: TestApp) {
        let client = app.client(APP).await;
        let token = app.token_of(&client).await;
        let wrong = TestClient { secret: "wrong".to_owned(), ..client.clone() };
        let refused = introspect(&app, &wrong, &token).await;
        assert_eq!(refused.said(), "401 invalid_client");
        assert!(refused.header("www-authenticate").starts_with("Basic realm="));
        let nobody = app.request("POST", "/oauth/introspect").form(&[("token", &token)]);
        assert_eq!(Reply::of(nobody.send().await.unwrap()).await.said(), "401 invalid_client");
        let in_form = [("token", token.as_str()), ("client_id", &client.id), ("client_secret", &client.secret)];
        let posted = app.request("POST", "/oauth/introspect").form(&in_form);
        assert_eq!(Reply::of(posted.send().await.unwrap()).await.json()["active"], true);
    }

    async fn x02_an_access_token_of_the_callers_own_lets_in_as_well(app: TestApp) {
        let (client, other, seer) = (app.client(APP).await, app.client(APP).await, app.client("tokens:introspect").await);
        let (mine, others, all) = (app.token_of(&client).await, app.token_of(&other).await, app.token_of(&seer).await);
        for (bearer, token, active) in [(&mine, &mine, true), (&mine, &others, false), (&all, &others, true)] {
            let reply = app.post_form("/oauth/introspect", bearer, &[("token", token)]).await;
            assert_eq!(reply.json()["active"], active);
        }
        let foreign = app.post_form("/oauth/introspect", "uf_at_x", &[("token", &mine)]).await;
        assert_eq!(foreign.said(), "401 invalid_token");
        assert_eq!(foreign.header("www-authenticate"), "Bearer realm=\"unforget\", error=\"invalid_token\"");
        let two_ways = [("token", mine.as_str()), ("client_id", &client.id), ("client_secret", &client.secret)];
        assert_eq!(app.post_form("/oauth/introspect", &mine, &two_ways).await.said(), "400 invalid_request");
    }

    async fn x02_a_users_token_is_described_to_its_app_and_lets_nobody_in(app: TestApp) {
        let client = app.client("sessions:create tokens:introspect").await;
        let id = app.user("ann@example.com").await;
        let mine = app.token_of(&client).await;
        let body = json!({"email": "ann@example.com", "password": OLD_PASSWORD});
        let session = app.post("/v1/sessions", &mine, body).await.json();
        let token = session["access_token"].as_str().unwrap();
        let told: Value = introspect(&app, &client, token).await.json();
        assert_eq!((&told["sub"], &told["client_id"], &told["scope"]), (&json!(id), &json!(client.id), &json!("")));
        let refused = app.post_form("/oauth/introspect", token, &[("token", &mine)]).await;
        assert_eq!(refused.said(), "403 insufficient_scope");
    }

    async fn x02_requests_without_a_token_or_with_two_are_refused(app: TestApp) {
        let client = app.client(APP).await;
        for body in ["", "token=", "token=a&token=b", "token=%00", "token=%ff"] {
            let request = app.request("POST", "/oauth/introspect").basic_auth(&client.id, Some(&client.secret));
            let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
            assert_eq!(Reply::of(request.send().await.unwrap()).await.said(), "400 invalid_request", "{body}");
        }
        let query = app.request("POST", "/oauth/introspect?token=x").basic_auth(&client.id, Some(&client.secret));
        assert_eq!(Reply::of(query.form(&[("a", "b")]).send().await.unwrap()).await.said(), "400 invalid_request");
        let get = Reply::of(app.request("GET", "/oauth/introspect").send().await.unwrap()).await;
        assert_eq!((get.status, get.header("allow")), (405, "POST"));
    }
}
