//! What every answer carries: a documented body, the security headers, the request's id (bar H03, H04, H13, H14).

use diesel::connection::SimpleConnection;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use serde_json::json;
use unforget::config::LimitSettings;
use unforget::storage::StorageError;

use crate::both;
use crate::helpers::{APP, Backend, Reply, TestApp};
use crate::http_wire::exchange;

/// The security headers of the SWIFT contract, and an API's own. HSTS is a matter of TLS and stands apart.
const HEADERS: [(&str, &str); 14] = [
    ("cache-control", "no-store"),
    (
        "content-security-policy",
        "default-src 'none'; frame-ancestors 'none'",
    ),
    ("cross-origin-embedder-policy", "require-corp"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("origin-agent-cluster", "?1"),
    ("pragma", "no-cache"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-dns-prefetch-control", "off"),
    ("x-download-options", "noopen"),
    ("x-frame-options", "SAMEORIGIN"),
    ("x-permitted-cross-domain-policies", "none"),
    ("x-xss-protection", "0"),
];
pub(crate) const HSTS: &str = "max-age=15552000; includeSubDomains";

pub(crate) async fn sent(request: reqwest::RequestBuilder) -> Reply {
    Reply::of(request.send().await.unwrap()).await
}

/// Asserts what every answer has, and what none has.
pub(crate) fn assert_headers(reply: &Reply, hsts: &str) {
    for (name, value) in HEADERS {
        assert_eq!(
            reply.headers.get_all(name).iter().collect::<Vec<_>>(),
            [value],
            "{name}: {reply:?}"
        );
    }
    assert_eq!(reply.header("strict-transport-security"), hsts, "{reply:?}");
    let id = reply.header("x-request-id");
    assert!(!id.is_empty(), "{reply:?}");
    for name in [
        "server",
        "x-powered-by",
        "via",
        "access-control-allow-origin",
        "access-control-allow-credentials",
        "set-cookie",
        "x-ratelimit-after",
    ] {
        assert!(!reply.headers.contains_key(name), "{name}: {reply:?}");
    }
}

/// Asserts that an error has the body of its family.
pub(crate) fn assert_error_body(reply: &Reply, oauth: bool) {
    let json = reply.json();
    let text = |key: &str| {
        json[key]
            .as_str()
            .unwrap_or_else(|| panic!("no {key}: {reply:?}"))
    };
    if oauth {
        assert!(!text("error").is_empty() && !text("error_description").is_empty());
    } else {
        assert!(!text("status").is_empty() && !text("error").is_empty());
        assert_eq!(text("request_id"), reply.header("x-request-id"));
    }
}

/// One of each kind of answer: the request, the status that it must have, and whether it is OAuth2's.
async fn one_of_each(app: &TestApp) -> Vec<(Reply, u16, bool)> {
    let client = app.client(APP).await;
    let (token, unscoped) = (app.token_of(&client).await, app.token("users:read").await);
    let remind = |token: &str| {
        app.request("POST", "/v1/password/remind")
            .bearer_auth(token)
    };
    let email = json!({"email": "ann@example.com"});
    let grant = [("grant_type", "client_credentials")];
    let ask = || app.request("POST", "/oauth/token");
    let requests = vec![
        (remind(&token).json(&email), 200, false),
        (remind(&token).json(&json!({})), 400, false),
        (remind(&token).json(&json!({"email": "x"})), 400, false),
        (
            remind(&token)
                .header(CONTENT_TYPE, "application/json")
                .body("{"),
            400,
            false,
        ),
        (
            app.request("POST", "/v1/password/remind")
                .header("authorization", "Bearer")
                .json(&email),
            400,
            false,
        ),
        (
            app.request("POST", "/v1/password/remind").json(&email),
            401,
            false,
        ),
        (remind("x").json(&email), 401, false),
        (remind(&unscoped).json(&email), 403, false),
        (app.request("GET", "/nothing"), 404, false),
        (app.request("POST", "/nothing").json(&email), 404, false),
        (app.request("PUT", "/v1/password/remind"), 405, false),
        (app.request("GET", "/oauth/token"), 405, true),
        (app.request("POST", "/health/live"), 405, false),
        (
            remind(&token)
                .header(CONTENT_TYPE, "application/json")
                .body("x".repeat(17_000)),
            413,
            false,
        ),
        (remind(&token).body("x"), 415, false),
        (
            ask()
                .basic_auth(&client.id, Some(&client.secret))
                .form(&grant),
            200,
            true,
        ),
        (
            ask().basic_auth(&client.id, Some("x")).form(&grant),
            401,
            true,
        ),
        (ask().form(&[("x", "y")]), 400, true),
        (ask().json(&email), 400, true),
        (
            ask()
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body("x".repeat(17_000)),
            413,
            true,
        ),
        (app.request("GET", "/health/live"), 200, false),
        (app.request("GET", "/health/ready"), 200, false),
        (app.request("OPTIONS", "/v1/password/remind"), 204, false),
        (app.request("HEAD", "/health/live"), 200, false),
        (app.request("HEAD", "/oauth/token"), 405, true),
    ];
    let mut replies = Vec::new();
    for (request, status, oauth) in requests {
        replies.push((sent(request).await, status, oauth));
    }
    replies
}

both! {
    async fn h03_h04_h13_every_answer_carries_its_body_and_the_headers(app: TestApp) {
        for (reply, status, oauth) in one_of_each(&app).await {
            assert_eq!(reply.status, status, "{reply:?}");
            assert_headers(&reply, HSTS);
            if status >= 400 && !reply.text.is_empty() {
                assert_error_body(&reply, oauth);
            }
        }
        // 413 on a connection where the body never comes.
        let head = "POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                    Content-Length: 99999\r\n\r\n";
        let reply = exchange(&app, head.as_bytes());
        assert_eq!(reply.status, 413);
        assert_headers(&reply, HSTS);
        assert_error_body(&reply, true);
    }

    async fn h03_a_failure_of_ours_has_its_body_and_headers_and_tells_nothing(app: TestApp) {
        let client = app.client(APP).await;
        let token = app.token_of(&client).await;
        let away = "ALTER TABLE access_tokens RENAME TO canary";
        app.flows.storage.write(move |c| Ok::<_, StorageError>(c.batch_execute(away)?)).await.unwrap();

        let remind = app.request("POST", "/v1/password/remind").bearer_auth(&token);
        let ask = app.request("POST", "/oauth/token").basic_auth(&client.id, Some(&client.secret));
        for (request, oauth, expected) in [
            (remind.json(&json!({"email": "ann@example.com"})), false, "500 internal"),
            (ask.form(&[("grant_type", "client_credentials")]), true, "500 server_error"),
        ] {
            let reply = sent(request).await;
            assert_eq!(reply.said(), expected);
            assert_headers(&reply, HSTS);
            assert_error_body(&reply, oauth);
            assert!(!reply.text.contains("canary") && !reply.text.contains("access_tokens"), "{reply:?}");
        }
        // Who shows no token needs no database.
        assert_eq!(sent(app.request("POST", "/v1/password/remind")).await.said(), "401 unauthorized");
    }

    async fn h14_a_harmless_request_id_is_echoed(app: TestApp) {
        let longest = "x".repeat(64);
        for id in ["1", "a-B_c.9", "0190a5c2-7d2e-7000-8000-000000000000", &longest] {
            for (method, path) in [("GET", "/health/live"), ("GET", "/nothing"), ("POST", "/oauth/token"), ("POST", "/v1/password/reset")] {
                let reply = sent(app.request(method, path).header("x-request-id", id)).await;
                assert_eq!(reply.header("x-request-id"), id, "{path}");
                if path == "/nothing" {
                    assert_eq!(reply.json()["request_id"], id);
                }
            }
        }
    }

    async fn h14_any_other_request_id_is_replaced(app: TestApp) {
        let (long, huge) = ("x".repeat(65), "x".repeat(8192));
        let mut seen = std::collections::HashSet::new();
        for id in ["", " ", "a b", "a\"b", "a<b>", "a/b", "a:b", "a;b", "a,b", "${x}", "a\tb", "a%0d%0ab", "\u{e9}", &long, &huge] {
            let field = HeaderValue::from_bytes(id.as_bytes()).unwrap();
            let reply = sent(app.request("GET", "/nothing").header("x-request-id", field)).await;
            let given = reply.header("x-request-id").to_owned();
            assert_eq!(uuid::Uuid::parse_str(&given).unwrap().get_version_num(), 7, "{id:.40}");
            assert_eq!(reply.json()["request_id"], given.as_str());
            assert!(seen.insert(given), "{id:.40}");
        }
    }
}

both! {
    async fn h13_hsts_is_for_a_public_url_with_tls_only(backend: Backend) {
        let app = TestApp::start_with(backend, |settings| settings.public_url = "http://127.0.0.1:8080".to_owned()).await;
        for (reply, ..) in one_of_each(&app).await {
            assert_headers(&reply, "");
        }
    }

    async fn h03_a_limited_answer_has_its_body_and_headers(backend: Backend) {
        let one = LimitSettings { token_per_minute: 1, token_burst: 1, api_per_minute: 1, api_burst: 1, page_per_minute: 1, page_burst: 1 };
        let app = TestApp::start_with(backend, |settings| settings.limits = Some(one)).await;
        for (path, oauth, expected) in [
            ("/v1/password/remind", false, "429 too_many_requests"),
            ("/oauth/token", true, "429 temporarily_unavailable"),
        ] {
            assert_ne!(sent(app.request("POST", path)).await.status, 429);
            let reply = sent(app.request("POST", path)).await;
            assert_eq!(reply.said(), expected);
            assert_headers(&reply, HSTS);
            assert_error_body(&reply, oauth);
        }
    }
}
