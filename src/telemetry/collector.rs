//! The way of a batch of spans to the collector, over HTTP. It runs on the thread of the exporter and on a runtime of its own, so a
//! collector that is dead, slow or hanging takes nothing from requests.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use rustls::crypto::ring as cryptography;
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::{self, Runtime};

use super::ExportError;
use crate::clock;
use crate::domain::collector::CollectorUrl;

/// How long a batch may take, with all tries.
pub(super) const TIMEOUT: Duration = Duration::from_secs(3);
/// How often an operator is told that the collector takes nothing.
const COMPLAINT: Duration = Duration::from_secs(60);
/// The most of an answer that is read.
const ANSWER: usize = 64 * 1024;

/// Sends batches.
#[derive(Debug)]
pub(super) struct Post {
    runtime: Runtime,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    complained: Mutex<Option<Instant>>,
}

impl Post {
    /// A way to this collector. Its certificate is checked against the system's roots, or those in `SSL_CERT_FILE`.
    pub(super) fn new(url: &CollectorUrl) -> Result<Self, ExportError> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let tls = ClientConfig::builder_with_provider(Arc::new(cryptography::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(ExportError::new)?;
        let tls = match url.is_tls() {
            true => tls.with_native_roots().map_err(ExportError::new)?,
            false => tls.with_root_certificates(RootCertStore::empty()),
        };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls.with_no_client_auth())
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            runtime: runtime.map_err(ExportError::new)?,
            // Nothing looks after a connection between two batches.
            client: Client::builder(TokioExecutor::new())
                .pool_max_idle_per_host(0)
                .build(connector),
            complained: Mutex::default(),
        })
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.client.request(request.map(Full::new)).await?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER).collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    }

    /// Once a minute: spans are not worth more.
    fn complain(&self, reason: &str) {
        let now = clock::monotonic();
        let mut last = self
            .complained
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|last| now - last >= COMPLAINT) {
            *last = Some(now);
            tracing::warn!(reason, "the collector takes no spans: they are lost");
        }
    }
}

#[async_trait]
impl HttpClient for Post {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // Blocks the thread of the exporter, which does nothing else.
        let sent = self.runtime.block_on(async {
            match tokio::time::timeout(TIMEOUT, self.send(request)).await {
                Ok(sent) => sent,
                Err(_) => Err(format!("no answer within {} s", TIMEOUT.as_secs()).into()),
            }
        });
        match &sent {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => self.complain(&format!("it answered {}", answer.status().as_u16())),
            Err(error) => self.complain(&innermost(error.as_ref())),
        }
        sent
    }
}

/// What wraps the innermost reason says the same in more general words.
fn innermost(mut error: &(dyn std::error::Error + 'static)) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
