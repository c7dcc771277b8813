//! Spans, and their way to a collector. While none is configured they are never made, and a place that would make one costs one
//! load. Their fields are numbers, ids and our own words: never a secret, an address, a path or anything of a body (bar P14).

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{
    Link, SpanId, SpanKind, Status, TraceContextExt, TraceId, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, IdGenerator, Sampler, SamplingResult,
    SdkTracerProvider, ShouldSample, SpanData, SpanProcessor,
};
use tracing::Span;
use tracing::level_filters::LevelFilter;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterFn, filter_fn};
use tracing_subscriber::registry::LookupSpan;

use super::collector::{Post, TIMEOUT};
use crate::domain::Collector;
use crate::entropy;

/// The target of spans that only a collector sees, so that `RUST_LOG` has no say in them and log lines stay as they are.
pub(crate) const TARGET: &str = "spans";
/// The span that logs know too.
const REQUEST: &str = "request";
/// What nobody asked for, such as a look at the queue that finds nothing, is worth no trace of its own.
const WITHIN_OTHERS: &str = "database";
/// The most spans that wait to be sent; the rest is dropped.
const QUEUE: usize = 4096;
/// How often they are sent.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the last ones may take when the service stops.
const FAREWELL: Duration = Duration::from_secs(2);

static EXPORTED: AtomicBool = AtomicBool::new(false);

/// Makes a span for a collector: `span!("name", field = value, ..)`, or `span!(parent: &other, "name", ..)`.
macro_rules! span {
    (parent: $parent:expr, $($rest:tt)+) => {
        tracing::debug_span!(target: "spans", parent: $parent, $($rest)+)
    };
    ($($rest:tt)+) => { tracing::debug_span!(target: "spans", $($rest)+) };
}
pub(crate) use span;

/// Why spans cannot be exported.
#[derive(Debug, thiserror::Error)]
#[error("otlp.url: {0}")]
pub struct ExportError(String);

impl ExportError {
    pub(super) fn new(why: impl std::fmt::Display) -> Self {
        Self(why.to_string())
    }
}

/// From now on spans are exported.
pub(super) fn are_exported() {
    EXPORTED.store(true, Ordering::Relaxed);
}

/// The way to a collector. What waits is sent when it is dropped.
pub(super) struct Spans(SdkTracerProvider);

impl Spans {
    /// Prepares the way; nothing is connected before there is a span.
    pub(super) fn start(collector: &Collector) -> Result<Self, ExportError> {
        let headers = collector.headers.expose();
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Post::new(&collector.url)?)
            .with_endpoint(collector.url.traces())
            .with_headers(headers.collect())
            .with_timeout(TIMEOUT)
            .build()
            .map_err(ExportError::new)?;
        let queue = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_scheduled_delay(PAUSE);
        let queued = BatchSpanProcessor::builder(exporter)
            .with_batch_config(queue.build())
            .build();
        let sampler = Sampler::TraceIdRatioBased(collector.sample);
        let resource = Resource::builder()
            .with_service_name(env!("CARGO_PKG_NAME"))
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
        let provider = SdkTracerProvider::builder()
            .with_span_processor(Named(queued))
            .with_sampler(Asked(Sampler::ParentBased(Box::new(sampler))))
            .with_id_generator(Ids)
            .with_resource(resource.build());
        Ok(Self(provider.build()))
    }

    /// What takes the spans. Events stay in the logs.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: tracing::Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let ours: FilterFn = filter_fn(|metadata| {
            metadata.is_span() && (metadata.target() == TARGET || metadata.name() == REQUEST)
        });
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer(env!("CARGO_PKG_NAME")))
            .with_context_activation(false)
            .with_location(false)
            .with_target(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(ours.with_max_level_hint(LevelFilter::DEBUG))
    }
}

impl Drop for Spans {
    fn drop(&mut self) {
        EXPORTED.store(false, Ordering::Relaxed);
        // What the collector does not take by then is lost, and it has been told of already.
        let _lost = self.0.shutdown_with_timeout(FAREWELL);
    }
}

/// Ids from our own source of randomness.
#[derive(Debug)]
struct Ids;

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        TraceId::from_bytes(entropy::bytes())
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from_bytes(entropy::bytes())
    }
}

/// Samples what was asked for.
#[derive(Debug, Clone)]
struct Asked(Sampler);

impl ShouldSample for Asked {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let has_parent = parent.is_some_and(|parent| parent.span().span_context().is_valid());
        let sampler = match name.starts_with(WITHIN_OTHERS) && !has_parent {
            true => &Sampler::AlwaysOff,
            false => &self.0,
        };
        sampler.should_sample(parent, trace_id, name, kind, attributes, links)
    }
}

/// Calls a request by its method and route, as collectors expect (OpenTelemetry semantic conventions, "HTTP server").
#[derive(Debug)]
struct Named(BatchSpanProcessor);

impl SpanProcessor for Named {
    fn on_start(&self, span: &mut opentelemetry_sdk::trace::Span, parent: &Context) {
        self.0.on_start(span, parent);
    }

    fn on_end(&self, mut span: SpanData) {
        if span.name == REQUEST {
            span.span_kind = SpanKind::Server;
            let words = ["http.request.method", "http.route"].map(|key| {
                let mut said = span.attributes.iter();
                said.find(|attribute| attribute.key.as_str() == key)
                    .map(|attribute| attribute.value.as_str().into_owned())
            });
            let words: Vec<_> = words.into_iter().flatten().collect();
            if !words.is_empty() {
                span.name = words.join(" ").into();
            }
        }
        self.0.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.0.set_resource(resource);
    }
}

/// A caller's `traceparent`. Its `tracestate` would be passed on to the collector, and anything can be in it.
struct Caller<'a>(&'a str);

impl Extractor for Caller<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == "traceparent").then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}

/// Makes a request part of the caller's trace (W3C Trace Context section 3.2), if it names one and anybody is to be told.
pub fn continue_trace<'a>(request: &Span, traceparent: impl FnOnce() -> Option<&'a str>) {
    if !EXPORTED.load(Ordering::Relaxed) {
        return;
    }
    if let Some(caller) = traceparent() {
        let none = Context::new();
        let trace = TraceContextPropagator::new().extract_with_context(&none, &Caller(caller));
        if trace.span().span_context().is_valid() {
            // Only a span that has begun refuses, and this one has not.
            let _begun = request.set_parent(trace);
        }
    }
}

/// What became of a request.
#[derive(Debug, Clone, Copy)]
pub struct Outcome<'a> {
    /// Its method.
    pub method: &'a str,
    /// The pattern of its path; none when there is nothing.
    pub route: Option<&'a str>,
    /// The status of the answer.
    pub status: u16,
}

/// Tells the collector what became of the request whose span this is.
pub fn answered(request: &Span, outcome: Outcome<'_>) {
    if !EXPORTED.load(Ordering::Relaxed) {
        return;
    }
    // A caller can make methods up.
    let method = match outcome.method {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => known,
        _ => "_OTHER",
    };
    request.set_attribute("http.request.method", method.to_owned());
    if let Some(route) = outcome.route {
        request.set_attribute("http.route", route.to_owned());
    }
    request.set_attribute("http.response.status_code", i64::from(outcome.status));
    if outcome.status >= 500 {
        request.set_status(Status::error(""));
    }
}
