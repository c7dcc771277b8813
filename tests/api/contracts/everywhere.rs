//! What holds at every route of the contracts of others: who is let in, what comes first, and that every error has the shape of the
//! contract that was called.

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::both;
use crate::description::Description;
use crate::helpers::{Backend, OLD_PASSWORD, Reply, TestApp};

use super::{ALL, ANN, NEW, changed};

/// How a contract shapes its errors.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    Unleash,
    Ocariot,
    Swift,
    Interslice,
}
use Shape::{Interslice, Ocariot, Swift, Unleash};

/// Each route: method, path, its scope (of an application, or none where a user's token is needed), shape, and what else is allowed.
const ROUTES: [(&str, &str, Option<&str>, Shape, &str); 8] = [
    (
        "POST",
        "/auth/reset/password",
        Some("password:reset"),
        Unleash,
        "POST",
    ),
    (
        "GET",
        "/auth/reset/validate?token=x",
        Some("password:reset"),
        Unleash,
        "GET, HEAD",
    ),
    (
        "POST",
        "/auth/reset/password-email",
        Some("password:remind"),
        Unleash,
        "POST",
    ),
    (
        "POST",
        "/auth/reset/validate-password",
        Some("password:reset"),
        Unleash,
        "POST",
    ),
    (
        "POST",
        "/v1/users/00000000-0000-0000-0000-000000000007/reset-password",
        Some("users:resetPassword"),
        Ocariot,
        "POST",
    ),
    ("PUT", "/api/v1/users/reset-password", None, Swift, "PUT"),
    (
        "PUT",
        "/api/v1/users/password",
        Some("password:reset"),
        Interslice,
        "POST, PUT",
    ),
    (
        "POST",
        "/api/v1/users/password",
        Some("password:remind"),
        Interslice,
        "POST, PUT",
    ),
];

/// Asserts that an error has exactly the keys of its contract, and what every answer has.
fn assert_shape(reply: &Reply, shape: Shape, what: &str) {
    let json: Value =
        serde_json::from_str(&reply.text).unwrap_or_else(|_| panic!("{what}: {reply:?}"));
    let keys: Vec<_> = json
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let known: &[&[&str]] = match shape {
        Unleash => &[
            &["id", "name", "message"],
            &["id", "name", "message", "details"],
        ],
        Ocariot => &[&["code", "message", "description"]],
        Swift => &[&["code", "message"]],
        Interslice => &[&["errors"], &["error"], &["status", "error"]],
    };
    assert!(known.contains(&keys.as_slice()), "{what}: {reply:?}");
    assert!(
        reply.header("content-type").starts_with("application/json"),
        "{what}: {reply:?}"
    );
    assert_eq!(
        reply.header("cache-control"),
        "no-store",
        "{what}: {reply:?}"
    );
    assert!(
        !reply.header("x-request-id").is_empty(),
        "{what}: {reply:?}"
    );
    assert_eq!(
        reply.headers.contains_key("x-powered-by"),
        shape == Swift,
        "{what}"
    );
    assert_eq!(
        reply.headers.contains_key("x-runtime"),
        shape == Interslice,
        "{what}"
    );
    let challenged = reply.headers.contains_key("www-authenticate");
    assert!(
        challenged == [401, 403].contains(&reply.status) || reply.status == 400,
        "{what}: {reply:?}"
    );
}

async fn sent(request: reqwest::RequestBuilder) -> Reply {
    Reply::of(request.send().await.unwrap()).await
}

/// An application's token with every scope, and a user's.
async fn tokens(app: &TestApp) -> (String, String) {
    app.user(ANN).await;
    let token = app.token(ALL).await;
    let user = app.user_token(&token, ANN, OLD_PASSWORD).await;
    (token, user)
}

both! {
    async fn b01_b02_b03_b04_contracts_let_in_the_right_token_only(app: TestApp) {
        let (token, user) = tokens(&app).await;
        let useless = app.token("users:read").await;
        for (method, path, scope, shape, _) in ROUTES {
            let call = |fields: Vec<String>| {
                let mut request = app.request(method, path).json(&json!({}));
                for field in fields {
                    request = request.header(AUTHORIZATION, field);
                }
                sent(request)
            };
            let right = if scope.is_some() { &token } else { &user };
            let good = format!("Bearer {right}");
            let scoped = scope.map(|scope| format!(", error=\"insufficient_scope\", scope=\"{scope}\""));
            let invalid = ", error=\"invalid_token\"".to_owned();
            let malformed = ", error=\"invalid_request\"".to_owned();
            for (fields, status, challenge) in [
                (vec![], 401, String::new()),
                (vec!["Basic YTpi".to_owned()], 401, String::new()),
                (vec!["Bearer x".to_owned()], 401, invalid.clone()),
                (vec![format!("Bearer {}", changed(right))], 401, invalid.clone()),
                (vec![format!("Bearer {useless}")], if scope.is_some() { 403 } else { 401 }, scoped.unwrap_or(invalid)),
                (vec![good.clone(), good.clone()], 400, malformed.clone()),
                (vec!["Bearer".to_owned()], 400, malformed),
            ] {
                let reply = call(fields.clone()).await;
                let expected = format!("Bearer realm=\"unforget\"{challenge}");
                assert_eq!((reply.status, reply.header("www-authenticate")), (status, expected.as_str()), "{method} {path} {fields:?}");
                assert_shape(&reply, shape, path);
            }
            // B05: a token in the query is none. B06: the scheme in any case.
            let separator = if path.contains('?') { '&' } else { '?' };
            let reply = sent(app.request(method, &format!("{path}{separator}access_token={right}")).json(&json!({}))).await;
            assert_eq!(reply.status, 401, "{path}");
            let reply = call(vec![format!("bEaReR {right}")]).await;
            assert!(![401, 403].contains(&reply.status) || path.contains("validate?"), "{method} {path}: {reply:?}");
            assert_shape(&reply, shape, path);
        }
    }

    async fn b07_contracts_decide_on_the_caller_before_the_body_or_the_user(app: TestApp) {
        app.user(ANN).await;
        let useless = app.token("users:read").await;
        let large = "x".repeat(20_000);
        for (method, path, scope, shape, _) in ROUTES.into_iter().filter(|route| route.0 != "GET") {
            let forbidden = if scope.is_some() { 403 } else { 401 };
            for (token, status) in [(None, 401), (Some("x"), 401), (Some(useless.as_str()), forbidden)] {
                for (content_type, body) in [
                    ("application/json", large.as_str()),
                    ("application/json", "{"),
                    ("application/json", ""),
                    ("text/plain", "x"),
                ] {
                    let mut request = app.request(method, path).header(CONTENT_TYPE, content_type).body(body.to_owned());
                    if let Some(token) = token {
                        request = request.bearer_auth(token);
                    }
                    let reply = sent(request).await;
                    assert_eq!(reply.status, status, "{method} {path} {content_type} {token:?}");
                    assert_shape(&reply, shape, path);
                }
            }
        }
    }

    async fn h02_h03_h05_contracts_refuse_bodies_in_their_own_shape(app: TestApp) {
        let (token, user) = tokens(&app).await;
        let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
        for (method, path, scope, shape, _) in ROUTES.into_iter().filter(|route| route.0 != "GET") {
            let right = if scope.is_some() { &token } else { &user };
            for (content_type, encoding, body, status) in [
                ("application/json", None, "{", 400),
                ("application/json", None, "", 400),
                ("application/json", None, deep.as_str(), 400),
                ("application/json", None, "{\"a\":{\"b\":1,\"b\":2}}", 400),
                ("application/json", None, "{\"a\":\"\\ud800\"}", 400),
                ("text/plain", None, "{}", 415),
                ("", None, "{}", 415),
                ("application/json; charset=latin1", None, "{}", 415),
                ("application/json", Some("gzip"), "{}", 415),
                ("application/json", None, &"x".repeat(17_000), 413),
            ] {
                let mut request = app.request(method, path).bearer_auth(right).body(body.to_owned());
                if !content_type.is_empty() {
                    request = request.header(CONTENT_TYPE, content_type);
                }
                if let Some(encoding) = encoding {
                    request = request.header("content-encoding", encoding);
                }
                let reply = sent(request).await;
                assert_eq!(reply.status, status, "{method} {path} {content_type} {body:.30}");
                assert_shape(&reply, shape, path);
            }
        }
    }

    async fn h01_contracts_name_their_methods(app: TestApp) {
        for (_, path, _, shape, allow) in ROUTES {
            for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE"] {
                if allow.split(", ").any(|allowed| allowed == method) {
                    continue;
                }
                let reply = sent(app.request(method, path)).await;
                assert_eq!((reply.status, reply.header("allow")), (405, allow), "{method} {path}");
                if method != "HEAD" {
                    assert_shape(&reply, shape, path);
                }
            }
            let reply = sent(app.request("OPTIONS", path)).await;
            assert_eq!((reply.status, reply.header("allow"), reply.text.as_str()), (204, allow, ""), "{path}");
        }
        let reply = sent(app.request("POST", "/auth/reset/nothing")).await;
        assert_eq!(reply.status, 404);
        assert_shape(&reply, Unleash, "404");
        // Beside the contracts' paths our own words are spoken.
        for path in ["/api/v1/users/password/", "/api/v1/users", "/v1/users/a/b/reset-password", "/auth/reset"] {
            assert_eq!(sent(app.request("POST", path)).await.said(), "404 not_found", "{path}");
        }
    }

    async fn h17_contracts_answer_as_they_are_described(app: TestApp) {
        let description = Description::of(&app).await;
        let (token, user) = tokens(&app).await;
        let ann = app.stored_user(ANN).await.id;
        let link = app.mailed_token(&token, ANN).await;
        let set = json!({"reset_password_token": link, "password": NEW, "password_confirmation": NEW});
        let change = json!({"oldPassword": OLD_PASSWORD, "newPassword": NEW, "confirmPassword": NEW});
        let set_any = "/v1/users/{user_id}/reset-password";
        for (token, method, path, called, body, status) in [
            (&token, "POST", "/auth/reset/password-email", "/auth/reset/password-email", json!({"email": ANN}), 200),
            (&token, "GET", "/auth/reset/validate", &format!("/auth/reset/validate?token={link}"), json!({}), 200),
            (&token, "GET", "/auth/reset/validate", "/auth/reset/validate?token=x", json!({}), 401),
            (&token, "POST", "/auth/reset/validate-password", "/auth/reset/validate-password", json!({"password": NEW}), 200),
            (&token, "POST", "/auth/reset/validate-password", "/auth/reset/validate-password", json!({"password": "x"}), 400),
            (&token, "POST", "/auth/reset/password", "/auth/reset/password", json!({"token": "x", "password": NEW}), 401),
            (&token, "POST", "/api/v1/users/password", "/api/v1/users/password", json!({"user": {"email": ANN}}), 201),
            (&token, "PUT", "/api/v1/users/password", "/api/v1/users/password", json!({"user": {}}), 422),
            (&user, "PUT", "/api/v1/users/reset-password", "/api/v1/users/reset-password", json!({}), 400),
            (&user, "PUT", "/api/v1/users/reset-password", "/api/v1/users/reset-password", change, 200),
            (&user, "PUT", "/api/v1/users/reset-password", "/api/v1/users/reset-password", json!({}), 401),
            (&token, "PUT", "/api/v1/users/password", "/api/v1/users/password", json!({"user": set}), 422),
            (&token, "POST", set_any, &format!("/v1/users/{ann}/reset-password"), json!({"new_password": NEW}), 204),
            (&token, "POST", set_any, "/v1/users/x/reset-password", json!({"new_password": NEW}), 400),
        ] {
            let reply = app.send(method, called, token, body).await;
            assert_eq!(reply.status, status, "{method} {called}: {reply:?}");
            description.assert_fits(method, path, &reply);
        }
        app.later(61).await;
        let link = app.mailed_token(&token, ANN).await;
        let set = json!({"reset_password_token": link, "password": NEW, "password_confirmation": NEW});
        let reply = app.send("PUT", "/api/v1/users/password", &token, json!({"user": set})).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        description.assert_fits("PUT", "/api/v1/users/password", &reply);
    }
}
