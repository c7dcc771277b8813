//! Requests of which two readers would make two different things (bar H09; RFC 9112 sections 2.2, 5.1, 5.2, 6.1, 7.1): one answer, 400,
//! and the connection is closed, so that nothing which follows can be taken for a request.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::both;
use crate::helpers::{APP, Backend, PATIENCE, Reply, TestApp};

/// A good request that is hidden behind the bad one. Its answer is what a smuggler wants.
const HIDDEN: &str = "GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// Sends bytes and reads until the other side closes; that it does is asserted. Says too whether it was by a reset, which whoever still
/// sends is given, and which may take the answer along.
fn speak(app: &TestApp, bytes: &[u8]) -> (String, bool) {
    let mut stream = TcpStream::connect(app.base.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let _closed_midway = stream.write_all(bytes);
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    let reset = loop {
        match stream.read(&mut buffer) {
            Ok(0) => break false,
            Ok(count) => answer.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break true,
            Err(error) => panic!(
                "the connection stays open: {error}: {}",
                bytes.escape_ascii()
            ),
        }
    };
    (String::from_utf8_lossy(&answer).into_owned(), reset)
}

fn converse(app: &TestApp, bytes: &[u8]) -> String {
    speak(app, bytes).0
}

/// The status codes of all answers on a connection.
fn statuses(answer: &str) -> Vec<&str> {
    let answers = answer.split("HTTP/1.1 ").skip(1);
    answers
        .map(|answer| answer.split(' ').next().unwrap())
        .collect()
}

/// Asserts that these bytes get one answer, 400, and the end of the connection.
fn assert_refused(app: &TestApp, bytes: &[u8]) {
    let (answer, reset) = speak(app, bytes);
    let codes = statuses(&answer);
    assert!(
        codes == ["400"] || (reset && codes.is_empty()),
        "{}: {answer}",
        bytes.escape_ascii()
    );
    assert!(
        !answer.contains("alive"),
        "{}: {answer}",
        bytes.escape_ascii()
    );
}

both! {
    async fn h09_a_request_with_two_lengths_or_a_doubtful_one_is_refused_and_the_connection_closed(app: TestApp) {
        let token = app.token(APP).await;
        let framings = [
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 5",
            "Content-Length: 0\r\nContent-Length: 0",
            "Content-Length: 0\r\nContent-Length: 5",
            "Content-Length: 5\r\nX: y\r\nContent-Length: 0",
            "Content-Length: 0, 0",
            "Content-Length: 0, 5",
            "Content-Length: +0",
            "Content-Length: -1",
            "Content-Length: 0x0",
            "Content-Length: 0 0",
            "Content-Length: \"0\"",
            "Content-Length: 1e1",
            "Content-Length: ",
            "Content-Length: 18446744073709551616",
            "Content-Length : 0",
            "Content-Length\t: 0",
            " Content-Length: 0",
            "Transfer-Encoding : chunked",
            " Transfer-Encoding: chunked",
            "X: y\r\n Transfer-Encoding: chunked",
            "Transfer-Encoding:\r\n chunked",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding: chunkedx",
            "Transfer-Encoding: chunked, identity",
            "Transfer-Encoding: identity, chunked",
            "Transfer-Encoding: chunked, chunked",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding: chunked;q=1",
            "Transfer-Encoding: \"chunked\"",
            "Transfer-Encoding: identity",
            "Transfer-Encoding: gzip",
            "Transfer-Encoding: ",
            "Transfer-Encoding: \x0bchunked",
            "Transfer-Encoding: chunked\x0b",
            "Transfer-Encoding: \x00chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
            "Transfer-Encoding: x\r\nTransfer-Encoding: chunked",
        ];
        for framing in framings {
            for (path, kind) in [("/oauth/token", "application/x-www-form-urlencoded"), ("/v1/password/remind", "application/json")] {
                let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: {kind}\r\n{framing}\r\n\r\n");
                assert_refused(&app, format!("{head}0\r\n\r\n{HIDDEN}").as_bytes());
            }
        }
        // HTTP/1.0 knows no chunks.
        let old = "POST /oauth/token HTTP/1.0\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n0\r\n\r\n";
        let answer = converse(&app, format!("{old}{HIDDEN}").as_bytes());
        assert_eq!(statuses(&answer), ["400"], "{answer}");
    }

    async fn h09_chunks_that_two_readers_would_cut_differently_are_refused(app: TestApp) {
        let token = app.token(APP).await;
        for body in [
            "1\nx\r\n0\r\n\r\n",
            "1\r\nx\n0\r\n\r\n",
            "1;a\nx\r\n0\r\n\r\n",
            "1\r\nxy\r\n0\r\n\r\n",
            "2\r\nx\r\n0\r\n\r\n",
            "-1\r\nx\r\n0\r\n\r\n",
            "+1\r\nx\r\n0\r\n\r\n",
            "0x1\r\nx\r\n0\r\n\r\n",
            "1_0\r\nx\r\n0\r\n\r\n",
            "\r\n1\r\nx\r\n0\r\n\r\n",
            "g\r\nx\r\n0\r\n\r\n",
            "10000000000000001\r\nx\r\n0\r\n\r\n",
            "fffffffffffffffff\r\nx\r\n0\r\n\r\n",
            "1\r\rx\r\n0\r\n\r\n",
            "1\x00\r\nx\r\n0\r\n\r\n",
        ] {
            let head = format!("POST /v1/password/remind HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
            let answer = converse(&app, format!("{head}{body}{HIDDEN}").as_bytes());
            // Where the caller was still being looked up, actix closes the connection without a word.
            let codes = statuses(&answer);
            assert!(codes == ["400"] || codes.is_empty(), "{body:?}: {answer}");
            assert!(!answer.contains("alive"), "{body:?}: {answer}");
        }
    }

    async fn h09_heads_that_are_folded_or_hold_what_no_head_holds_are_refused(app: TestApp) {
        for head in [
            "GET /health/live HTTP/1.1\r\nHost: x\r\nX: a\r\n b",
            "GET /health/live HTTP/1.1\r\nHost: x\r\nX: a\r\n\tb",
            "GET /health/live HTTP/1.1\r\n Host: x\r\nX: a",
            "GET /health/live HTTP/1.1\r\nHost: x\r\nX: a\0b",
            "GET /health/live HTTP/1.1\r\nHost: x\r\nX\0: a",
            "GET /health\0/live HTTP/1.1\r\nHost: x",
            "GET /health/live HTTP/1.1\r\nHost: x\r\nX: a\rContent-Length: 5",
            "GET /health/live HTTP/1.1\n\rHost: x",
            "GET /health/live HTTP/1.1\r\nHost: x\r\nX: a\x01b",
            "GET /health/live HTTP/1.1\r\nHost: x\r\nX: a\x7fb",
            "GET /health/live HTTP/1.1\r\nHost: x\r\n: a",
            "GET /health/live HTTP/1.1\r\nHost: x\r\nX y: a",
            "GET /health/live HTTP/1.1\r\nHost: x\r\nno colon",
            "GET /health/live HTTP/1.1",
            "GET /health/live HTTP/1.1\r\nHost: x\r\nHost: y",
            "GET /health/live HTTP/1.1\r\nHost: x\r\nHost: x",
            "GET  /health/live HTTP/1.1\r\nHost: x",
            "GET /health/live  HTTP/1.1\r\nHost: x",
            "GET /health/live HTTP/1.1 \r\nHost: x",
            "GET /health /live HTTP/1.1\r\nHost: x",
            "GET /health/live HTTP/2.0\r\nHost: x",
            "GET /health/live HTTP/1.11\r\nHost: x",
            "GET /health/live http/1.1\r\nHost: x",
            "GET /health/live",
            "G\x01T /health/live HTTP/1.1\r\nHost: x",
            "PRI * HTTP/2.0\r\n\r\nSM",
        ] {
            assert_refused(&app, format!("{head}\r\n\r\n{HIDDEN}").as_bytes());
        }
    }

    /// RFC 9112 section 2.2 allows to take a lone LF for the end of a line of the head, and the parser does. What counts is that it always
    /// is one: a field that stands after it is read as a field, and no value ever holds it.
    async fn h09_a_lone_lf_in_a_head_ends_a_line_for_every_field_alike(app: TestApp) {
        let answer = converse(&app, format!("GET /nothing HTTP/1.1\nHost: x\nX-Request-Id: of-the-first\n\n{HIDDEN}").as_bytes());
        assert_eq!(statuses(&answer), ["404", "200"], "{answer}");
        assert!(answer.contains("x-request-id: of-the-first"), "{answer}");
        // Whoever saw no length would take the body for the next request; whoever saw no second length, too.
        let body = "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n";
        let length = body.len();
        let answer = converse(&app, format!("POST /oauth/token HTTP/1.1\r\nHost: x\r\nX: y\nContent-Length: {length}\r\n\r\n{body}{HIDDEN}").as_bytes());
        assert_eq!(statuses(&answer), ["400", "200"], "{answer}");
        assert_refused(&app, format!("POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nX: y\nContent-Length: 5\r\n\r\n{HIDDEN}").as_bytes());
        assert_refused(&app, format!("POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}").as_bytes());
    }

    async fn h09_what_is_not_read_of_a_request_is_never_the_next_one(app: TestApp) {
        // A body where none is expected: skipped, or the end of the connection.
        for path in ["/health/live", "/nothing", "/openapi.json"] {
            for framing in [format!("Content-Length: {}", HIDDEN.len()), "Transfer-Encoding: chunked".to_owned()] {
                let body = if framing.starts_with('C') { HIDDEN.to_owned() } else { format!("{:x}\r\n{HIDDEN}\r\n0\r\n\r\n", HIDDEN.len()) };
                let next = "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
                let answer = converse(&app, format!("GET {path} HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n{body}{next}").as_bytes());
                let codes = statuses(&answer);
                assert!(codes.len() <= 2 && codes.get(1).is_none_or(|second| *second == "404"), "{path} {framing}: {answer}");
            }
        }
        // Nobody is asked to speak another protocol.
        for upgrade in ["Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"] {
            let answer = converse(&app, format!("GET /health/live HTTP/1.1\r\nHost: x\r\n{upgrade}\r\nConnection: close\r\n\r\n").as_bytes());
            assert_eq!(statuses(&answer), ["200"], "{answer}");
        }
        assert_eq!(Reply::of(app.request("GET", "/health/ready").send().await.unwrap()).await.status, 200);
    }

    async fn h09_heads_of_any_size_are_refused_in_time(app: TestApp) {
        let many = |count: usize| (0..count).map(|n| format!("X-{n}: y\r\n")).collect::<String>();
        for head in [
            format!("GET /health/live HTTP/1.1\r\nHost: x\r\n{}", many(10_000)),
            format!("GET /health/live HTTP/1.1\r\nHost: x\r\n{}", many(97)),
            format!("GET /health/live HTTP/1.1\r\nHost: x\r\nX: {}\r\n", "a".repeat(1_000_000)),
            format!("GET /health/live HTTP/1.1\r\nHost: x\r\n{}: y\r\n", "a".repeat(70_000)),
            format!("GET /{} HTTP/1.1\r\nHost: x\r\n", "a".repeat(70_000)),
            format!("{} / HTTP/1.1\r\nHost: x\r\n", "A".repeat(200_000)),
        ] {
            // The answer may be lost: who is still sending when it comes is reset.
            let answer = converse(&app, format!("{head}\r\n{HIDDEN}").as_bytes());
            let codes = statuses(&answer);
            assert!(codes.len() <= 1 && codes.iter().all(|code| ["400", "431"].contains(code)), "{head:.60}: {answer}");
        }
        let answer = converse(&app, format!("GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{}\r\n", many(90)).as_bytes());
        assert_eq!(statuses(&answer), ["200"], "so many are fine");
    }

    /// Bytes that are no request never come to us: actix answers by itself. What it says is held here to what the documents say of it.
    async fn h03_bytes_that_are_no_request_get_a_bare_400_that_tells_nothing(app: TestApp) {
        for bytes in ["GARBAGE\r\n\r\n", "GET /health/live HTTP/1.1\r\nX: \0canary\r\n\r\n", "GET /canary HTTP/9.9\r\n\r\n", "\x16\x03\x01canary\r\n\r\n"] {
            let answer = converse(&app, bytes.as_bytes());
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n") && body.is_empty(), "{answer}");
            let mut names: Vec<_> = head.lines().skip(1).map(|line| line.split(':').next().unwrap().to_lowercase()).collect();
            names.sort();
            assert_eq!(names, ["connection", "content-length", "date"], "{answer}");
            assert!(!answer.contains("canary"), "{answer}");
        }
    }
}
