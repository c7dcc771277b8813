//! The error examples of the Unleash document, byte for byte, and the errors that it only names.

use serde_json::{Value, json};

use crate::both;
use crate::helpers::{APP, Backend, Reply, TestApp};

use super::{ANN, NEW, compact, garbage, limited};

const RESET: &str = "/auth/reset/password";
/// The id in the document's examples.
const ID: &str = "9c40958a-daac-400e-98fb-3bb438567008";

/// The document's example bodies of 401 and 415, as they are printed there.
const AUTHENTICATION_REQUIRED: &str = r#"{
"id": "9c40958a-daac-400e-98fb-3bb438567008",
"name": "AuthenticationRequired",
"message": "You must log in to use Unleash. Your request had no authorization header, so we could not authorize you. Try logging in at /auth/simple/login."
}"#;
const CONTENT_TYPE_ERROR: &str = r#"{
"id": "9c40958a-daac-400e-98fb-3bb438567008",
"name": "ContentTypeerror",
"message": "We do not accept the content-type you provided (application/xml). Try using one of the content-types we do accept instead (application/json) and make sure the body is in the corresponding format."
}"#;
/// That of 403, but for a permission of ours, and no environment: we have none.
const NO_ACCESS: &str = r#"{
"id": "9c40958a-daac-400e-98fb-3bb438567008",
"name": "NoAccessError",
"message": "You need the \"password:reset\" permission to perform this action."
}"#;

/// The body with the id of the document's examples, after making sure that its own is a UUID.
fn documented(reply: &Reply) -> String {
    let id = reply.json()["id"].as_str().unwrap().to_owned();
    assert!(
        uuid::Uuid::try_parse(&id).is_ok() && id.len() == 36,
        "{reply:?}"
    );
    reply.text.replace(&id, ID)
}

fn body() -> Value {
    json!({"token": garbage(), "password": NEW})
}

/// Name and the texts of the details.
fn bad_data(reply: &Reply) -> (u16, String, Vec<String>) {
    let json = reply.json();
    let details = json["details"].as_array().unwrap().iter();
    let texts = details.map(|detail| detail["message"].as_str().unwrap().to_owned());
    (
        reply.status,
        json["name"].as_str().unwrap().to_owned(),
        texts.collect(),
    )
}

both! {
    async fn unleash_error_examples_are_byte_for_byte_those_of_the_document(app: TestApp) {
        let bare = Reply::of(app.request("POST", RESET).json(&body()).send().await.unwrap()).await;
        assert_eq!((bare.status, documented(&bare)), (401, compact(AUTHENTICATION_REQUIRED)));

        let unscoped = app.token("password:remind").await;
        let reply = app.send("POST", RESET, &unscoped, body()).await;
        assert_eq!((reply.status, documented(&reply)), (403, compact(NO_ACCESS)));

        let token = app.token(APP).await;
        let reply = app.send_typed("POST", RESET, &token, Some("application/xml"), "<a/>").await;
        assert_eq!((reply.status, documented(&reply)), (415, compact(CONTENT_TYPE_ERROR)));
    }

    async fn unleash_error_ids_are_the_requests_own_or_new(app: TestApp) {
        let send = async |id: &str| {
            let request = app.request("POST", RESET).header("x-request-id", id).json(&body());
            let reply = Reply::of(request.send().await.unwrap()).await;
            assert_eq!(reply.header("x-request-id"), id);
            reply.json()["id"].as_str().unwrap().to_owned()
        };
        assert_eq!(send(ID).await, ID);
        let ids = [send("mine").await, send("mine").await];
        assert_ne!(ids[0], ids[1]);
        assert!(ids.iter().all(|id| uuid::Uuid::try_parse(id).is_ok()), "{ids:?}");
    }

    async fn unleash_content_type_is_repeated_only_when_it_is_harmless(app: TestApp) {
        let token = app.token(APP).await;
        let long = format!("text/{}", "x".repeat(200));
        for (sent, told) in [
            (None, "you didn't provide one"),
            (Some("text/plain; charset=utf-8"), "text/plain; charset=utf-8"),
            (Some("application/x-www-form-urlencoded"), "application/x-www-form-urlencoded"),
            (Some("text/\u{e9}"), "one that is not shown here"),
            (Some("text/\tx"), "one that is not shown here"),
            (Some(long.as_str()), "one that is not shown here"),
        ] {
            let reply = app.send_typed("POST", RESET, &token, sent, body().to_string()).await;
            let expected = compact(CONTENT_TYPE_ERROR).replace("application/xml", told);
            assert_eq!((reply.status, documented(&reply)), (415, expected));
        }
        let request = app.request("POST", RESET).bearer_auth(&token).header("content-encoding", "gzip").json(&body());
        let reply = Reply::of(request.send().await.unwrap()).await;
        let expected = compact(CONTENT_TYPE_ERROR).replace("application/xml", "application/json, compressed");
        assert_eq!((reply.status, documented(&reply)), (415, expected));
    }

    async fn unleash_bad_data_is_400_and_the_details_name_the_property(app: TestApp) {
        let token = app.token(APP).await;
        for (path, body, detail) in [
            (RESET, r#"{"password": "a new secret"}"#, "The `token` property is required, and the request does not have it."),
            (RESET, r#"{"token": null, "password": "a new secret"}"#, "The `token` property is required, and the request does not have it."),
            (RESET, r#"{"token": "", "password": "a new secret"}"#, "The `token` property must not be empty."),
            (RESET, r#"{"token": 7, "password": "a new secret"}"#, "The `token` property must be a string."),
            (RESET, r#"{"token": "a\u0000", "password": "a new secret"}"#, "The `token` property is not valid."),
            (RESET, r#"{"token": "a", "token": "b", "password": "a new secret"}"#, "The `token` property is there more than once."),
            (RESET, r#"{"token": "a"}"#, "The `password` property is required, and the request does not have it."),
            (RESET, r#"{"token": "a", "password": ["a new secret"]}"#, "The `password` property must be a string."),
            (RESET, r#"{"token": "a", "password": "short"}"#, "The password must be at least 6 characters long."),
            (RESET, r#"{"token": "a", "password": "a\u0000 new secret"}"#, "The password must not contain the character U+0000."),
            (RESET, r#"{"token""#, "The request is not a JSON object that has each key once."),
            (RESET, "", "The request is not a JSON object that has each key once."),
            (RESET, "[]", "The request is not a JSON object that has each key once."),
            ("/auth/reset/password-email", "{}", "The `email` property is required, and the request does not have it."),
            ("/auth/reset/password-email", r#"{"email": ""}"#, "The `email` property must not be empty."),
            ("/auth/reset/password-email", r#"{"email": ["ann@example.com"]}"#, "The `email` property must be a string."),
            ("/auth/reset/password-email", r#"{"email": "ann"}"#, "The `email` property is not valid."),
            ("/auth/reset/password-email", r#"{"email": "ann@example.com\u0000"}"#, "The `email` property is not valid."),
            ("/auth/reset/validate-password", "{}", "The `password` property is required, and the request does not have it."),
            ("/auth/reset/validate-password", r#"{"password": "short"}"#, "The password must be at least 6 characters long."),
        ] {
            let reply = app.send_typed("POST", path, &token, Some("application/json"), body).await;
            assert_eq!(bad_data(&reply), (400, "BadDataError".to_owned(), vec![detail.to_owned()]), "{body}");
        }
        for (query, detail) in [
            ("", "The `token` property is required, and the request does not have it."),
            ("?token=", "The `token` property must not be empty."),
            ("?token=a&token=b", "The `token` property is there more than once."),
            ("?token=%00", "The `token` property is not valid."),
            ("?token=%", "The request is not a JSON object that has each key once."),
        ] {
            let request = app.request("GET", &format!("/auth/reset/validate{query}")).bearer_auth(&token);
            let reply = Reply::of(request.send().await.unwrap()).await;
            assert_eq!(bad_data(&reply), (400, "BadDataError".to_owned(), vec![detail.to_owned()]), "{query}");
        }
    }
}

both! {
    async fn unleash_password_that_is_refused_has_every_reason_in_its_details(backend: Backend) {
        let app = TestApp::start_with(backend, |settings| {
            settings.policy.min_length = 15;
            settings.policy.blocklist = true;
        })
        .await;
        let token = app.token(APP).await;
        let expected = json!([{
            "validationErrors": ["The password must be at least 15 characters long.", "The password is easy to guess."],
            "message": "The password must be at least 15 characters long.",
        }]);
        for path in [RESET, "/auth/reset/validate-password"] {
            let reply = app.send("POST", path, &token, json!({"token": garbage(), "password": "password"})).await;
            let json = reply.json();
            assert_eq!((reply.status, &json["details"], &json["message"]), (400, &expected, &expected[0]["message"]));
        }
    }

    async fn unleash_limits_are_told_in_its_words(backend: Backend) {
        let one = limited(1, 1);
        let app = TestApp::start_with(backend, |settings| settings.limits = one).await;
        let token = app.token(APP).await;
        assert_eq!(app.send("POST", RESET, &token, body()).await.status, 401);
        let reply = app.send("POST", RESET, &token, body()).await;
        assert_eq!((reply.status, &reply.json()["name"]), (429, &json!("RateLimitError")));
        assert!(reply.header("retry-after").parse::<u32>().unwrap() > 0);
        assert_eq!(reply.header("x-ratelimit-limit"), "1");
    }

    async fn f29_unleash_mails_to_one_address_are_capped(backend: Backend) {
        let app = TestApp::start_with(backend, |settings| settings.recovery.per_hour = 1).await;
        app.user(ANN).await;
        let token = app.token(APP).await;
        let mail = async || app.send("POST", "/auth/reset/password-email", &token, json!({"email": ANN})).await;
        assert_eq!(mail().await.status, 200);
        app.later(61).await;
        let reply = mail().await;
        assert_eq!((reply.status, &reply.json()["name"]), (429, &json!("RateLimitError")));
        assert!(reply.header("retry-after").parse::<u32>().unwrap() > 3000, "{reply:?}");
    }
}
