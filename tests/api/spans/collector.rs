//! A collector of spans: takes batches by OTLP over HTTP, and reads them. Or does not answer, or refuses.

use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::helpers::PATIENCE;
use crate::smtp::Tls;

/// What the machine's clock may step by, in nanoseconds.
pub(crate) const STEP: u64 = 100_000_000;

/// What a collector does with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Takes it.
    Takes,
    /// Never answers.
    Hangs,
    /// Answers 503.
    Refuses,
}

/// A collector on a port of its own, which ends with the test.
pub(crate) struct Collector {
    port: u16,
    scheme: &'static str,
    got: Arc<Mutex<Got>>,
}

/// What it has got.
#[derive(Debug, Default)]
struct Got {
    connections: usize,
    heads: Vec<String>,
    bodies: Vec<Vec<u8>>,
}

/// A span, as far as tests ask.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) span: Span,
    pub(crate) name: String,
    /// Fields and their values, as texts.
    pub(crate) fields: Vec<(String, String)>,
}

impl Told {
    fn new(span: Span) -> Self {
        let text = |value: Option<Value>| match value {
            Some(Value::StringValue(text)) => text,
            Some(Value::IntValue(number)) => number.to_string(),
            other => format!("{other:?}"),
        };
        let fields = span.attributes.iter().map(|field| {
            let value = field.value.clone().and_then(|value| value.value);
            (field.key.clone(), text(value))
        });
        Self {
            name: span.name.clone(),
            fields: fields.collect(),
            span,
        }
    }

    /// A field's value; empty when there is none.
    pub(crate) fn field(&self, name: &str) -> &str {
        let mut fields = self.fields.iter();
        fields
            .find(|(key, _)| key == name)
            .map_or("", |(_, value)| value)
    }

    /// Whether it was made by the other, and ran while that did, as far as the machine's clock tells.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        let (own, of) = (&self.span, &other.span);
        own.parent_span_id == of.span_id
            && own.trace_id == of.trace_id
            && own.start_time_unix_nano + STEP >= of.start_time_unix_nano
            && own.end_time_unix_nano <= of.end_time_unix_nano + STEP
    }
}

impl Collector {
    /// One that takes what comes.
    pub(crate) async fn start() -> Self {
        Self::start_as(Manner::Takes, None).await
    }

    /// One of this manner, perhaps behind TLS.
    pub(crate) async fn start_as(manner: Manner, tls: Option<Tls>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let got = Arc::<Mutex<Got>>::default();
        let (kept, scheme) = (got.clone(), if tls.is_some() { "https" } else { "http" });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                kept.lock().unwrap().connections += 1;
                let (got, acceptor) = (kept.clone(), tls.as_ref().map(|tls| tls.acceptor.clone()));
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(stream, manner, &got).await,
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(stream) => serve(stream, manner, &got).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        Self { port, scheme, got }
    }

    /// The value for the setting `otlp.url`.
    pub(crate) fn url(&self) -> String {
        format!("{}://localhost:{}", self.scheme, self.port)
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.got.lock().unwrap().connections
    }

    /// The heads of the requests.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.got.lock().unwrap().heads.clone()
    }

    /// Every byte of every batch.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.got.lock().unwrap().bodies.concat()
    }

    /// Every span that was taken.
    pub(crate) fn spans(&self) -> Vec<Told> {
        let mut told = Vec::new();
        for body in &self.got.lock().unwrap().bodies {
            let batch = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
            let scopes = batch.resource_spans.into_iter().flat_map(|r| r.scope_spans);
            told.extend(scopes.flat_map(|scope| scope.spans).map(Told::new));
        }
        told
    }

    /// Waits until a batch has come.
    pub(crate) async fn batch(&self) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while self.heads().is_empty() {
            assert!(tokio::time::Instant::now() < deadline, "no batch comes");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

/// Reads requests until the connection ends.
async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    manner: Manner,
    got: &Mutex<Got>,
) -> Option<()> {
    let mut bytes = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            more(&mut stream, &mut bytes).await?;
        };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let length = head
            .to_lowercase()
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let length: usize = length.unwrap();
        while bytes.len() < end + length {
            more(&mut stream, &mut bytes).await?;
        }
        let body = bytes[end..end + length].to_vec();
        bytes.drain(..end + length);
        {
            let mut got = got.lock().unwrap();
            got.heads.push(head);
            got.bodies.push(body);
        }
        let answer: &[u8] = match manner {
            Manner::Takes => b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            Manner::Refuses => b"HTTP/1.1 503 Later\r\ncontent-length: 0\r\n\r\n",
            Manner::Hangs => std::future::pending().await,
        };
        stream.write_all(answer).await.ok()?;
    }
}

async fn more(stream: &mut (impl AsyncRead + Unpin), bytes: &mut Vec<u8>) -> Option<()> {
    match stream.read_buf(bytes).await {
        Ok(1..) => Some(()),
        _ => None,
    }
}
