//! Methods, paths and media types (bar H01, H02, H07).

use std::collections::HashSet;

use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use unforget::domain::Scopes;

use crate::both;
use crate::description::{Described, Description, whole};
use crate::helpers::{APP, Backend, OLD_PASSWORD, Reply, TestApp};

/// Methods that somebody may try.
const METHODS: [&str; 11] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "BREW", "post", "get",
];

/// What two answers must share when nothing may tell them apart: all but their date, their request's id, and whether the
/// connection is closed (it is when the answer was ready before the body had come).
pub(crate) fn face(reply: &Reply) -> (u16, Vec<(String, String)>, String) {
    let id = reply.header("x-request-id");
    let mut headers: Vec<_> = reply
        .headers
        .iter()
        .filter(|(name, _)| !["date", "x-request-id", "connection"].contains(&name.as_str()))
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    headers.sort();
    (reply.status, headers, reply.text.replace(id, "ID"))
}

/// Asks to remind with a body of this type, or these.
pub(crate) async fn post_typed(
    app: &TestApp,
    token: &str,
    content_types: &[&str],
    body: &str,
) -> Reply {
    let mut request = app
        .request("POST", "/v1/password/remind")
        .bearer_auth(token);
    for content_type in content_types {
        request = request.header(CONTENT_TYPE, *content_type);
    }
    Reply::of(request.body(body.to_owned()).send().await.unwrap()).await
}

both! {
    async fn h01_each_path_names_its_methods_when_it_refuses_one(backend: Backend) {
        let app = whole(backend).await;
        let description = Description::of(&app).await;
        let token = app.token(&Scopes::all().to_string()).await;
        for (path, example) in description.paths() {
            // What is not refused is what there is: by what it does, by what it says, and by its description.
            let (mut there, mut said) = (Vec::new(), HashSet::new());
            for method in METHODS {
                for request in [app.request(method, &example), app.request(method, &example).bearer_auth(&token)] {
                    let reply = Reply::of(request.header("x-canary", "canary").send().await.unwrap()).await;
                    // TRACE would send the request back.
                    assert!(!reply.text.contains("canary"), "{method} {path}");
                    if reply.status != 405 {
                        there.push(method);
                        continue;
                    }
                    said.insert(reply.header("allow").to_owned());
                    if method == "HEAD" {
                        assert_eq!(reply.text, "", "{path}");
                    } else {
                        let body: Value = reply.json();
                        // Each contract says it in its own words.
                        assert!(body["status"] == "method_not_allowed" || body["code"] == 405 || body["status"] == 405 || body["name"] == "NotImplementedError" || body["error"] == "invalid_request", "{method} {path}: {body}");
                    }
                }
            }
            there.dedup();
            let mut described: Vec<String> = description.calls().into_iter().filter(|call| call.path == path).map(|call| call.method).collect();
            if described.iter().any(|method| method == "GET") {
                described.push("HEAD".to_owned());
            }
            described.sort_by_key(|method| METHODS.iter().position(|known| known == method));
            assert_eq!(there, described, "{path}");
            assert_eq!(said, [there.join(", ")].into(), "{path}");
        }
    }

    async fn h01_options_tells_the_methods_and_does_nothing(backend: Backend) {
        let app = whole(backend).await;
        let description = Description::of(&app).await;
        for (path, example) in description.paths() {
            let reply = Reply::of(app.request("OPTIONS", &example).send().await.unwrap()).await;
            assert_eq!((reply.status, reply.text.as_str()), (204, ""), "{path}");
            let refused = Reply::of(app.request("TRACE", &example).send().await.unwrap()).await;
            assert_eq!(reply.header("allow"), refused.header("allow"), "{path}");
        }
        assert_eq!(Reply::of(app.request("OPTIONS", "/nothing").send().await.unwrap()).await.status, 404);
    }

    async fn h02_h05_h06_h07_every_call_refuses_a_body_that_is_not_what_it_takes(backend: Backend) {
        let app = whole(backend).await;
        let description = Description::of(&app).await;
        let token = app.token(&Scopes::all().to_string()).await;
        app.user("ann@example.com").await;
        let user = app.user_token(&token, "ann@example.com", OLD_PASSWORD).await;
        // Whose body is looked at: a client that this caller has registered.
        let mine = app.post("/oauth/register", &token, json!({"client_name": "Quotes"})).await.json();
        let mine = format!("/oauth/register/{}", mine["client_id"].as_str().unwrap());
        let mut taking = 0;
        for call in description.calls() {
            if call.operation["requestBody"]["content"]["application/json"].is_null() {
                continue;
            }
            taking += 1;
            let ways = call.operation["security"].as_array().unwrap();
            let users_only = !ways.is_empty() && ways.iter().all(|way| way.get("user").is_some());
            let bearer = if users_only { &user } else { &token };
            let large = format!("{{\"x\":\"{}\"}}", "x".repeat(17_000));
            for (content_type, encoding, body, expected) in [
                ("text/plain", "", "{}", 415),
                ("", "", "{}", 415),
                ("application/json", "gzip", "{}", 415),
                ("application/json", "", "[]", 400),
                ("application/json", "", "{", 400),
                ("application/json", "", r#"{"x":{"a":1,"a":2}}"#, 400),
                ("application/json", "", &large, 413),
            ] {
                let path = if call.path == "/oauth/register/{client_id}" { mine.clone() } else { call.example() };
                let mut request = app.request(&call.method, &path).bearer_auth(bearer).header(CONTENT_TYPE, content_type);
                if !encoding.is_empty() {
                    request = request.header("content-encoding", encoding);
                }
                let reply = Reply::of(request.body(body.to_owned()).send().await.unwrap()).await;
                assert_eq!(reply.status, expected, "{} {}: {content_type} {encoding} {body:.40}", call.method, call.path);
                description.assert_fits(&call.method, call.path, &reply);
            }
        }
        assert!(taking > 10);
    }

    async fn h01_head_is_get_without_the_body(backend: Backend) {
        let app = whole(backend).await;
        let description = Description::of(&app).await;
        let (reader, id) = (app.token("users:read").await, app.user("ann@example.com").await);
        let mut examples: Vec<String> = description.calls().iter().filter(|call| call.method == "GET").map(Described::example).collect();
        examples.push(format!("/v1/users/{id}"));
        assert!(examples.len() > 6);
        for path in examples {
            for token in ["", &reader] {
                let ask = |method: &str| app.request(method, &path).header("authorization", format!("Bearer {token}")).send();
                let (get, head) = (Reply::of(ask("GET").await.unwrap()).await, Reply::of(ask("HEAD").await.unwrap()).await);
                assert_eq!(head.text, "", "{path}");
                assert!(!get.text.is_empty(), "{path}");
                assert_eq!((head.status, face(&head).1), (get.status, face(&get).1), "{path}");
            }
        }
    }
}

both! {
    async fn h02_only_json_and_forms_in_utf8_are_read(app: TestApp) {
        let token = app.token(APP).await;
        let (json, form) = (r#"{"email":"ann@example.com"}"#, "email=ann%40example.com");
        for (content_types, body) in [
            (vec!["application/json"], json),
            (vec!["application/json; charset=utf-8"], json),
            (vec!["application/json;charset=\"UTF-8\""], json),
            (vec!["Application/JSON"], json),
            (vec!["application/x-www-form-urlencoded"], form),
            (vec!["application/x-www-form-urlencoded; charset=UTF-8"], form),
        ] {
            let reply = post_typed(&app, &token, &content_types, body).await;
            assert_eq!(reply.said(), "200 reminder_sent", "{content_types:?}");
        }
        for content_types in [
            vec![],
            vec![""],
            vec!["text/plain"],
            vec!["text/json"],
            vec!["application/jsonx"],
            vec!["application/json-patch+json"],
            vec!["application/problem+json"],
            vec!["application/xml"],
            vec!["multipart/form-data; boundary=x"],
            vec!["application/json; charset=utf-16"],
            vec!["application/json; charset=latin1"],
            vec!["application/json, text/plain"],
            vec!["application/json", "application/json"],
            vec!["application/json", "text/plain"],
        ] {
            let reply = post_typed(&app, &token, &content_types, json).await;
            assert_eq!(reply.said(), "415 unsupported_media_type", "{content_types:?}");
        }
        // The type decides, not the look of the body.
        let reply = post_typed(&app, &token, &["application/json"], form).await;
        assert_eq!(reply.said(), "400 invalid_request");
        let reply = post_typed(&app, &token, &["application/x-www-form-urlencoded"], json).await;
        assert_eq!(reply.said(), "400 invalid_request");
    }

    async fn h02_answers_are_json_whatever_is_preferred(app: TestApp) {
        let token = app.token(APP).await;
        for accept in ["text/html;q=1, */*;q=0", "application/xml", "application/json;q=0", "nonsense"] {
            let request = app.request("POST", "/v1/password/remind").bearer_auth(&token).header("accept", accept);
            let reply = Reply::of(request.json(&json!({"email": "ann@example.com"})).send().await.unwrap()).await;
            assert_eq!((reply.status, reply.json()["status"].as_str()), (200, Some("reminder_sent")), "{accept}");
        }
    }

    async fn h07_a_compressed_body_is_refused(app: TestApp) {
        let token = app.token(APP).await;
        // gzip of {"email":"ann@example.com"}: whoever unpacked it would accept it.
        let packed = [
            31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 171, 86, 74, 205, 77, 204, 204, 81, 178, 82,
            74, 204, 203, 115, 72, 173, 72, 204, 45, 200, 73, 213, 75, 206, 207, 85, 170, 5, 0, 83,
            159, 215, 130, 27, 0, 0, 0,
        ];
        for encoding in ["gzip", "GZIP", "x-gzip", "deflate", "br", "zstd", "gzip, gzip"] {
            for content_type in ["application/json", "application/x-www-form-urlencoded"] {
                let request = app.request("POST", "/v1/password/remind").bearer_auth(&token);
                let request = request.header(CONTENT_TYPE, content_type).header("content-encoding", encoding);
                let reply = Reply::of(request.body(packed.to_vec()).send().await.unwrap()).await;
                assert_eq!(reply.said(), "415 unsupported_media_type", "{encoding} {content_type}");
            }
        }
        app.quiet().await;
        assert!(app.sink.received().is_empty());
    }

    async fn a_path_is_compared_exactly(app: TestApp) {
        let token = app.token(APP).await;
        for path in [
            "/",
            "/v1",
            "/v1/password/remind/",
            "//v1/password/remind",
            "/V1/password/remind",
            "/v1/password/Remind",
            "/v1/password/remind%2F",
            "/v1/password/remind;x=1",
            "/v1%2Fpassword%2Fremind",
            "/health",
            "/oauth/token/x",
        ] {
            let reply = app.post(path, &token, json!({"email": "ann@example.com"})).await;
            assert_eq!(reply.said(), "404 not_found", "{path}");
        }
    }
}
