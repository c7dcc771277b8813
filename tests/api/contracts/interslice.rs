//! The Interslice document (`PUT /api/v1/users/password`), and how its mail is asked for.

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use unforget::domain::ClientId;
use unforget::flows::By;
use unforget::server::Running;

use crate::both;
use crate::helpers::{APP, Backend, OLD_PASSWORD, Reply, TestApp};

use super::{ANN, NEW, compact};

pub(super) const PATH: &str = "/api/v1/users/password";
/// The password of the document's request.
const VALID: &str = "Valid123!";
/// The document's user.
const LEMUEL: &str = "lemuel.bednar+driver@example.com";

/// The document's headers, but for those that differ from call to call.
const HEADERS: [(&str, &str); 8] = [
    ("x-frame-options", "SAMEORIGIN"),
    ("x-xss-protection", "0"),
    ("x-content-type-options", "nosniff"),
    ("x-permitted-cross-domain-policies", "none"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
    ("content-type", "application/json; charset=utf-8"),
    ("vary", "Accept, Origin"),
    ("cache-control", "max-age=0, private, must-revalidate"),
];

pub(super) fn body(link: &str, password: &str) -> Value {
    json!({"user": {"reset_password_token": link, "password": password, "password_confirmation": password}})
}

pub(super) async fn sent(request: RequestBuilder) -> Reply {
    Reply::of(request.send().await.unwrap()).await
}

/// A service where calls without a token run on behalf of a client with these scopes. It is the second one on its database: the
/// client had to be registered first.
async fn open(backend: Backend, scopes: &str) -> (TestApp, Running, ClientId) {
    let mut app = TestApp::start(backend).await;
    let id = app.client(scopes).await.client_id();
    app.settings.interslice_client = Some(id.clone());
    let (second, base) = app.second();
    app.base = base;
    (app, second, id)
}

both! {
    async fn interslice_example_sets_the_password_and_signs_the_user_in(app: TestApp) {
        let id = app
            .user_with_profile(
                LEMUEL,
                json!({
                    "id": 1872,
                    "first_name": "Lemuel",
                    "last_name": "Bednar",
                    "phone_number": null,
                    "profile_id": null,
                    "referral_code": "456119",
                    "email": "another@example.com",
                    "role": "driver",
                }),
            )
            .await;
        let token = app.token("password:remind password:reset").await;
        let link = app.mailed_token(&token, LEMUEL).await;
        let request = app.request("PUT", PATH).bearer_auth(&token).header("accept", "application/json").header("cookie", "");
        let reply = sent(request.json(&body(&link, VALID))).await;

        // The document's body, but for the id, which is a UUID here.
        let document = r#"{
          "user": {
            "id": 1872,
            "email": "lemuel.bednar+driver@example.com",
            "first_name": "Lemuel",
            "last_name": "Bednar",
            "phone_number": null,
            "profile_id": null,
            "referral_code": "456119",
            "role": "driver"
          }
        }"#;
        let expected = compact(document).replace("1872", &format!("\"{id}\""));
        assert_eq!((reply.status, reply.text.as_str()), (200, expected.as_str()));
        for (name, value) in HEADERS {
            assert_eq!(reply.header(name), value, "{name}: {reply:?}");
        }
        assert_eq!(reply.header("content-length"), expected.len().to_string());
        let digits: String = Sha256::digest(&expected).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(reply.header("etag"), format!("W/\"{digits}\""));
        assert!(uuid::Uuid::try_parse(reply.header("x-request-id")).is_ok());
        let (seconds, fraction) = reply.header("x-runtime").split_once('.').unwrap();
        assert!(seconds.parse::<u32>().is_ok() && fraction.len() == 6, "{reply:?}");
        assert!(!reply.headers.contains_key("set-cookie"));
        assert!(app.password_is(LEMUEL, VALID).await);
        assert_eq!(app.mails(2).await[1].to, [LEMUEL]);

        // The header's token is the user's, and opens what is the user's only.
        let user = reply.header("authorization").strip_prefix("Bearer ").unwrap();
        assert_eq!(app.remind(user, LEMUEL).await.status, 403);
        let change = json!({"oldPassword": VALID, "newPassword": NEW, "confirmPassword": NEW});
        assert_eq!(app.send("PUT", "/api/v1/users/reset-password", user, change).await.status, 200);
    }

    async fn interslice_takes_forms_with_names_in_brackets(app: TestApp) {
        app.user(ANN).await;
        let token = app.token(APP).await;
        let reply = app.post_form(PATH, &token, &[("user[email]", ANN)]).await;
        assert_eq!((reply.status, reply.text.as_str()), (201, "{}"));
        let link = app.mails(1).await[0].parse().token();
        let form = [("user[reset_password_token]", link.as_str()), ("user[password]", VALID), ("user[password_confirmation]", VALID)];
        let reply = sent(app.request("PUT", PATH).bearer_auth(&token).form(&form)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert!(app.password_is(ANN, VALID).await);
    }

    async fn interslice_ends_what_was_there_before_and_not_what_it_hands_out(app: TestApp) {
        app.user(ANN).await;
        let token = app.token("password:remind password:reset sessions:create").await;
        let before = app.user_token(&token, ANN, OLD_PASSWORD).await;
        let link = app.mailed_token(&token, ANN).await;
        let reply = app.send("PUT", PATH, &token, body(&link, VALID)).await;
        let after = reply.header("authorization").strip_prefix("Bearer ").unwrap();
        let change = json!({"oldPassword": VALID, "newPassword": NEW, "confirmPassword": NEW});
        for (user, status) in [(before.as_str(), 401), (after, 200), (after, 401)] {
            assert_eq!(app.send("PUT", "/api/v1/users/reset-password", user, change.clone()).await.status, status);
        }
    }

    async fn f13_interslice_refusals_do_not_use_the_link_up(app: TestApp) {
        app.user(ANN).await;
        let token = app.token(APP).await;
        let link = app.mailed_token(&token, ANN).await;
        for (password, confirmation) in [("short", "short"), (VALID, "Valid123?"), (VALID, ""), ("", ""), ("a\0secret", "a\0secret")] {
            let mut body = body(&link, password);
            body["user"]["password_confirmation"] = json!(confirmation);
            let reply = app.send("PUT", PATH, &token, body).await;
            assert_eq!((reply.status, reply.header("authorization")), (422, ""), "{password:?}");
        }
        assert!(app.password_is(ANN, OLD_PASSWORD).await);
        assert_eq!(app.send("PUT", PATH, &token, body(&link, VALID)).await.status, 200);
    }

    async fn f01_interslice_mail_is_answered_the_same_for_everybody_but_disclosing_clients(app: TestApp) {
        app.user(ANN).await;
        let ask = async |token: &str, email: &str| {
            let mut reply = app.send("POST", PATH, token, json!({"user": {"email": email}})).await;
            assert!(reply.headers.remove("x-runtime").is_some()); // differs from call to call
            reply
        };
        let token = app.token(APP).await;
        let (known, unknown) = (ask(&token, ANN).await, ask(&token, "nobody@example.com").await);
        assert_eq!((known.status, known.text.as_str()), (201, "{}"));
        assert_eq!(crate::http::face(&known), crate::http::face(&unknown));
        let disclosing = app.token("password:remind users:disclose").await;
        let reply = ask(&disclosing, "nobody@example.com").await;
        assert_eq!((reply.status, reply.text.as_str()), (422, r#"{"errors":{"email":["not found"]}}"#));
    }
}

both! {
    async fn interslice_example_without_a_token_runs_on_behalf_of_the_configured_client(backend: Backend) {
        let (app, _second, client) = open(backend, APP).await;
        app.user(ANN).await;
        let ask = || app.request("POST", PATH).json(&json!({"user": {"email": ANN}}));
        assert_eq!(sent(ask()).await.status, 201);
        let mail = app.mails(1).await.remove(0);
        assert_eq!(mail.parse().header("Subject").as_deref(), Some("Reset your password for Teen Quotes"));
        let link = mail.parse().token();
        // Wrong credentials are wrong, also where none are needed.
        let set = || app.request("PUT", PATH).json(&body(&link, VALID));
        assert_eq!(sent(set().bearer_auth("x")).await.status, 401);
        assert_eq!(sent(set().header("authorization", "Bearer")).await.status, 400);
        let unscoped = app.token("users:read").await;
        assert_eq!(sent(set().bearer_auth(unscoped)).await.status, 403);
        // Switched off, the client's word is worth nothing.
        app.flows.disable_client(By::Operator, client.clone(), true).await.unwrap();
        assert_eq!(sent(set()).await.status, 401);
        app.flows.disable_client(By::Operator, client.clone(), false).await.unwrap();
        assert_eq!(sent(set()).await.status, 200);
        app.flows.delete_client(By::Operator, client).await.unwrap();
        assert_eq!(sent(ask()).await.status, 401);
    }

    async fn interslice_configured_client_lends_only_the_scopes_that_it_has(backend: Backend) {
        let (app, _second, _) = open(backend, "password:reset").await;
        let reply = sent(app.request("POST", PATH).json(&json!({"user": {"email": ANN}}))).await;
        assert_eq!((reply.status, reply.text.as_str()), (401, r#"{"error":"You need to sign in or sign up before continuing."}"#));
        let reply = sent(app.request("PUT", PATH).json(&body("x", VALID))).await;
        assert_eq!((reply.status, reply.text.as_str()), (422, r#"{"errors":{"reset_password_token":["is invalid"]}}"#));
        // A body is not looked at before the client is: also a body that is there at once.
        let reply = sent(app.request("POST", PATH).header("content-type", "text/plain").body("x".repeat(20_000))).await;
        assert_eq!(reply.status, 401);
    }
}
