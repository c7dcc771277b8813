//! Requests that arrive at the same moment: all but the last byte of each is sent, and then the last bytes together.

use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::future::join_all;
use reqwest::header::{HeaderMap, HeaderName};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::helpers::{Reply, TestClient};

/// A request with a body.
#[derive(Debug, Clone)]
pub(super) struct Call {
    line: String,
    fields: String,
    body: String,
}

impl Call {
    /// JSON with a bearer token.
    pub(super) fn json(method: &str, path: &str, token: &str, body: &Value) -> Self {
        let fields = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
        Self {
            line: format!("{method} {path}"),
            fields,
            body: body.to_string(),
        }
    }

    /// A form. Its values need no escapes.
    pub(super) fn form(path: &str, form: &[(&str, &str)]) -> Self {
        let pairs: Vec<_> = form.iter().map(|(k, v)| format!("{k}={v}")).collect();
        Self {
            line: format!("POST {path}"),
            fields: "Content-Type: application/x-www-form-urlencoded\r\n".to_owned(),
            body: pairs.join("&"),
        }
    }

    /// With HTTP Basic.
    pub(super) fn by(self, client: &TestClient) -> Self {
        let basic = STANDARD.encode(format!("{}:{}", client.id, client.secret));
        self.with("Authorization", &format!("Basic {basic}"))
    }

    /// With one more field.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.fields += &format!("{name}: {value}\r\n");
        self
    }

    /// With a proof of the key that its token is bound to.
    pub(super) fn proving(mut self, proof: &str) -> Self {
        self.fields = self.fields.replace("Bearer", "DPoP");
        self.with("DPoP", proof)
    }

    fn bytes(&self, host: &str) -> Vec<u8> {
        let Self { line, fields, body } = self;
        let length = body.len();
        let head = format!(
            "{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n"
        );
        format!("{head}{fields}\r\n{body}").into_bytes()
    }
}

/// Sends each call on a connection of its own, in turns to these services; the answers are in the order of the calls.
pub(super) async fn together(bases: &[String], calls: &[Call]) -> Vec<Reply> {
    let ready = join_all(
        calls
            .iter()
            .zip(bases.iter().cycle())
            .map(|(call, base)| async move {
                let host = base.trim_start_matches("http://");
                let mut stream = TcpStream::connect(host).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let bytes = call.bytes(host);
                let (last, rest) = bytes.split_last().unwrap();
                stream.write_all(rest).await.unwrap();
                (stream, *last)
            }),
    );
    let mut streams = Vec::new();
    for (mut stream, last) in ready.await {
        stream.write_all(&[last]).await.unwrap();
        streams.push(stream);
    }
    join_all(streams.into_iter().map(|mut stream| async move {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        read(&answer)
    }))
    .await
}

fn read(answer: &[u8]) -> Reply {
    let answer = String::from_utf8(answer.to_vec()).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let mut headers = HeaderMap::new();
    for (name, value) in lines.map(|line| line.split_once(": ").unwrap()) {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, value.parse().unwrap());
    }
    assert!(!headers.contains_key("transfer-encoding"), "{answer}");
    Reply {
        status: status.parse().unwrap(),
        headers,
        text: body.to_owned(),
    }
}
