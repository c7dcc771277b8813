//! The SWIFT document (`PUT /users/reset-password`): its request, its two answers and their headers.

use serde_json::{Value, json};

use crate::both;
use crate::helpers::{Backend, Reply, TestApp};

use super::{ALL, ANN, compact, limited};

pub(super) const PATH: &str = "/api/v1/users/reset-password";
/// The passwords of the document's request.
const OLD: &str = "p8&Q4f7B1";
const NEW: &str = "p8&Q4f7B";

/// The document's two bodies, with their lengths and validators: these stand for every byte.
const CHANGED: (&str, &str, &str) = (
    r#"{
  "code": 200,
  "message": {
    "RESPONSE_TEXT": "Le mot de passe a été modifié avec succès",
    "RESPONSE_CODE": "PASSWORD_CHANGED_SUCCESS_MESSAGE"
  }
}"#,
    "139",
    "W/\"8b-QWbb4ikgHnVP7+uS012NuEdlw3U\"",
);
const WRONG: (&str, &str, &str) = (
    r#"{
  "code": 401,
  "message": {
    "RESPONSE_TEXT": "Oups! Il semblerait que vos identifiants soient incorrect",
    "RESPONSE_CODE": "BAD_AUTH_COMBINATION_MESSAGE"
  }
}"#,
    "147",
    "W/\"93-sq1pbdnP3EaMQMYbMt4Hd5KnqQQ\"",
);

/// The headers of the document whose values are fixed and not ours to choose.
const HEADERS: [(&str, &str); 14] = [
    ("cross-origin-embedder-policy", "require-corp"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("origin-agent-cluster", "?1"),
    ("referrer-policy", "no-referrer"),
    (
        "strict-transport-security",
        "max-age=15552000; includeSubDomains",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-dns-prefetch-control", "off"),
    ("x-download-options", "noopen"),
    ("x-frame-options", "SAMEORIGIN"),
    ("x-permitted-cross-domain-policies", "none"),
    ("x-xss-protection", "0"),
    ("content-type", "application/json; charset=utf-8"),
    ("keep-alive", "timeout=5"),
];

fn assert_documented(reply: &Reply, status: u16, (body, length, etag): (&str, &str, &str)) {
    assert_eq!(
        (reply.status, reply.text.as_str()),
        (status, compact(body).as_str())
    );
    assert_eq!(
        (reply.header("content-length"), reply.header("etag")),
        (length, etag)
    );
    for (name, value) in HEADERS {
        assert_eq!(reply.header(name), value, "{name}: {reply:?}");
    }
    assert_eq!(reply.header("x-powered-by"), "Unforget");
    assert!(reply.header("date").ends_with(" GMT"), "{reply:?}");
}

/// A user with the document's old password, and a token of that user.
async fn signed_in(app: &TestApp) -> String {
    let id = app.user(ANN).await;
    let token = app.token(ALL).await;
    let set = format!("/v1/users/{id}/reset-password");
    assert_eq!(
        app.send("POST", &set, &token, json!({"new_password": OLD}))
            .await
            .status,
        204
    );
    app.user_token(&token, ANN, OLD).await
}

fn body() -> Value {
    json!({"oldPassword": OLD, "newPassword": NEW, "confirmPassword": NEW})
}

both! {
    async fn swift_curl_example_gets_the_example_answer(app: TestApp) {
        let user = signed_in(&app).await;
        let mails = app.mails(1).await.len();
        let literal = r#"{"oldPassword":"p8\u0026Q4f7B1","newPassword":"p8\u0026Q4f7B","confirmPassword":"p8\u0026Q4f7B"}"#;
        let reply = app.send_typed("PUT", PATH, &user, Some("application/json"), literal).await;
        assert_documented(&reply, 200, CHANGED);
        assert!(app.password_is(ANN, NEW).await);
        // The user is told, and every token of the user has ended, this one too.
        assert_eq!(app.mails(mails + 1).await[mails].to, [ANN]);
        let again = app.send("PUT", PATH, &user, body()).await;
        assert_eq!((again.status, again.header("www-authenticate")), (401, "Bearer realm=\"unforget\", error=\"invalid_token\""));
    }

    async fn swift_example_with_the_keys_in_another_order_works_as_well(app: TestApp) {
        let user = signed_in(&app).await;
        let literal = r#"{
          "newPassword": "p8&Q4f7B",
          "oldPassword": "p8&Q4f7B1",
          "confirmPassword": "p8&Q4f7B"
        }"#;
        let reply = app.send_typed("PUT", PATH, &user, Some("application/json"), literal).await;
        assert_documented(&reply, 200, CHANGED);
    }

    async fn swift_wrong_old_password_gets_the_example_error(app: TestApp) {
        let user = signed_in(&app).await;
        let mut body = body();
        body["oldPassword"] = json!("p8&Q4f7B2");
        assert_documented(&app.send("PUT", PATH, &user, body.clone()).await, 401, WRONG);
        assert!(app.password_is(ANN, OLD).await);
        // The token lives on: it was not what was wrong.
        body["oldPassword"] = json!(OLD);
        assert_documented(&app.send("PUT", PATH, &user, body).await, 200, CHANGED);
    }

    async fn swift_speaks_french_unless_the_caller_prefers_english(app: TestApp) {
        let user = signed_in(&app).await;
        let mut wrong = body();
        wrong["oldPassword"] = json!("wrong");
        let (fr, en) = ("Oups! Il semblerait que vos identifiants soient incorrect", "Oops! It seems that your credentials are incorrect");
        for (languages, text) in [("de", fr), ("*", fr), ("fr-TN, en;q=0.5", fr), ("en-GB, fr;q=0.5", en), ("de, fr;q=0.1, en;q=0.2", en)] {
            let reply = app.call_in(languages, "PUT", PATH, &user, wrong.clone()).await;
            let json: Value = serde_json::from_str(&reply.text).unwrap();
            assert_eq!(json["message"], json!({"RESPONSE_TEXT": text, "RESPONSE_CODE": "BAD_AUTH_COMBINATION_MESSAGE"}), "{languages}");
        }
        let reply = app.call_in("en", "PUT", PATH, &user, body()).await;
        assert_eq!(reply.text, r#"{"code":200,"message":{"RESPONSE_TEXT":"The password has been changed successfully","RESPONSE_CODE":"PASSWORD_CHANGED_SUCCESS_MESSAGE"}}"#);
    }

    async fn swift_promises_to_keep_a_connection_only_where_it_does(app: TestApp) {
        let user = signed_in(&app).await;
        let ask = |more: &str, version: &str| {
            let head = format!("PUT {PATH} HTTP/{version}\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n{more}\r\n");
            app.raw(format!("{head}{{}}").as_bytes()).to_lowercase()
        };
        let bearer = format!("Authorization: Bearer {user}\r\n");
        let kept = ask(&bearer, "1.1");
        assert!(kept.starts_with("http/1.1 400") && kept.contains("keep-alive: timeout=5\r\n") && !kept.contains("connection:"), "{kept}");
        let closed = ask(&format!("{bearer}Connection: close\r\n"), "1.1");
        assert!(closed.contains("connection: close\r\n") && !closed.contains("keep-alive"), "{closed}");
        let old = ask(&bearer, "1.0");
        assert!(old.starts_with("http/1.0 400") && !old.contains("keep-alive"), "{old}");
        // Only there must it be said that the connection stays (RFC 9112 section 9.3).
        let kept = ask(&format!("{bearer}Connection: keep-alive\r\n"), "1.0");
        assert!(kept.contains("connection: keep-alive\r\n") && kept.contains("keep-alive: timeout=5\r\n"), "{kept}");
        // Who is refused before the body is read is cut off.
        let refused = ask("", "1.1");
        assert!(refused.starts_with("http/1.1 401") && !refused.contains("keep-alive"), "{refused}");
    }
}

both! {
    async fn swift_counted_answers_tell_the_limit_as_the_document_does(backend: Backend) {
        let limits = limited(6, 4);
        let app = TestApp::start_with(backend, |settings| settings.limits = limits).await;
        app.user(ANN).await;
        let token = app.token(ALL).await;
        let user = app.user_token(&token, ANN, crate::helpers::OLD_PASSWORD).await;
        // Another client's calls would not count, but this user's token belongs to the same one: three are left.
        let calls = [
            app.send("PUT", PATH, &user, body()).await,
            app.send("PUT", PATH, &user, json!({})).await,
            app.send("PUT", PATH, &user, body()).await,
            app.send("PUT", PATH, &user, body()).await,
        ];
        let told: Vec<_> = calls.iter().map(|reply| (reply.status, reply.header("x-ratelimit-limit"), reply.header("x-ratelimit-remaining"))).collect();
        assert_eq!(told, [(401, "4", "2"), (400, "4", "1"), (401, "4", "0"), (429, "4", "0")]);
        for (number, reply) in calls.iter().enumerate() {
            // A bucket gets a call back every ten seconds.
            let reset = reply.header("x-ratelimit-reset");
            let date = chrono::NaiveDateTime::parse_from_str(reset, "%a %b %d %Y %H:%M:%S GMT+0000 (Coordinated Universal Time)");
            let ahead = date.unwrap().and_utc() - app.clock.now();
            let missing = [20, 30, 40, 40][number];
            assert!((missing - 5..=missing + 1).contains(&ahead.num_seconds()), "{reset}: {ahead}");
            let wait: f64 = reply.header("retry-after").parse().unwrap();
            if reply.status == 429 {
                // There it is for programs, and tells when the next call will do: whole seconds (RFC 9110 section 10.2.3).
                assert!((1.0..=10.0).contains(&wait) && wait.fract() == 0.0, "{wait}");
            } else {
                assert_eq!(wait, f64::from(missing as i32));
            }
        }
        assert!(calls[3].text.contains("TOO_MANY_REQUESTS_MESSAGE"), "{:?}", calls[3]);
    }

    async fn swift_has_no_hsts_without_tls_and_no_cors_but_for_the_configured(backend: Backend) {
        let app = TestApp::start_with(backend, |settings| {
            settings.public_url = "http://127.0.0.1:8080".to_owned();
            settings.cors_origins = vec!["*".to_owned()];
        })
        .await;
        let call = async |origin: bool| {
            let request = app.request("PUT", PATH).json(&body());
            let request = if origin { request.header("origin", "https://any.example") } else { request };
            Reply::of(request.send().await.unwrap()).await
        };
        assert_eq!(call(true).await.header("access-control-allow-origin"), "*");
        assert!(!call(true).await.headers.contains_key("access-control-allow-credentials"));
        assert!(!call(false).await.headers.contains_key("strict-transport-security"));
    }
}
