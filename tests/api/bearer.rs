//! Bearer tokens at the API as RFC 6750 describes them (bar B01 to B09, X10, X13): who may call, and what everybody else is told.

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use serde_json::json;
use unforget::domain::{AccessToken, PlainToken, ResetToken};
use unforget::entropy;
use unforget::flows::By;

use crate::assertion::{ISSUER, assertion, present, signer};
use crate::both;
use crate::helpers::{APP, Backend, Reply, TestApp};
use crate::http::face;
use crate::http_wire::exchange;
use crate::keys::{Key, base64};

/// Each path of the API, with the scope that it needs and one that does not help.
const ROUTES: [(&str, &str, &str); 3] = [
    ("/v1/password/remind", "password:remind", "password:reset"),
    ("/v1/password/check", "password:reset", "password:remind"),
    ("/v1/password/reset", "password:reset", "password:remind"),
];

const NO_CREDENTIALS: &str = "Bearer realm=\"unforget\"";
const INVALID_REQUEST: &str = "Bearer realm=\"unforget\", error=\"invalid_request\"";
const INVALID_TOKEN: &str = "Bearer realm=\"unforget\", error=\"invalid_token\"";

/// A body that each path accepts.
fn good_body() -> serde_json::Value {
    json!({"email": "ann@example.com", "token": "x", "password": "a new secret"})
}

/// `POST` with these `Authorization` fields as they are.
async fn call(app: &TestApp, path: &str, fields: &[&[u8]]) -> Reply {
    let mut request = app.request("POST", path).json(&good_body());
    for field in fields {
        request = request.header(AUTHORIZATION, HeaderValue::from_bytes(field).unwrap());
    }
    Reply::of(request.send().await.unwrap()).await
}

/// What was said, and the challenge.
fn verdict(reply: &Reply) -> (String, &str) {
    (reply.said(), reply.header("www-authenticate"))
}

both! {
    async fn b01_without_credentials_the_challenge_has_no_error_code(app: TestApp) {
        let client = app.client(APP).await;
        for (path, ..) in ROUTES {
            let none = call(&app, path, &[]).await;
            assert_eq!(verdict(&none), ("401 unauthorized".to_owned(), NO_CREDENTIALS), "{path}");
            // Another scheme is as good as none (RFC 6750 section 3.1).
            let request = app.request("POST", path).basic_auth(&client.id, Some(&client.secret));
            let basic = Reply::of(request.json(&good_body()).send().await.unwrap()).await;
            assert_eq!(verdict(&basic), verdict(&none), "{path}");
            assert_eq!(verdict(&call(&app, path, &[b"Negotiate"]).await), verdict(&none), "{path}");
        }
    }

    async fn x13_headers_that_a_proxy_might_set_let_nobody_in(app: TestApp) {
        let client = app.client("users:read clients:write tokens:introspect").await;
        let forged = [
            "x-client-cert", "x-ssl-client-cert", "ssl-client-verify", "x-forwarded-client-cert", "client-cert", "x-remote-user",
            "remote-user", "x-forwarded-user", "x-auth-request-user", "x-user", "x-client-id", "x-original-authorization",
            "x-forwarded-authorization", "proxy-authorization", "x-api-key", "x-access-token",
        ];
        for path in ["/v1/password/remind", "/oauth/register", "/oauth/introspect", "/oauth/token"] {
            for name in forged {
                let form = [("grant_type", "client_credentials"), ("token", "x")];
                let request = app.request("POST", path).header(name, &client.id).header("cookie", format!("user={}", client.id));
                let request = if path.starts_with("/v1") || path.ends_with("register") { request.json(&good_body()) } else { request.form(&form) };
                let reply = Reply::of(request.send().await.unwrap()).await;
                assert_eq!(reply.status, 401, "{path} {name}: {reply:?}");
            }
        }
    }

    async fn b02_expired_revoked_and_made_up_tokens_are_told_the_same(app: TestApp) {
        let expired = app.token(APP).await;
        app.advance(3600);
        let live = app.token(APP).await;
        let client = app.client(APP).await;
        let revoked = app.token_of(&client).await;
        assert!(app.flows.delete_client(By::Operator, client.client_id()).await.unwrap());
        let unknown = PlainToken::<AccessToken>::from_random(entropy::bytes());
        let reset_token = PlainToken::<ResetToken>::from_random(entropy::bytes());

        let expected = call(&app, ROUTES[0].0, &[format!("Bearer {expired}").as_bytes()]).await;
        assert_eq!(verdict(&expected), ("401 invalid_token".to_owned(), INVALID_TOKEN));
        let long = "x".repeat(8000);
        for token in [
            &revoked,
            unknown.expose(),
            reset_token.expose(),
            &client.secret,
            "canary",
            "\"><script>canary",
            "=",
            "uf_at_",
            &long,
        ] {
            for (path, ..) in ROUTES {
                let reply = call(&app, path, &[format!("Bearer {token}").as_bytes()]).await;
                assert_eq!(face(&reply), face(&expected), "{path} {token}");
            }
        }
        assert_eq!(app.remind(&live, "ann@example.com").await.status, 200);
    }

    async fn b03_a_missing_scope_is_named(app: TestApp) {
        let all_but = async |scope: &str| {
            let all = unforget::domain::Scopes::all().to_string();
            let rest: Vec<_> = all.split(' ').filter(|s| *s != scope).collect();
            app.token(&rest.join(" ")).await
        };
        for (path, needed, useless) in ROUTES {
            let challenge = format!("Bearer realm=\"unforget\", error=\"insufficient_scope\", scope=\"{needed}\"");
            for token in [app.token(useless).await, all_but(needed).await] {
                let reply = call(&app, path, &[format!("Bearer {token}").as_bytes()]).await;
                assert_eq!(verdict(&reply), ("403 insufficient_scope".to_owned(), challenge.as_str()), "{path}");
            }
            let token = app.token(needed).await;
            let reply = call(&app, path, &[format!("Bearer {token}").as_bytes()]).await;
            assert!(["200 reminder_sent", "400 wrong_token"].contains(&reply.said().as_str()), "{path}: {reply:?}");
        }
    }

    async fn b04_a_token_in_more_than_one_place_is_refused(app: TestApp) {
        let token = app.token(APP).await;
        let field = format!("Bearer {token}");
        let invalid = ("400 invalid_request".to_owned(), INVALID_REQUEST);
        let basic = b"Basic YTpi".as_slice();
        for (path, ..) in ROUTES {
            for fields in [[field.as_bytes(), field.as_bytes()], [field.as_bytes(), basic], [basic, field.as_bytes()]] {
                assert_eq!(verdict(&call(&app, path, &fields).await), invalid, "{path}");
            }
            let listed = format!("{field}, {field}");
            assert_eq!(verdict(&call(&app, path, &[listed.as_bytes()]).await), invalid, "{path}");

            let form = [("email", "ann@example.com"), ("token", "x"), ("password", "a new secret"), ("access_token", &token)];
            assert_eq!(verdict(&app.post_form(path, &token, &form).await), invalid, "{path}");
            let query = format!("{path}?access_token={token}");
            assert_eq!(verdict(&app.post(&query, &token, good_body()).await), invalid, "{path}");
        }
        app.quiet().await;
        assert!(app.sink.received().is_empty());
    }

    async fn b05_a_token_in_the_query_or_the_body_is_not_accepted(app: TestApp) {
        let token = app.token(APP).await;
        for (path, ..) in ROUTES {
            let none = ("401 unauthorized".to_owned(), NO_CREDENTIALS);
            assert_eq!(verdict(&call(&app, &format!("{path}?access_token={token}"), &[]).await), none, "{path}");
            let form = [("email", "ann@example.com"), ("token", "x"), ("password", "a new secret"), ("access_token", &token)];
            let reply = Reply::of(app.request("POST", path).form(&form).send().await.unwrap()).await;
            assert_eq!(verdict(&reply), none, "{path}");
        }
    }

    async fn b06_the_scheme_is_read_in_any_case_and_the_token_exactly(app: TestApp) {
        let token = app.token(APP).await;
        let ask = async |field: String| call(&app, "/v1/password/check", &[field.as_bytes()]).await.said();
        for scheme in ["Bearer", "bearer", "BEARER", "bEaReR", "Bearer "] {
            assert_eq!(ask(format!("{scheme} {token}")).await, "400 wrong_token", "{scheme}");
        }
        let others = [
            token.to_uppercase(),
            token.to_lowercase(),
            format!("{token}="),
            format!("{token}x"),
            format!("{token},"),
            format!("\"{token}\""),
            token[..54].to_owned(),
            token.replace("uf_at_", ""),
        ];
        for other in others {
            assert_eq!(ask(format!("Bearer {other}")).await, "401 invalid_token", "{other}");
        }
        let two = format!("Bearer {token} {token}");
        for field in ["Bearer".to_owned(), two, format!("Bearer x {token}"), format!("Bearer {token} =")] {
            assert_eq!(ask(field.clone()).await, "400 invalid_request", "{field}");
        }
        for field in [token.clone(), format!("Bearer{token}"), format!("Bearer:{token}"), format!("Token {token}")] {
            assert_eq!(ask(field.clone()).await, "401 unauthorized", "{field}");
        }
        let latin = [b"Bearer \xe9", token.as_bytes()].concat();
        assert_eq!(call(&app, "/v1/password/check", &[&latin]).await.said(), "400 invalid_request");
    }

    async fn b07_who_may_not_call_learns_nothing_about_the_body(app: TestApp) {
        let large = format!("{{\"email\":\"{}\"}}", "x".repeat(20_000));
        for (path, _, useless) in ROUTES {
            let unscoped = format!("Bearer {}", app.token(useless).await);
            for (field, expected) in [
                (None, "401 unauthorized"),
                (Some("Bearer canary"), "401 invalid_token"),
                (Some(unscoped.as_str()), "403 insufficient_scope"),
            ] {
                for (content_type, encoding, body) in [
                    ("application/json", None, large.as_str()),
                    ("application/json", None, "{\"email\":"),
                    ("application/json", None, ""),
                    ("application/json", None, "{}"),
                    ("application/json", None, "{\"email\":[1],\"token\":1,\"password\":null}"),
                    ("application/json", Some("gzip"), "{}"),
                    ("application/x-www-form-urlencoded", None, "email=%"),
                    ("text/plain", None, "email"),
                ] {
                    let mut request = app.request("POST", path).header(CONTENT_TYPE, content_type).body(body.to_owned());
                    if let Some(field) = field {
                        request = request.header(AUTHORIZATION, field);
                    }
                    if let Some(encoding) = encoding {
                        request = request.header("content-encoding", encoding);
                    }
                    let reply = Reply::of(request.send().await.unwrap()).await;
                    assert_eq!(reply.said(), expected, "{path} {content_type} {:.40}", body);
                }
            }
        }
    }

    async fn b07_a_refused_caller_need_not_send_the_body(app: TestApp) {
        let unscoped = app.token("password:reset").await;
        for (token, expected) in [("canary", "401 invalid_token"), (&unscoped, "403 insufficient_scope")] {
            for framing in ["Content-Length: 1048576", "Transfer-Encoding: chunked"] {
                let head = format!(
                    "POST /v1/password/remind HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
                     Content-Type: application/json\r\n{framing}\r\n\r\n"
                );
                assert_eq!(exchange(&app, head.as_bytes()).said(), expected, "{framing}");
            }
        }
    }

    async fn b08_a_token_ends_at_the_second_it_was_told(app: TestApp) {
        let client = app.client_with(APP, |new| new.token_lifetime = Some(chrono::TimeDelta::seconds(600))).await;
        let reply = app.token_request(&client, &[("grant_type", "client_credentials")]).await.json();
        assert_eq!(reply["expires_in"], 600);
        let token = reply["access_token"].as_str().unwrap();
        let usual = app.token(APP).await;

        // Real time passes as well, so the last seconds before the end are left out.
        app.advance(580);
        assert_eq!(app.check(token, "x").await.said(), "400 wrong_token");
        app.advance(20);
        assert_eq!(app.check(token, "x").await.said(), "401 invalid_token");
        assert_eq!(app.check(&usual, "x").await.said(), "400 wrong_token");
        app.advance(3000);
        assert_eq!(app.check(&usual, "x").await.said(), "401 invalid_token");
    }

    async fn x10_access_tokens_are_opaque_and_no_jwt_is_one_whoever_signed_it(app: TestApp) {
        let key = Key::es256();
        let client = signer(&app, &key.set("a")).await;
        let issued = present(&app.base, &assertion(&app, &client, &key)).await.json();
        let own = issued["access_token"].as_str().unwrap();
        assert!(own.starts_with("uf_at_") && !own.contains('.'), "{own}");
        assert_eq!(app.check(own, "x").await.said(), "400 wrong_token");

        let now = app.clock.now().timestamp();
        let claims = json!({
            "iss": ISSUER, "sub": client.id, "aud": ISSUER, "client_id": client.id, "iat": now, "exp": now + 3600, "jti": own, "scope": APP,
        });
        let claims = claims.to_string();
        let signed = |typ: &str| key.message(&json!({"typ": typ, "alg": "ES256", "kid": "a"}).to_string(), &claims);
        let unsigned = format!("{}.{}.", base64(json!({"typ": "at+jwt", "alg": "none"}).to_string()), base64(&claims));
        let fresh_assertion = assertion(&app, &client, &key);
        let watcher = app.token("tokens:introspect").await;
        for token in [signed("at+jwt"), signed("application/at+jwt"), signed("JWT"), unsigned, fresh_assertion, format!("{own}.{own}.{own}")] {
            for (path, ..) in ROUTES {
                let reply = call(&app, path, &[format!("Bearer {token}").as_bytes()]).await;
                assert_eq!(verdict(&reply), ("401 invalid_token".to_owned(), INVALID_TOKEN), "{path} {token}");
            }
            let request = app.request("POST", "/oauth/introspect").bearer_auth(&watcher).form(&[("token", &token)]);
            let told = Reply::of(request.send().await.unwrap()).await;
            assert_eq!((told.status, told.json()), (200, json!({"active": false})), "{token}");
        }
    }

    async fn b09_no_answer_to_an_authenticated_call_may_be_stored(app: TestApp) {
        let (token, unscoped) = (app.token(APP).await, app.token("users:read").await);
        let bearer = |method: &str, path: &str| app.request(method, path).bearer_auth(&token);
        for (request, expected) in [
            (bearer("POST", "/v1/password/remind").json(&good_body()), 200),
            (bearer("POST", "/v1/password/reset").json(&good_body()), 400),
            (bearer("POST", "/v1/password/remind").body("x"), 415),
            (bearer("POST", "/v1/password/remind").header(CONTENT_TYPE, "application/json").body("x".repeat(17_000)), 413),
            (app.request("POST", "/v1/password/remind").bearer_auth(&unscoped).json(&good_body()), 403),
            (app.request("POST", "/v1/password/remind").bearer_auth("x").json(&good_body()), 401),
            (bearer("GET", "/v1/password/remind"), 405),
            (bearer("GET", "/v1/nothing"), 404),
        ] {
            let reply = Reply::of(request.send().await.unwrap()).await;
            assert_eq!((reply.status, reply.header("cache-control")), (expected, "no-store"), "{reply:?}");
        }
    }
}
