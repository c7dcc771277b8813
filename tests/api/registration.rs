//! Registrations over HTTP that are read, replaced and ended (RFC 7592, bar X11).

use chrono::TimeDelta;
use serde_json::{Value, json};
use unforget::domain::{AuthMethod, ClientId, JwkSet};
use unforget::flows::By;
use unforget::flows::clients::{ClientChange, NewClient};

use crate::both;
use crate::helpers::{APP, Backend, Reply, TestApp};
use crate::register::{ADMIN, client_of, management, registered, send};

both! {
    async fn x11_a_registration_is_read_replaced_and_ended_by_its_own_token(app: TestApp) {
        let admin = app.token(ADMIN).await;
        let made = registered(&app, &admin, json!({"client_name": "A", "scope": "password:remind password:reset", "locale": "fr"})).await;
        let (client, (path, token)) = (client_of(&made), management(&made));
        let mut read = send(&app, "GET", &path, &token, &Value::Null).await.json();
        assert_eq!(read["registration_access_token"], json!(token));
        let mut same = made.clone();
        for once in ["client_secret", "client_secret_expires_at"] {
            same.as_object_mut().unwrap().remove(once);
        }
        assert_eq!(read, same);

        let access = app.token_of(&client).await;
        let change = json!({"client_id": client.id, "client_name": "B", "scope": "password:reset", "client_secret": client.secret});
        let replaced = send(&app, "PUT", &path, &token, &change).await;
        assert_eq!(replaced.status, 200, "{replaced:?}");
        read.as_object_mut().unwrap().remove("locale");
        (read["client_name"], read["scope"]) = (json!("B"), json!("password:reset"));
        assert_eq!(replaced.json(), read);
        // What it gave up is gone at once; what it has not stated stays.
        assert_eq!(app.remind(&access, "ann@example.com").await.said(), "401 invalid_token");
        let access = app.token_of(&client).await;
        let kept = send(&app, "PUT", &path, &token, &json!({"client_id": client.id, "client_name": "B"})).await.json();
        assert_eq!(kept["scope"], "password:reset");

        let ended = send(&app, "DELETE", &path, &token, &Value::Null).await;
        assert_eq!((ended.status, ended.text.as_str()), (204, ""));
        assert_eq!(app.check(&access, "x").await.said(), "401 invalid_token");
        assert_eq!(app.token_request(&client, &[("grant_type", "client_credentials")]).await.said(), "401 invalid_client");
        for method in ["GET", "DELETE"] {
            assert_eq!(send(&app, method, &path, &token, &Value::Null).await.said(), "401 invalid_token");
        }
    }

    async fn x11_a_registration_never_gets_more_than_it_has(app: TestApp) {
        let admin = app.token(ADMIN).await;
        let made = registered(&app, &admin, json!({"client_name": "A", "scope": "password:remind"})).await;
        let (client, (path, token)) = (client_of(&made), management(&made));
        let wanted = |scope: &str| json!({"client_id": client.id, "client_name": "A", "scope": scope});
        let refused = send(&app, "PUT", &path, &token, &wanted("password:remind password:reset")).await;
        assert_eq!(refused.said(), "400 invalid_client_metadata");
        // Whoever registered it may give of its own, and no more.
        assert_eq!(send(&app, "PUT", &path, &admin, &wanted("users:read")).await.said(), "400 invalid_client_metadata");
        let given = send(&app, "PUT", &path, &admin, &wanted("password:remind password:reset")).await;
        assert_eq!(given.json()["scope"], "password:remind password:reset");
        assert!(given.json()["registration_access_token"].is_null());
        // What an operator takes away does not come back.
        app.narrow(&client, "password:remind").await;
        assert_eq!(send(&app, "PUT", &path, &token, &wanted("password:remind password:reset")).await.said(), "400 invalid_client_metadata");
    }

    async fn x11_an_app_cannot_lift_what_its_operator_has_imposed(app: TestApp) {
        let admin = app.token(ADMIN).await;
        let made = registered(&app, &admin, json!({"client_name": "A", "token_lifetime": 3600})).await;
        let (client, (path, token)) = (client_of(&made), management(&made));
        let keys = json!({"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "a",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]});
        let imposed = ClientChange {
            require_dpop: Some(true),
            token_lifetime: Some(Some(TimeDelta::minutes(5))),
            auth_method: Some(AuthMethod::PrivateKeyJwt),
            jwks: Some(Some(JwkSet::parse(&keys.to_string()).unwrap())),
            ..ClientChange::default()
        };
        app.flows.change_client(By::Operator, client.client_id(), imposed).await.unwrap().unwrap();
        let told = |reply: &Reply| ["token_lifetime", "dpop_bound_access_tokens", "token_endpoint_auth_method"].map(|name| reply.json()[name].clone());
        let body = |lifetime: Value, jwks: &Value| {
            let method = "client_secret_basic";
            json!({"client_id": client.id, "client_name": "B", "token_lifetime": lifetime, "dpop_bound_access_tokens": false,
                "token_endpoint_auth_method": method, "jwks": jwks})
        };
        for (wanted, lifetime) in [(json!(2_592_000), 300), (Value::Null, 300), (json!(60), 60)] {
            let kept = send(&app, "PUT", &path, &token, &body(wanted, &keys)).await;
            assert_eq!(told(&kept), [json!(lifetime), json!(true), json!("private_key_jwt")]);
            assert!(kept.json()["client_secret"].is_null());
        }
        let without_keys = send(&app, "PUT", &path, &token, &body(Value::Null, &Value::Null)).await;
        assert_eq!(without_keys.said(), "400 invalid_client_metadata");
        // Its registrar can; then it gets a secret, which works.
        let free = send(&app, "PUT", &path, &admin, &body(json!(600), &Value::Null)).await;
        assert_eq!(told(&free), [json!(600), json!(false), json!("client_secret_basic")]);
        assert_eq!(app.token_request(&client_of(&free.json()), &[("grant_type", "client_credentials")]).await.status, 200);
    }

    async fn x11_a_registration_is_nobody_elses(app: TestApp) {
        let (admin, other) = (app.token(ADMIN).await, app.token(ADMIN).await);
        let mine = registered(&app, &admin, json!({"client_name": "A"})).await;
        let theirs = registered(&app, &other, json!({"client_name": "B"})).await;
        let by_operator = app.client(APP).await;
        let (path, token) = management(&mine);
        let foreign = management(&theirs).1;
        let of_operator = format!("/oauth/register/{}", by_operator.id);
        let body = json!({"client_id": client_of(&mine).id, "client_name": "Eve"});
        for (path, token) in [
            (path.as_str(), foreign.as_str()), (&path, &other), (&path, "uf_rg_x"), (&of_operator, &token), (&of_operator, &admin),
            ("/oauth/register/nobody", &token), ("/oauth/register/nobody", &admin), ("/oauth/register/%00", &token),
        ] {
            for (method, body) in [("GET", &Value::Null), ("PUT", &body), ("DELETE", &Value::Null)] {
                assert_eq!(send(&app, method, path, token, body).await.said(), "401 invalid_token", "{method} {path}");
            }
        }
        // The token of a registration is no access token.
        assert_eq!(app.check(&token, "x").await.said(), "401 invalid_token");
        let ordinary = app.token(APP).await;
        assert_eq!(send(&app, "GET", &path, &ordinary, &Value::Null).await.said(), "403 insufficient_scope");
        // Switched off by an operator, it cannot look after itself.
        app.flows.disable_client(By::Operator, client_of(&mine).client_id(), true).await.unwrap();
        assert_eq!(send(&app, "DELETE", &path, &token, &Value::Null).await.said(), "401 invalid_token");
    }

    async fn x11_an_update_must_name_the_client_and_may_not_state_what_the_server_decides(app: TestApp) {
        let admin = app.token(ADMIN).await;
        let made = registered(&app, &admin, json!({"client_name": "A"})).await;
        let (id, (path, token)) = (client_of(&made).id, management(&made));
        for (more, field) in [
            (json!({"client_id": null}), "client_id"),
            (json!({"client_id": "other"}), "client_id"),
            (json!({"client_secret": "wrong"}), "client_secret"),
            (json!({"registration_access_token": token}), "registration_access_token"),
            (json!({"registration_client_uri": path}), "registration_client_uri"),
            (json!({"client_secret_expires_at": 0}), "client_secret_expires_at"),
            (json!({"client_id_issued_at": 0}), "client_id_issued_at"),
        ] {
            let mut body = json!({"client_id": id, "client_name": "B"});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let refused = send(&app, "PUT", &path, &token, &body).await;
            assert_eq!(refused.said(), "400 invalid_client_metadata", "{more}");
            assert!(refused.text.contains(&format!("\"{field} ")), "{more}: {}", refused.text);
        }
        assert_eq!(send(&app, "GET", &path, &token, &Value::Null).await.json()["client_name"], "A");
    }

    async fn x11_whoever_registered_a_client_manages_it_only_while_it_has_no_more_than_itself(app: TestApp) {
        let admin = app.token(ADMIN).await;
        let made = registered(&app, &admin, json!({"client_name": "A", "scope": "password:remind"})).await;
        let (client, (path, token)) = (client_of(&made), management(&made));
        let richer = ClientChange { scopes: Some("password:remind users:resetPassword".parse().unwrap()), ..ClientChange::default() };
        app.flows.change_client(By::Operator, client.client_id(), richer).await.unwrap().unwrap();
        let body = json!({"client_id": client.id, "client_name": "Mine"});
        for token in [&admin, &token] {
            for (method, body) in [("GET", &Value::Null), ("PUT", &body), ("DELETE", &Value::Null)] {
                assert_eq!(send(&app, method, &path, token, body).await.said(), "401 invalid_token", "{method}");
            }
        }
        // Nor does a token that carries less manage a client that has more.
        let rich = app.client(&format!("{ADMIN} users:read")).await;
        let made = registered(&app, &app.token_of(&rich).await, json!({"client_name": "B", "scope": "users:read"})).await;
        let asked = [("grant_type", "client_credentials"), ("scope", "clients:write")];
        let less = app.token_request(&rich, &asked).await.json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(send(&app, "GET", &management(&made).0, &less, &Value::Null).await.said(), "401 invalid_token");
    }

    async fn x11_a_client_that_is_made_anew_under_an_old_id_inherits_no_registration(app: TestApp) {
        let named = |new: &mut NewClient| new.id = Some(ClientId::new("partner-a"));
        let first = app.client_with(ADMIN, named).await;
        let made = registered(&app, &app.token_of(&first).await, json!({"client_name": "A"})).await;
        app.flows.delete_client(By::Operator, first.client_id()).await.unwrap();
        let second = app.client_with(ADMIN, named).await;
        let (path, token) = management(&made);
        assert_eq!(send(&app, "GET", &path, &app.token_of(&second).await, &Value::Null).await.said(), "401 invalid_token");
        assert_eq!(send(&app, "GET", &path, &token, &Value::Null).await.status, 200);
    }
}
