//! The Unleash document (`POST /auth/reset/password`) and its three neighbours: what works.

use serde_json::json;

use crate::both;
use crate::helpers::{APP, Backend, OLD_PASSWORD, Reply, TestApp};

use super::{ANN, NEW, changed, garbage};

const RESET: &str = "/auth/reset/password";
const REMIND: &str = "/auth/reset/password-email";
const JUDGE: &str = "/auth/reset/validate-password";

fn validate(token: &str) -> String {
    format!("/auth/reset/validate?token={token}")
}

/// A success that has no body.
fn assert_empty(reply: &Reply) {
    let told = (
        reply.status,
        reply.text.as_str(),
        reply.header("content-length"),
        reply.header("content-type"),
    );
    assert_eq!(told, (200, "", "0", ""), "{reply:?}");
}

both! {
    async fn unleash_walk_from_the_mail_to_the_new_password(app: TestApp) {
        let id = app.user_with_profile(ANN, json!({"age": 7, "name": "Ann"})).await;
        let token = app.token(APP).await;
        assert_empty(&app.send("POST", REMIND, &token, json!({"email": "Ann@Example.com"})).await);
        let link = app.mails(1).await[0].parse().token();

        let reply = app.bare("GET", &validate(&link), &token).await;
        assert_eq!((reply.status, reply.header("content-type"), reply.header("cache-control")), (200, "application/json", "no-store"));
        assert_eq!(reply.text, format!(r#"{{"token":"{link}","email":"{ANN}","id":"{id}","name":"Ann"}}"#));

        assert_empty(&app.send("POST", JUDGE, &token, json!({"password": NEW})).await);
        assert_empty(&app.send("POST", RESET, &token, json!({"token": link, "password": NEW})).await);
        assert!(app.password_is(ANN, NEW).await);
        let notice = app.mails(2).await.remove(1);
        assert_eq!(notice.to, [ANN]);
        assert_eq!(notice.parse().header("Subject").as_deref(), Some("Your password for Teen Quotes was changed"));
        assert_eq!(app.bare("GET", &validate(&link), &token).await.status, 401);
    }

    async fn f17_unleash_validate_never_uses_the_link_up(app: TestApp) {
        app.user(ANN).await;
        let token = app.token(APP).await;
        let link = app.mailed_token(&token, ANN).await;
        for _ in 0..50 {
            for (method, is_empty) in [("GET", false), ("HEAD", true)] {
                let reply = app.bare(method, &validate(&link), &token).await;
                assert_eq!((reply.status, reply.text.is_empty()), (200, is_empty));
            }
        }
        // Nobody's name is known, so none is told.
        let reply = app.bare("GET", &validate(&link), &token).await;
        assert!(reply.json().get("name").is_none(), "{reply:?}");
        assert_empty(&app.send("POST", RESET, &token, json!({"token": link, "password": NEW})).await);
    }

    async fn f13_unleash_refusals_do_not_use_the_link_up(app: TestApp) {
        app.user(ANN).await;
        let token = app.token(APP).await;
        let link = app.mailed_token(&token, ANN).await;
        for password in [json!("short"), json!(""), json!("a\0new secret"), json!(7), json!(null), json!("x".repeat(1025))] {
            let reply = app.send("POST", RESET, &token, json!({"token": link, "password": password})).await;
            assert_eq!((reply.status, &reply.json()["name"]), (400, &json!("BadDataError")), "{password}");
        }
        assert!(app.password_is(ANN, OLD_PASSWORD).await);
        assert_empty(&app.send("POST", RESET, &token, json!({"token": link, "password": NEW})).await);
    }

    async fn f01_unleash_mail_is_answered_the_same_for_everybody_but_disclosing_clients(app: TestApp) {
        app.user(ANN).await;
        let token = app.token(APP).await;
        let known = app.send("POST", REMIND, &token, json!({"email": ANN})).await;
        let unknown = app.send("POST", REMIND, &token, json!({"email": "nobody@example.com"})).await;
        assert_empty(&known);
        assert_eq!(crate::http::face(&known), crate::http::face(&unknown));
        // Asking twice within the cool-down answers the same and sends nothing.
        assert_empty(&app.send("POST", REMIND, &token, json!({"email": ANN})).await);
        app.quiet().await;
        assert_eq!(app.sink.received().len(), 1);

        let disclosing = app.token("password:remind users:disclose").await;
        let reply = app.send("POST", REMIND, &disclosing, json!({"email": "nobody@example.com"})).await;
        assert_eq!((reply.status, &reply.json()["name"]), (404, &json!("NotFoundError")));
        assert!(!reply.text.contains("nobody"), "{reply:?}");
    }

    async fn unleash_links_that_cannot_be_used_are_401_whatever_the_reason(app: TestApp) {
        app.user(ANN).await;
        let token = app.token(APP).await;
        let link = app.mailed_token(&token, ANN).await;
        let changed = changed(&link);
        for bad in [garbage().as_str(), &changed, "x", "uf_rt_", "' or 1=1 --"] {
            let encoded: String = bad.bytes().map(|b| format!("%{b:02X}")).collect();
            let replies = [
                app.bare("GET", &validate(&encoded), &token).await,
                app.send("POST", RESET, &token, json!({"token": bad, "password": NEW})).await,
            ];
            for reply in replies {
                assert_eq!((reply.status, reply.header("www-authenticate")), (401, "Bearer realm=\"unforget\""), "{bad}");
                let json = reply.json();
                assert_eq!((&json["name"], &json["message"]), (&json!("InvalidTokenError"), &json!("Token was not valid")));
            }
        }
        app.later(3601).await;
        let token = app.token(APP).await;
        assert_eq!(app.bare("GET", &validate(&link), &token).await.status, 401);
        assert_eq!(app.send("POST", RESET, &token, json!({"token": link, "password": NEW})).await.status, 401);
    }
}
