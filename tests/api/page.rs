//! The built-in page at `/reset`: what is served. What its script sends is in page_reset.rs, and how it behaves in a browser in
//! tests/browser.

use serde_json::Value;

use crate::both;
use crate::helpers::{Backend, Reply, TestApp};
use crate::http_headers::{HSTS, assert_headers, sent};

pub(crate) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

impl TestApp {
    /// What the page's script sends: JSON, without any token of an app.
    pub(crate) async fn page_post(&self, path: &str, body: Value) -> Reply {
        sent(self.request("POST", path).json(&body)).await
    }
}

/// Asserts that an answer is a page with its policy, and has every header that all answers have besides.
pub(crate) fn assert_is_page(reply: &Reply, language: &str) {
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(reply.header("content-language"), language);
    assert_eq!(reply.header("content-security-policy"), POLICY);
    assert_eq!(reply.header("x-frame-options"), "DENY");
    let mut others = reply.clone();
    let api = "default-src 'none'; frame-ancestors 'none'"
        .parse()
        .unwrap();
    others.headers.insert("content-security-policy", api);
    let api = "SAMEORIGIN".parse().unwrap();
    others.headers.insert("x-frame-options", api);
    assert_headers(&others, HSTS);
}

/// Asserts that a page loads nothing from elsewhere, has nothing inline, and lacks no text.
pub(crate) fn assert_is_whole(html: &str) {
    for foreign in [
        "://",
        "href=\"//",
        "src=\"//",
        "style=",
        "<style",
        "onclick",
        "onload",
        "javascript:",
    ] {
        assert!(!html.contains(foreign), "{foreign}: {html}");
    }
    assert_eq!(html.matches("<script").count(), 1);
    assert!(
        html.contains("<script src=\"page/page.js\" defer></script>"),
        "{html}"
    );
    // A text that is missing would be its key.
    assert!(!html.contains(">page-") && !html.contains("{ $"), "{html}");
}

both! {
    async fn f20_h13_the_page_has_a_strict_policy_and_loads_its_own_two_files_only(app: TestApp) {
        let page = sent(app.request("GET", "/reset")).await;
        assert_is_page(&page, "en");
        assert_is_whole(&page.text);
        for (path, content_type) in [
            ("/page/page.css", "text/css; charset=utf-8"),
            ("/page/page.js", "text/javascript; charset=utf-8"),
        ] {
            let file = sent(app.request("GET", path)).await;
            assert_eq!((file.status, file.header("content-type")), (200, content_type));
            assert_headers(&file, HSTS);
            assert!(!file.text.contains("://") && !file.text.contains("@import") && !file.text.contains("url("), "{path}");
            let head = sent(app.request("HEAD", path)).await;
            assert_eq!((head.status, head.text.as_str(), head.header("content-length")), (200, "", file.header("content-length")));
        }
        let head = sent(app.request("HEAD", "/reset")).await;
        assert_is_page(&head, "en");
        assert_eq!((head.text.as_str(), head.header("content-length")), ("", page.header("content-length")));
    }

    async fn h01_the_pages_paths_have_their_methods_and_no_others(app: TestApp) {
        for (path, allow) in [
            ("/reset", "GET, HEAD, POST"),
            ("/reset/check", "POST"),
            ("/page/page.css", "GET, HEAD"),
            ("/page/page.js", "GET, HEAD"),
        ] {
            for method in ["PUT", "PATCH", "DELETE", "GET", "HEAD", "POST"] {
                if allow.split(", ").any(|allowed| allowed == method) {
                    continue;
                }
                let reply = sent(app.request(method, path)).await;
                assert_eq!((reply.status, reply.header("allow")), (405, allow), "{method} {path}");
            }
            let reply = sent(app.request("OPTIONS", path)).await;
            assert_eq!((reply.status, reply.header("allow")), (204, allow), "{path}");
        }
    }

    async fn the_page_speaks_the_readers_language_and_has_a_sentence_for_every_reason(app: TestApp) {
        for (wish, language, title, short) in [
            ("", "en", "Choose a new password", "it needs at least 6 characters."),
            ("fr-CA, en;q=0.5", "fr", "Choisissez un nouveau mot de passe", "il lui faut au moins 6 caractères."),
            ("de", "en", "Choose a new password", "it needs at least 6 characters."),
        ] {
            let page = sent(app.request("GET", "/reset").header("accept-language", wish)).await;
            assert_is_page(&page, language);
            assert_is_whole(&page.text);
            assert!(page.text.contains(&format!("<html lang=\"{language}\">")), "{}", page.text);
            assert!(page.text.contains(&format!("<title>{title}</title>")), "{}", page.text);
            for reason in ["too_short", "too_long", "common", "breached", "context", "mismatch", "forbidden_character"] {
                let start = format!("<p data-word=\"{reason}\">");
                let (_, rest) = page.text.split_once(&start).unwrap_or_else(|| panic!("{reason} has no sentence"));
                assert!(rest.split_once("</p>").unwrap().0.ends_with('.'), "{reason}");
            }
            assert!(page.text.contains(short), "{}", page.text);
        }
    }

    async fn p15_the_form_is_made_for_password_managers(app: TestApp) {
        let html = sent(app.request("GET", "/reset")).await.text;
        assert_eq!(html.matches("type=\"password\" autocomplete=\"new-password\"").count(), 2);
        assert_eq!(html.matches("passwordrules=\"minlength: 6; maxlength: 1024;\"").count(), 2);
        assert!(html.contains("autocomplete=\"username\"") && html.contains("aria-pressed=\"false\""));
        assert!(!html.contains(" maxlength=") && !html.contains("onpaste"), "{html}");
        // Were the script missing, a password would go into a body and not into an address.
        assert_eq!(html.matches("<form method=\"post\"").count(), html.matches("<form").count());
    }
}
