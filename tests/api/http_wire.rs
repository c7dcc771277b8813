//! Sizes and framing, octet by octet (bar H05, H03), and the tools for that.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

use crate::both;
use crate::helpers::{APP, Backend, PATIENCE, Reply, TestApp};
use crate::http::post_typed;
use crate::token::refused;

/// Sends bytes as they are and reads one answer with a `Content-Length`: to the end of its body, not of the connection.
pub(crate) fn exchange(app: &TestApp, bytes: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(app.base.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    read_answer(&mut stream)
}

/// Reads one answer.
fn read_answer(stream: &mut TcpStream) -> Reply {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.trim_end().lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let headers: HeaderMap = lines
        .map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (
                name.parse::<HeaderName>().unwrap(),
                value.trim().parse::<HeaderValue>().unwrap(),
            )
        })
        .collect();
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.to_str().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    Reply {
        status: status.parse().unwrap(),
        headers,
        text: String::from_utf8(body).unwrap(),
    }
}

/// The head of a `POST` of JSON with a token, up to its framing.
fn head(token: &str, framing: &str) -> String {
    format!(
        "POST /v1/password/remind HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         {framing}\r\n\r\n"
    )
}

/// A body of exactly `length` bytes that is a good request to remind.
fn body_of(length: usize) -> String {
    let frame = json!({"email": "ann@example.com", "x": ""}).to_string();
    let padding = "x".repeat(length - frame.len());
    json!({"email": "ann@example.com", "x": padding}).to_string()
}

both! {
    async fn h05_a_body_has_at_most_sixteen_kibibytes(app: TestApp) {
        let token = app.token(APP).await;
        for (length, expected) in [(16_384, "200 reminder_sent"), (16_385, "413 payload_too_large")] {
            let body = body_of(length);
            assert_eq!(body.len(), length);
            let reply = post_typed(&app, &token, &["application/json"], &body).await;
            assert_eq!(reply.said(), expected);

            // The same without an announced length, in two chunks.
            let (one, two) = body.split_at(10_000);
            let chunks = format!("{:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n", one.len(), two.len());
            let request = head(&token, "Transfer-Encoding: chunked") + &chunks;
            assert_eq!(exchange(&app, request.as_bytes()).said(), expected);
        }
    }

    async fn h05_a_large_body_is_refused_before_it_has_come(app: TestApp) {
        let token = app.token(APP).await;
        // Announced, and nothing sent.
        for length in ["16385", "10485760", "18446744073709551615"] {
            let request = head(&token, &format!("Content-Length: {length}"));
            assert_eq!(exchange(&app, request.as_bytes()).said(), "413 payload_too_large", "{length}");
        }
        // Not announced, and never ended.
        let chunk = format!("{:x}\r\n{}\r\n", 4096, "x".repeat(4096));
        let request = head(&token, "Transfer-Encoding: chunked") + &chunk.repeat(5);
        assert_eq!(exchange(&app, request.as_bytes()).said(), "413 payload_too_large");
        let request = head(&token, "Transfer-Encoding: chunked") + "fffffff\r\n" + &"x".repeat(20_000);
        assert_eq!(exchange(&app, request.as_bytes()).said(), "413 payload_too_large");
    }

    async fn h05_a_client_that_waits_for_100_continue_is_told_to(app: TestApp) {
        let token = app.token(APP).await;
        let body = r#"{"email":"ann@example.com"}"#;
        let mut stream = TcpStream::connect(app.base.trim_start_matches("http://")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let framing = format!("Expect: 100-continue\r\nContent-Length: {}", body.len());
        stream.write_all(head(&token, &framing).as_bytes()).unwrap();
        assert_eq!(read_answer(&mut stream).status, 100);
        stream.write_all(body.as_bytes()).unwrap();
        assert_eq!(read_answer(&mut stream).said(), "200 reminder_sent");
    }

    async fn h03_lines_that_are_not_http_harm_nobody(app: TestApp) {
        for bytes in [
            b"GARBAGE\r\n\r\n".as_slice(),
            b"GET\r\n\r\n",
            b"GET /health/live HTTP/9.9\r\nHost: x\r\n\r\n",
            b"POST /v1/password/remind HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
            b"POST /v1/password/remind HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"\0\0\0\0\r\n\r\n",
        ] {
            let mut stream = TcpStream::connect(app.base.trim_start_matches("http://")).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(bytes).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut answer = Vec::new();
            let _reset = stream.read_to_end(&mut answer);
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{bytes:?}: {answer}");
        }
        assert_eq!(Reply::of(app.request("GET", "/health/ready").send().await.unwrap()).await.status, 200);
    }

    async fn h05_the_rest_of_a_refused_body_is_not_read_as_a_request(app: TestApp) {
        let token = app.token(APP).await;
        let hidden = "GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let body = hidden.repeat(300);
        assert!(body.len() > 16_384);
        for token in [token.as_str(), "canary"] {
            let framings = [
                (format!("Content-Length: {}", body.len()), body.clone()),
                ("Transfer-Encoding: chunked".to_owned(), format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())),
            ];
            for (framing, body) in framings {
                // The server may close the connection, or skip the body and answer what follows it.
                let next = "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
                let answer = app.raw((head(token, &framing) + &body + next).as_bytes());
                assert!(answer.matches("HTTP/1.1 ").count() <= 2 && !answer.contains("alive"), "{framing}: {answer}");
            }
        }
    }

    async fn h05_a_large_token_request_is_refused_early(app: TestApp) {
        // Nothing follows the head: who waited for the body would not answer.
        let head = "POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                    Content-Length: 10485760\r\n\r\n";
        assert_eq!(refused(&exchange(&app, head.as_bytes())), "413 invalid_request");
    }
}
