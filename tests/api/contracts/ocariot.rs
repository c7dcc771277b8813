//! The OCARIoT document (`POST /v1/users/{user_id}/reset-password`), line by line.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::both;
use crate::helpers::{Backend, OLD_PASSWORD, Reply, TestApp};

use super::{ALL, ANN, NEW, compact, limited};

/// Code, message and description, which must be all that there is, in this order.
fn said(reply: &Reply) -> (u16, String, String) {
    let json = reply.json();
    let keys: Vec<_> = json
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(keys, ["code", "message", "description"], "{reply:?}");
    assert_eq!(json["code"], reply.status, "{reply:?}");
    let text = |key: &str| json[key].as_str().unwrap().to_owned();
    assert!(!text("message").is_empty() && !text("description").is_empty());
    (reply.status, text("message"), text("description"))
}

fn path(id: impl std::fmt::Display) -> String {
    format!("/v1/users/{id}/reset-password")
}

both! {
    async fn ocariot_curl_example_sets_the_password_and_answers_204_without_a_body(app: TestApp) {
        let id = app.user(ANN).await;
        let token = app.token("users:resetPassword sessions:create").await;
        let session = app.user_token(&token, ANN, OLD_PASSWORD).await;
        let request = app.request("POST", &path(id)).header("accept", "*/*").bearer_auth(&token);
        let request = request.header("content-type", "application/json").body(r#"{"new_password":"new_password_here"}"#);
        let reply = Reply::of(request.send().await.unwrap()).await;
        assert_eq!((reply.status, reply.text.as_str(), reply.header("content-type")), (204, "", ""), "{reply:?}");
        assert!(!reply.headers.contains_key("content-length"));
        assert!(app.password_is(ANN, "new_password_here").await);
        // The user is told, and the tokens of the user end.
        assert_eq!(app.mails(1).await[0].to, [ANN]);
        let body = json!({"oldPassword": "new_password_here", "newPassword": NEW, "confirmPassword": NEW});
        assert_eq!(app.send("PUT", "/api/v1/users/reset-password", &session, body).await.status, 401);
    }

    async fn ocariot_validation_examples_are_byte_for_byte_those_of_the_document(app: TestApp) {
        let id = app.user(ANN).await;
        let token = app.token("users:resetPassword").await;
        let missing = r#"{
            "code": 400,
            "message": "Required fields were not provided...",
            "description": "new_password is required!"
          }"#;
        let empty = r#"{
            "code": 400,
            "message": "One or more request fields are invalid...",
            "description": "new_password must have at least one character!"
          }"#;
        let no_string = r#"{
            "code": 400,
            "message": "One or more request fields are invalid...",
            "description": "new_password must be a string!"
          }"#;
        for (body, expected) in [
            (json!({}), missing),
            (json!({"new_password": null}), missing),
            (json!({"password": NEW}), missing),
            (json!({"new_password": ""}), empty),
            (json!({"new_password": 123456}), no_string),
            (json!({"new_password": ["a new secret"]}), no_string),
            (json!({"new_password": {"a": "new secret"}}), no_string),
            (json!({"new_password": true}), no_string),
        ] {
            let reply = app.send("POST", &path(id), &token, body).await;
            assert_eq!((reply.status, reply.text.as_str()), (400, compact(expected).as_str()));
        }
        assert!(app.password_is(ANN, OLD_PASSWORD).await);
    }

    async fn ocariot_ids_and_bodies_that_cannot_be_used_are_400(app: TestApp) {
        let id = app.user(ANN).await;
        let token = app.token("users:resetPassword").await;
        // The document's own id is one of another kind than ours.
        for bad in ["5a62be07de34500146d9c544", "1", "%00", "%C3%A9", "..%2f..", &"a".repeat(3000)] {
            let reply = app.send("POST", &path(bad), &token, json!({"new_password": NEW})).await;
            assert_eq!(said(&reply).1, "Parameter {user_id} is not in valid format!", "{bad}");
            assert_eq!(reply.status, 400);
        }
        for body in ["", "{", "[]", "\"new_password\"", "{\"new_password\":\"a new secret\",}", "{\"a\":1,\"a\":2,\"new_password\":\"a new secret\"}"] {
            let reply = app.send_typed("POST", &path(id), &token, Some("application/json"), body).await;
            assert_eq!(said(&reply), (400, "Unable to process request body!".to_owned(), said(&reply).2), "{body}");
        }
        let description = async |password: Value| {
            let reply = app.send("POST", &path(id), &token, json!({"new_password": password})).await;
            let (code, message, description) = said(&reply);
            assert_eq!((code, message.as_str()), (400, "One or more request fields are invalid..."));
            description
        };
        assert_eq!(description(json!("azert")).await, "new_password must have at least 6 characters!");
        assert_eq!(description(json!("a\0new secret")).await, "new_password must not have the character U+0000!");
        let twice = r#"{"new_password":"a new secret","new_password":"another secret"}"#;
        let reply = app.send_typed("POST", &path(id), &token, Some("application/json"), twice).await;
        assert_eq!(said(&reply).2, "new_password must be there once!");
        assert!(app.password_is(ANN, OLD_PASSWORD).await);
    }

    async fn ocariot_who_may_not_or_finds_nobody_is_told_so(app: TestApp) {
        let id = app.user(ANN).await;
        let body = json!({"new_password": NEW});
        let bare = Reply::of(app.request("POST", &path(id)).json(&body).send().await.unwrap()).await;
        assert_eq!((said(&bare).0, said(&bare).1.as_str()), (401, "UNAUTHORIZED"));
        assert_eq!(said(&app.send("POST", &path(id), "x", body.clone()).await).0, 401);
        let unscoped = app.token("users:write users:read").await;
        let reply = app.send("POST", &path(id), &unscoped, body.clone()).await;
        assert_eq!((said(&reply).0, said(&reply).1.as_str()), (403, "FORBIDDEN"));
        assert!(reply.header("www-authenticate").ends_with("error=\"insufficient_scope\", scope=\"users:resetPassword\""));

        let token = app.token("users:resetPassword").await;
        let reply = app.send("POST", &path(Uuid::from_u128(7)), &token, body.clone()).await;
        assert_eq!((said(&reply).0, said(&reply).1.as_str()), (404, "User not found!"));
        for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
            let reply = app.send_typed("POST", &path(id), &token, content_type, "new_password=a+new+secret").await;
            assert_eq!((said(&reply).0, said(&reply).1.as_str()), (415, "UNSUPPORTED MEDIA TYPE"));
        }
        assert!(app.password_is(ANN, OLD_PASSWORD).await);
    }
}

both! {
    async fn ocariot_limits_and_faults_are_told_in_its_words(backend: Backend) {
        // A cost that bcrypt refuses: whoever gets as far as hashing fails.
        let app = TestApp::start_with(backend, |settings| {
            settings.bcrypt_cost = 99;
            settings.limits = limited(1, 1);
        })
        .await;
        let id = app.user_with_profile(ANN, json!({})).await;
        let client = app.client(ALL).await;
        let token = app.token_of(&client).await;
        let set = async || app.send("POST", &path(id), &token, json!({"new_password": NEW})).await;
        let fault = set().await;
        assert_eq!((said(&fault).0, said(&fault).1.as_str()), (500, "An internal server error has occurred."));
        let many = set().await;
        assert_eq!((said(&many).0, said(&many).1.as_str()), (429, "TOO MANY REQUESTS"));
        assert!(many.header("retry-after").parse::<u32>().unwrap() > 0);
    }
}
