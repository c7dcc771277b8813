//! Which web pages may call: those of the configured origins, and none by default (bar H13).

use serde_json::json;

use crate::both;
use crate::description::Description;
use crate::helpers::{APP, Backend, TestApp};
use crate::http_headers::{HSTS, assert_error_body, assert_headers, sent};

both! {
    async fn without_configured_origins_no_web_page_may_call(app: TestApp) {
        for (path, example) in Description::of(&app).await.paths() {
            for method in ["GET", "POST", "OPTIONS"] {
                let request = app.request(method, &example).header("origin", "https://quotes.example");
                let reply = sent(request.header("access-control-request-method", "POST")).await;
                let cors: Vec<_> = reply.headers.keys().filter(|name| name.as_str().starts_with("access-control-")).collect();
                assert!(cors.is_empty(), "{method} {path}: {reply:?}");
            }
        }
    }
}

both! {
    async fn a_configured_origin_may_call_and_no_other(backend: Backend) {
        let origins = vec!["https://quotes.example".to_owned()];
        let app = TestApp::start_with(backend, |settings| settings.cors_origins = origins).await;
        let token = app.token(APP).await;
        let preflight = |origin: &str| {
            let request = app.request("OPTIONS", "/v1/password/remind").header("origin", origin);
            let request = request.header("access-control-request-method", "POST");
            sent(request.header("access-control-request-headers", "authorization, content-type"))
        };
        let call = |origin: &str| {
            let request = app.request("POST", "/v1/password/remind").bearer_auth(&token).header("origin", origin);
            sent(request.json(&json!({"email": "ann@example.com"})))
        };
        let reply = preflight("https://quotes.example").await;
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (200, "https://quotes.example"));
        assert!(reply.header("access-control-allow-methods").split(", ").any(|method| method == "POST"), "{reply:?}");
        let allowed = reply.header("access-control-allow-headers").to_lowercase();
        assert!(allowed.contains("authorization") && allowed.contains("content-type"), "{reply:?}");

        let reply = call("https://quotes.example").await;
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (200, "https://quotes.example"));
        assert!(reply.header("vary").to_lowercase().contains("origin"), "{reply:?}");
        let exposed = reply.header("access-control-expose-headers").to_lowercase();
        for name in ["x-request-id", "retry-after", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"] {
            assert!(exposed.contains(name), "{exposed}");
        }
        // An error is readable for the page as well.
        let request = app.request("POST", "/v1/password/remind").header("origin", "https://quotes.example");
        let reply = sent(request).await;
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (401, "https://quotes.example"));

        for origin in [
            "https://evil.example",
            "https://quotes.example.evil.example",
            "http://quotes.example",
            "https://quotes.example:444",
            "https://sub.quotes.example",
            "null",
        ] {
            // Neither answer has the header that would let the page read it.
            let refused = preflight(origin).await;
            assert_eq!(refused.said(), "400 invalid_request", "{origin}");
            assert_headers(&refused, HSTS);
            assert_error_body(&refused, false);
            let unreadable = call(origin).await;
            assert_eq!(unreadable.said(), "200 reminder_sent", "{origin}");
            assert_headers(&unreadable, HSTS);
        }
    }

    async fn a_star_lets_every_origin_call_without_credentials(backend: Backend) {
        let app = TestApp::start_with(backend, |settings| settings.cors_origins = vec!["*".to_owned()]).await;
        let reply = sent(app.request("GET", "/health/live").header("origin", "https://any.example")).await;
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (200, "*"));
        assert!(!reply.headers.contains_key("access-control-allow-credentials"), "{reply:?}");
    }
}
