//! What the Interslice document leaves out: its errors as Devise and Rails have them.

use serde_json::{Value, json};

use crate::both;
use crate::helpers::{APP, Backend, Reply, TestApp};

use super::interslice::{PATH, body, sent};
use super::{ANN, garbage, limited};

fn json_of(reply: &Reply) -> Value {
    assert_eq!(
        reply.header("content-type"),
        "application/json; charset=utf-8",
        "{reply:?}"
    );
    serde_json::from_str(&reply.text).unwrap()
}

both! {
    async fn interslice_fields_that_cannot_be_used_are_422_by_name(app: TestApp) {
        let token = app.token(APP).await;
        let with = |field: &str, value: Value| {
            let mut body = body(&garbage(), "Valid123!");
            body["user"][field] = value;
            body
        };
        let both = |password: &str| body(&garbage(), password);
        let blank = "can't be blank";
        for (body, errors) in [
            (json!({}), json!({"reset_password_token": [blank]})),
            (json!({"user": null}), json!({"reset_password_token": [blank]})),
            (json!({"user": {}}), json!({"reset_password_token": [blank]})),
            (json!({"user": "ann"}), json!({"user": ["is invalid"]})),
            (json!({"user": []}), json!({"user": ["is invalid"]})),
            (with("reset_password_token", json!("")), json!({"reset_password_token": [blank]})),
            (with("reset_password_token", json!(null)), json!({"reset_password_token": [blank]})),
            (with("reset_password_token", json!(7)), json!({"reset_password_token": ["is invalid"]})),
            (with("reset_password_token", json!("a\0")), json!({"reset_password_token": ["is invalid"]})),
            (with("reset_password_token", json!("x")), json!({"reset_password_token": ["is invalid"]})),
            (both("Valid123!"), json!({"reset_password_token": ["is invalid"]})),
            (with("password", json!("")), json!({"password": [blank]})),
            (with("password", json!(["Valid123!"])), json!({"password": ["is invalid"]})),
            (with("password_confirmation", json!("")), json!({"password_confirmation": [blank]})),
            (with("password_confirmation", json!(null)), json!({"password_confirmation": [blank]})),
            (with("password_confirmation", json!(1)), json!({"password_confirmation": ["is invalid"]})),
            (with("password_confirmation", json!("Valid123?")), json!({"password_confirmation": ["doesn't match Password"]})),
            (both("short"), json!({"password": ["is too short (minimum is 6 characters)"]})),
            (both(&"x".repeat(1025)), json!({"password": ["is too long (maximum is 1024 characters)"]})),
            (both("a\0secret"), json!({"password": ["is invalid"]})),
            (
                with("password", json!("short")),
                json!({"password": ["is too short (minimum is 6 characters)"], "password_confirmation": ["doesn't match Password"]}),
            ),
        ] {
            let reply = app.send("PUT", PATH, &token, body.clone()).await;
            assert_eq!((reply.status, json_of(&reply)), (422, json!({"errors": errors})), "{body}");
        }
        for (email, text) in [(json!(""), blank), (json!(null), blank), (json!("ann"), "is invalid"), (json!([ANN]), "is invalid")] {
            let reply = app.send("POST", PATH, &token, json!({"user": {"email": email}})).await;
            assert_eq!((reply.status, json_of(&reply)), (422, json!({"errors": {"email": [text]}})));
        }
        let twice = "user[email]=ann@example.com&user[email]=bob@example.com";
        let reply = app.send_typed("POST", PATH, &token, Some("application/x-www-form-urlencoded"), twice).await;
        assert_eq!((reply.status, json_of(&reply)), (422, json!({"errors": {"email": ["is invalid"]}})));
        assert_eq!(app.sink.received().len(), 0);
    }

    async fn interslice_everything_else_is_told_as_rails_does(app: TestApp) {
        let token = app.token(APP).await;
        for body in ["", "{", "[]", "{\"user\":{\"email\":\"a@b.example\",\"email\":\"c@d.example\"}}"] {
            let reply = app.send_typed("POST", PATH, &token, Some("application/json"), body).await;
            assert_eq!((reply.status, json_of(&reply)), (400, json!({"status": 400, "error": "Bad Request"})), "{body}");
        }
        let reply = app.send_typed("PUT", PATH, &token, Some("text/xml"), "<user/>").await;
        assert_eq!((reply.status, json_of(&reply)), (415, json!({"status": 415, "error": "Unsupported Media Type"})));
        let reply = sent(app.request("PUT", PATH).json(&body("x", "Valid123!"))).await;
        assert_eq!((reply.status, json_of(&reply)), (401, json!({"error": "You need to sign in or sign up before continuing."})));
        assert_eq!(reply.header("www-authenticate"), "Bearer realm=\"unforget\"");
        let reply = app.send("PUT", PATH, "x", body("x", "Valid123!")).await;
        assert_eq!((reply.status, json_of(&reply)), (401, json!({"error": "Invalid authentication token."})));
        let unscoped = app.token("password:remind").await;
        let reply = app.send("PUT", PATH, &unscoped, body("x", "Valid123!")).await;
        assert_eq!((reply.status, json_of(&reply)), (403, json!({"status": 403, "error": "Forbidden"})));
        // Errors are not to be kept, whatever the document says of its success.
        assert_eq!((reply.header("cache-control"), reply.header("etag")), ("no-store", ""));
        assert_eq!(reply.header("vary"), "Accept, Origin");
    }
}

both! {
    async fn interslice_varies_by_more_where_origins_are_configured_and_lets_pages_read_the_token(backend: Backend) {
        let origin = "https://drivers.example";
        let app = TestApp::start_with(backend, |settings| settings.cors_origins = vec![origin.to_owned()]).await;
        let reply = sent(app.request("PUT", PATH).header("origin", origin).json(&body("x", "Valid123!"))).await;
        assert_eq!(reply.header("vary"), "Accept, Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
        assert!(reply.header("access-control-expose-headers").to_lowercase().contains("authorization"), "{reply:?}");
    }

    async fn interslice_limits_are_told_as_rails_does(backend: Backend) {
        let one = limited(1, 1);
        let app = TestApp::start_with(backend, |settings| settings.limits = one).await;
        let token = app.token(APP).await;
        assert_eq!(app.send("PUT", PATH, &token, body("x", "Valid123!")).await.status, 422);
        let reply = app.send("PUT", PATH, &token, body("x", "Valid123!")).await;
        assert_eq!((reply.status, json_of(&reply)), (429, json!({"status": 429, "error": "Too Many Requests"})));
        assert!(reply.header("retry-after").parse::<u32>().unwrap() > 0);
    }
}
