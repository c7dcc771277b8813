//! What the SWIFT document leaves out: its errors in its style.

use serde_json::{Value, json};

use crate::both;
use crate::helpers::{Backend, OLD_PASSWORD, Reply, TestApp};

use super::swift::PATH;
use super::{ALL, ANN, NEW};

/// Status and `RESPONSE_CODE` of an answer in this contract's shape.
fn said(reply: &Reply) -> String {
    assert_eq!(
        reply.header("content-type"),
        "application/json; charset=utf-8",
        "{reply:?}"
    );
    assert!(
        reply
            .header("etag")
            .starts_with(&format!("W/\"{:x}-", reply.text.len())),
        "{reply:?}"
    );
    let json: Value = serde_json::from_str(&reply.text).unwrap();
    assert_eq!(json["code"], reply.status);
    let keys = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (keys(&json), keys(&json["message"])),
        (
            vec!["code".into(), "message".into()],
            vec!["RESPONSE_TEXT".into(), "RESPONSE_CODE".into()]
        )
    );
    assert!(
        !json["message"]["RESPONSE_TEXT"]
            .as_str()
            .unwrap()
            .starts_with("swift-"),
        "{reply:?}"
    );
    format!(
        "{} {}",
        reply.status,
        json["message"]["RESPONSE_CODE"].as_str().unwrap()
    )
}

/// A request's body, with one field changed or left out.
fn with(field: &str, value: Option<Value>) -> Value {
    let mut body = json!({"oldPassword": OLD_PASSWORD, "newPassword": NEW, "confirmPassword": NEW});
    match value {
        Some(value) => body[field] = value,
        None => {
            body.as_object_mut().unwrap().remove(field);
        }
    }
    body
}

both! {
    async fn swift_bodies_that_cannot_be_used_are_400_and_change_nothing(app: TestApp) {
        app.user(ANN).await;
        let token = app.token(ALL).await;
        let user = app.user_token(&token, ANN, OLD_PASSWORD).await;
        for field in ["oldPassword", "newPassword", "confirmPassword"] {
            for (value, code) in [
                (None, "400 MISSING_FIELD_MESSAGE"),
                (Some(json!(null)), "400 MISSING_FIELD_MESSAGE"),
                (Some(json!("")), "400 MISSING_FIELD_MESSAGE"),
                (Some(json!(123456)), "400 INVALID_FIELD_MESSAGE"),
                (Some(json!(["a new secret"])), "400 INVALID_FIELD_MESSAGE"),
                (Some(json!("a\0secret")), "400 INVALID_FIELD_MESSAGE"),
            ] {
                let reply = app.send("PUT", PATH, &user, with(field, value.clone())).await;
                assert_eq!(said(&reply), code, "{field} {value:?}");
                assert!(reply.text.contains(&format!("Le champ {field} ")), "{reply:?}");
            }
        }
        let short = json!({"oldPassword": OLD_PASSWORD, "newPassword": "azert", "confirmPassword": "azert"});
        let reply = app.send("PUT", PATH, &user, short).await;
        assert_eq!(said(&reply), "400 WEAK_PASSWORD_MESSAGE");
        assert!(reply.text.contains("au moins 6 caractères"), "{reply:?}");
        let reply = app.send("PUT", PATH, &user, with("confirmPassword", Some(json!("a new secreT")))).await;
        assert_eq!(said(&reply), "400 PASSWORDS_DO_NOT_MATCH_MESSAGE");
        for body in ["", "{", "[]", "{\"oldPassword\":", "\u{feff}{}", "{\"a\":1,\"a\":2}"] {
            let reply = app.send_typed("PUT", PATH, &user, Some("application/json"), body).await;
            let code = if body.ends_with("2}") { "400 MISSING_FIELD_MESSAGE" } else { "400 INVALID_REQUEST_MESSAGE" };
            assert_eq!(said(&reply), code, "{body}");
        }
        for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
            let reply = app.send_typed("PUT", PATH, &user, content_type, with("", Some(json!(""))).to_string()).await;
            assert_eq!(said(&reply), "415 UNSUPPORTED_CONTENT_TYPE_MESSAGE", "{content_type:?}");
        }
        assert!(app.password_is(ANN, OLD_PASSWORD).await);
        assert_eq!(app.sink.received().len(), 0);
    }

    async fn swift_takes_a_users_token_and_nothing_else(app: TestApp) {
        app.user(ANN).await;
        let token = app.token(&unforget::domain::Scopes::all().to_string()).await;
        let user = app.user_token(&token, ANN, OLD_PASSWORD).await;
        let body = with("", None);
        let bare = Reply::of(app.request("PUT", PATH).json(&body).send().await.unwrap()).await;
        assert_eq!((said(&bare).as_str(), bare.header("www-authenticate")), ("401 MISSING_TOKEN_MESSAGE", "Bearer realm=\"unforget\""));
        for bad in ["x", "uf_at_x", token.as_str()] {
            let reply = app.send("PUT", PATH, bad, body.clone()).await;
            let challenge = "Bearer realm=\"unforget\", error=\"invalid_token\"";
            assert_eq!((said(&reply).as_str(), reply.header("www-authenticate")), ("401 INVALID_TOKEN_MESSAGE", challenge), "{bad}");
        }
        // Twelve hours are the life of a session.
        app.later(12 * 3600).await;
        assert_eq!(said(&app.send("PUT", PATH, &user, body).await), "401 INVALID_TOKEN_MESSAGE");
        assert!(app.password_is(ANN, OLD_PASSWORD).await);
    }

    async fn f25_swift_wrong_old_passwords_are_counted(app: TestApp) {
        app.user(ANN).await;
        let token = app.token(ALL).await;
        let user = app.user_token(&token, ANN, OLD_PASSWORD).await;
        let guess = async || app.send("PUT", PATH, &user, with("oldPassword", Some(json!("a guess")))).await;
        let mut said_last = String::new();
        for _ in 0..100 {
            let reply = guess().await;
            said_last = said(&reply);
            if reply.status == 429 {
                assert!(reply.header("retry-after").parse::<u32>().unwrap() > 0);
                break;
            }
            assert_eq!(said_last, "401 BAD_AUTH_COMBINATION_MESSAGE");
        }
        assert_eq!(said_last, "429 TOO_MANY_REQUESTS_MESSAGE");
    }
}
