//! The log's lines: one for each attempt (L01), and nothing in them that a caller could write lines with (L02).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine;
use serde_json::{Value, json};

use crate::both;
use crate::helpers::{APP, Backend, Database, Program, Reply, Service};

/// What a terminal or a reader of lines would act on.
const ODD: [char; 6] = ['\r', '\n', '\u{1b}', '\u{2028}', '\u{85}', '\u{202e}'];

fn raw(service: &Service, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(service.base.trim_start_matches("http://")).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(3)))
        .unwrap();
    let _refused_midway = stream.write_all(bytes);
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        answer.extend_from_slice(&buffer[..count]);
        if answer.windows(4).any(|w| w == b"\r\n\r\n") {
            break;
        }
    }
    answer
}

fn answered(log: &str) -> Vec<Value> {
    let lines = log
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["message"] == "answered").collect()
}

both! {
    async fn l01_every_attempt_is_one_log_line_with_its_outcome_and_a_masked_address(backend: Backend) {
        let database = Database::create(backend);
        let program = Program::new(&[
            ("DATABASE_URL", &database.url()),
            ("UNFORGET_PASSWORD__BCRYPT_COST", "10"),
            ("UNFORGET_LIMITS__API_BURST", "6"),
            ("UNFORGET_LIMITS__API_PER_MINUTE", "1"),
            ("UNFORGET_LIMITS__TOKEN_BURST", "4"),
            ("UNFORGET_LIMITS__TOKEN_PER_MINUTE", "1"),
        ]);
        let client = program.json(&["client", "add", "Quotes", "--scope", APP]);
        let id = client["client_id"].as_str().unwrap();
        let mut service = program.serve().await;
        let mut expected: Vec<(String, Value)> = Vec::new();
        let mut expect = |reply: &Reply, method: &str, route: Value, refusal: Value, client: Value| {
            let id = reply.header("x-request-id").to_owned();
            assert!(!id.is_empty());
            expected.push((id, json!([method, route, reply.status, refusal, client])));
        };
        let http = reqwest::Client::new();
        let token_call = |secret: &str| {
            let request = http.post(format!("{}/oauth/token", service.base)).basic_auth(id, Some(secret));
            request.form(&[("grant_type", "client_credentials")]).send()
        };
        let secret = client["client_secret"].as_str().unwrap();
        let issued = Reply::of(token_call(secret).await.unwrap()).await;
        let token = issued.json()["access_token"].as_str().unwrap().to_owned();
        let route = json!("/oauth/token");
        expect(&issued, "POST", route.clone(), Value::Null, json!(id));
        for _ in 0..3 {
            let refused = Reply::of(token_call("wrong").await.unwrap()).await;
            assert_eq!(refused.status, 401);
            expect(&refused, "POST", route.clone(), json!("invalid_client"), Value::Null);
        }
        let limited = Reply::of(token_call(secret).await.unwrap()).await;
        assert_eq!(limited.status, 429);
        expect(&limited, "POST", route, json!("temporarily_unavailable"), Value::Null);

        for (path, token, body, refusal, is_known) in [
            ("/v1/password/remind", token.as_str(), json!({"email": "a@b.example"}), Value::Null, true),
            ("/v1/password/remind", &token, json!({"email": 1}), json!("invalid_request"), true),
            ("/v1/password/check", &token, json!({"token": "x"}), json!("wrong_token"), true),
            ("/v1/password/verify", &token, json!({"email": "a@b.example", "password": "x"}), json!("insufficient_scope"), true),
            ("/v1/password/remind", "garbage", json!({}), json!("invalid_token"), false),
            ("/v1/password/reset", &token, json!({"email": "a@b.example", "token": "x", "password": "tiny"}), json!("wrong_password"), true),
            ("/auth/reset/password", &token, json!({"token": "x", "password": "a good one"}), json!("wrong_token"), true),
            ("/v1/password/check", &token, json!({"token": "x"}), json!("too_many_requests"), true),
        ] {
            let reply = service.post(path, token, body).await;
            expect(&reply, "POST", json!(path), refusal, if is_known { json!(id) } else { Value::Null });
        }
        let lost = Reply::of(reqwest::get(format!("{}/nowhere", service.base)).await.unwrap()).await;
        expect(&lost, "GET", Value::Null, json!("not_found"), Value::Null);
        let method = Reply::of(http.delete(format!("{}/oauth/token", service.base)).send().await.unwrap()).await;
        assert_eq!(service.terminate(), Some(0));

        let lines = answered(&program.log());
        let asked = |line: &&Value| line["route"] != "/health/ready";
        // The refused method is counted besides: which word it gets is the route's affair.
        assert_eq!(lines.iter().filter(asked).count(), expected.len() + 1);
        assert!(lines.iter().any(|line| line["span"]["request_id"] == method.header("x-request-id")));
        for (id, outcome) in expected {
            let of: Vec<_> = lines.iter().filter(|line| line["span"]["request_id"] == id.as_str()).collect();
            assert_eq!(of.len(), 1, "{id}: {outcome}");
            let line = of[0];
            assert_eq!(json!([line["method"], line["route"], line["status"], line["refusal"], line["client"]]), outcome);
            assert_eq!(line["address"], "127.0.0.0/24");
            assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
        }
    }

    async fn l02_what_callers_send_can_write_no_line_of_the_log_or_the_audit(backend: Backend) {
        let database = Database::create(backend);
        let program = Program::new(&[
            ("DATABASE_URL", &database.url()),
            ("UNFORGET_LIMITS__ENABLED", "false"),
            ("UNFORGET_PASSWORD__BCRYPT_COST", "10"),
            ("RUST_LOG", "trace"),
        ]);
        let client = program.json(&["client", "add", "Quotes", "--scope", "password:remind password:reset password:verify users:write"]);
        let mut service = program.serve().await;
        let token = service.token(&client).await;
        let evil = format!("canary{}\u{1b}[2Jcanary", ODD.iter().collect::<String>());
        for path in ["/v1/password/remind", "/v1/password/check", "/v1/password/reset", "/v1/password/verify", "/v1/users", "/oauth/token"] {
            let body = json!({"email": evil, "token": evil, "password": evil, "locale": evil, "profile": {"name": evil}, &evil: evil});
            service.post(path, &token, body).await;
        }
        let user = service.post("/v1/users", &token, json!({"email": "a@b.example", "profile": {"name": evil}})).await;
        assert_eq!(user.status, 201);
        let http = reqwest::Client::new();
        for fields in [[("grant_type", evil.as_str()), ("scope", &evil)], [("grant_type", "client_credentials"), ("client_id", &evil)]] {
            let request = http.post(format!("{}/oauth/token", service.base)).basic_auth(&evil, Some(&evil));
            request.form(&fields).send().await.unwrap();
        }
        let escaped = "canary%0d%0a%1b%5b2J%e2%80%a8canary";
        let bytes = evil.replace(['\r', '\n'], "");
        for request in [
            format!("GET /{escaped}?q={escaped} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").into_bytes(),
            format!("GET /health/live HTTP/1.1\r\nHost: a\r\nX-Request-Id: {bytes}\r\nUser-Agent: {bytes}\r\nReferer: {bytes}\r\nConnection: close\r\n\r\n").into_bytes(),
            format!("GET /{bytes} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes(),
            format!("{bytes} / HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes(),
            format!("POST /oauth/token HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {bytes}\r\nAuthorization: Basic {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                base64::engine::general_purpose::STANDARD.encode(&evil)).into_bytes(),
            format!("POST /v1/password/check HTTP/1.1\r\nHost: {bytes}\r\nAuthorization: Bearer {bytes}\r\nContent-Type: {bytes}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes(),
        ] {
            raw(&service, &request);
        }
        assert_eq!(service.terminate(), Some(0));
        let (log, ordinary) = (program.log(), |c: char| c == '\n' || !(c.is_control() || ODD.contains(&c)));
        assert!(log.chars().all(ordinary), "{log:?}");
        assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok_and(|line| line["timestamp"].is_string())), "{log}");
        assert!(!log.contains("canary"), "{log}");
        let entries = program.json(&["audit", "--limit", "1"]);
        assert!(entries["act"].is_string());
        for arguments in [&["audit"][..], &["audit", "--json"]] {
            let text = String::from_utf8(program.run(arguments).stdout).unwrap();
            assert!(text.chars().all(ordinary) && !text.contains("canary"), "{text}");
            assert!(text.lines().count() > 5, "{text}");
        }
    }
}
