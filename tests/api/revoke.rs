//! `POST /oauth/revoke` (RFC 7009, bar X01).

use serde_json::json;
use unforget::domain::{AccessToken, PlainToken};
use unforget::entropy;

use crate::both;
use crate::helpers::{APP, Backend, OLD_PASSWORD, Reply, TestApp, TestClient, a_second_later};

/// Asks as a client does.
async fn revoke(app: &TestApp, client: &TestClient, form: &[(&str, &str)]) -> Reply {
    let request = app.request("POST", "/oauth/revoke").form(form);
    let request = request.basic_auth(&client.id, Some(&client.secret));
    Reply::of(request.send().await.unwrap()).await
}

both! {
    async fn x01_a_revoked_token_ends_at_once_here_and_within_a_second_on_every_node(app: TestApp) {
        let client = app.client(APP).await;
        let (token, kept) = (app.token_of(&client).await, app.token_of(&client).await);
        let (second, base) = app.second();
        let elsewhere = async |token: &str| {
            let request = reqwest::Client::new().post(format!("{base}/v1/password/check"));
            Reply::of(request.bearer_auth(token).json(&json!({"token": "x"})).send().await.unwrap()).await
        };
        assert_eq!(elsewhere(&token).await.said(), "400 wrong_token");
        assert_eq!(app.check(&token, "x").await.said(), "400 wrong_token");
        let ended = revoke(&app, &client, &[("token", &token)]).await;
        assert_eq!((ended.status, ended.json()), (200, json!({})));
        assert_eq!(ended.header("cache-control"), "no-store");
        assert_eq!(app.check(&token, "x").await.said(), "401 invalid_token");
        a_second_later().await;
        assert_eq!(elsewhere(&token).await.said(), "401 invalid_token");
        assert_eq!(app.check(&kept, "x").await.said(), "400 wrong_token");
        second.stop().await;
    }

    async fn x01_whatever_the_hint_the_token_ends(app: TestApp) {
        let client = app.client(APP).await;
        for hint in ["access_token", "refresh_token", "nonsense", ""] {
            let token = app.token_of(&client).await;
            let form = [("token", token.as_str()), ("token_type_hint", hint)];
            assert_eq!(revoke(&app, &client, &form).await.status, 200, "{hint}");
            assert_eq!(app.check(&token, "x").await.said(), "401 invalid_token", "{hint}");
        }
    }

    async fn x01_unknown_dead_and_foreign_tokens_are_answered_alike_and_live_on(app: TestApp) {
        let (client, other) = (app.client(APP).await, app.client(APP).await);
        let unknown = PlainToken::<AccessToken>::from_random(entropy::bytes());
        let (dead, foreign) = (app.token_of(&client).await, app.token_of(&other).await);
        let mut answers = Vec::new();
        for token in [dead.as_str(), &dead, unknown.expose(), &foreign, "garbage", "\u{fffd}"] {
            let reply = revoke(&app, &client, &[("token", token)]).await;
            answers.push((reply.status, reply.text));
        }
        assert!(answers.iter().all(|answer| *answer == (200, "{}".to_owned())), "{answers:?}");
        assert_eq!(app.check(&foreign, "x").await.said(), "400 wrong_token");
    }

    async fn x01_an_app_signs_its_user_out(app: TestApp) {
        let client = app.client("sessions:create").await;
        app.user("ann@example.com").await;
        let mine = app.token_of(&client).await;
        let body = json!({"email": "ann@example.com", "password": OLD_PASSWORD});
        let session = app.post("/v1/sessions", &mine, body).await.json();
        let token = session["access_token"].as_str().unwrap();
        assert_eq!(revoke(&app, &client, &[("token", token)]).await.status, 200);
        let change = json!({"old_password": OLD_PASSWORD, "password": "a new secret"});
        let request = app.request("PUT", "/v1/password").bearer_auth(token).json(&change);
        assert_eq!(Reply::of(request.send().await.unwrap()).await.said(), "401 invalid_token");
        assert!(app.password_is("ann@example.com", OLD_PASSWORD).await);
    }

    async fn x01_the_client_must_authenticate_and_say_which_token(app: TestApp) {
        let client = app.client(APP).await;
        let token = app.token_of(&client).await;
        let wrong = TestClient { secret: "wrong".to_owned(), ..client.clone() };
        assert_eq!(revoke(&app, &wrong, &[("token", &token)]).await.said(), "401 invalid_client");
        let nobody = app.request("POST", "/oauth/revoke").form(&[("token", &token)]);
        assert_eq!(Reply::of(nobody.send().await.unwrap()).await.said(), "401 invalid_client");
        // Not even by the token itself: it is the client that revokes.
        assert_eq!(app.post_form("/oauth/revoke", &token, &[("token", &token)]).await.said(), "401 invalid_client");
        for form in [vec![], vec![("token", "")], vec![("token", token.as_str()), ("token", "b")]] {
            assert_eq!(revoke(&app, &client, &form).await.said(), "400 invalid_request");
        }
        assert_eq!(app.check(&token, "x").await.said(), "400 wrong_token");
    }
}
