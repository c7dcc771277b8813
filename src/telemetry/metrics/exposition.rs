//! All metrics with their names and what they mean; docs/metrics.md has the same list for people.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::registry::Registry;

use super::page::Page;
use super::process::Process;
use super::{HashLevel, Levels, Lookups, Metrics, PoolLevel, StorageLevel};

/// The forms that a scraper may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' own, 0.0.4: everything reads it.
    Prometheus,
    /// OpenMetrics 1.0, which Prometheus asks for first.
    OpenMetrics,
}

impl Format {
    /// What a scraper with this `Accept` gets.
    pub fn accepted(accept: &str) -> Self {
        match accept.contains("application/openmetrics-text") {
            true => Self::OpenMetrics,
            false => Self::Prometheus,
        }
    }

    /// Its `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl Metrics {
    /// All that was counted, and what is now.
    pub fn show(self: &Arc<Self>, levels: Levels, format: Format) -> String {
        let (metrics, process) = (Arc::clone(self), Process::now());
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Scrape {
            metrics,
            levels,
            process,
        }));
        let mut shown = String::new();
        // A string takes everything.
        let _written = text::encode(&mut shown, &registry);
        match format {
            Format::OpenMetrics => shown,
            Format::Prometheus => older(&shown),
        }
    }
}

/// The same in Prometheus' own format: a family of counters is named as its values are, an info is a gauge, and the end is not marked.
fn older(shown: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in shown.lines().filter(|line| *line != "# EOF") {
        let typed = line.strip_prefix("# TYPE ").and_then(|l| l.split_once(' '));
        let (suffix, kind) = match typed {
            Some((_, "counter")) => ("_total", "counter"),
            Some((_, "info")) => ("_info", "gauge"),
            _ => {
                lines.push(line.to_owned());
                continue;
            }
        };
        // Its help is in the line before.
        let name = typed.map_or("", |(name, _)| name);
        if let Some(help) = lines.last_mut() {
            let said = format!("# HELP {name} ");
            *help = help.replacen(&said, &format!("# HELP {name}{suffix} "), 1);
        }
        lines.push(format!("# TYPE {name}{suffix} {kind}"));
    }
    lines.join("\n") + "\n"
}

/// What is shown once.
#[derive(Debug)]
struct Scrape {
    metrics: Arc<Metrics>,
    levels: Levels,
    process: Process,
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        self.process(&mut page)?;
        self.requests(&mut page)?;
        self.storage(&mut page)?;
        self.hashing(&mut page)?;
        self.mail(&mut page)
    }
}

/// For levels, which are never so many that anything is lost.
#[expect(clippy::cast_precision_loss, reason = "below 2^52")]
fn level(count: usize) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "microseconds until the year 2255"
)]
fn seconds(at: DateTime<Utc>) -> f64 {
    at.timestamp_micros() as f64 / 1e6
}

impl Scrape {
    #[expect(
        clippy::cast_precision_loss,
        reason = "bytes and descriptors below 2^52"
    )]
    fn process(&self, page: &mut Page<'_>) -> fmt::Result {
        let process = &self.process;
        let number = |value: Option<u64>| value.map(|value| value as f64);
        let database = match self.levels.storage {
            StorageLevel::Sqlite { .. } => "sqlite",
            StorageLevel::Postgres { .. } => "postgresql",
        };
        let version = env!("CARGO_PKG_VERSION");
        let build = [("version", version), ("database", database)];
        page.info("unforget_build", "The program that runs.", &build)?;
        let started = seconds(self.metrics.started_at);
        page.gauge("process_start_time_seconds", "When it started.", started)?;
        let cpu = process.cpu.as_secs_f64();
        page.sum("process_cpu_seconds", "CPU time used.", cpu)?;
        let resident = number(process.resident_bytes);
        page.known("process_resident_memory_bytes", "Memory in use.", resident)?;
        let open = number(process.open_descriptors);
        page.known("process_open_fds", "Open descriptors.", open)?;
        let most = number(process.most_descriptors);
        page.known("process_max_fds", "The most descriptors.", most)
    }

    fn requests(&self, page: &mut Page<'_>) -> fmt::Result {
        let metrics = &self.metrics;
        let requests = &metrics.requests;
        page.counters(
            "unforget_http_requests",
            "Requests answered.",
            requests.counts(),
        )?;
        let times = requests.times();
        page.histograms(
            "unforget_http_request_duration_seconds",
            "Time to answer.",
            times,
        )?;
        let refusals = requests.refusals();
        page.counters(
            "unforget_http_refusals",
            "Requests refused, by the word in the answer.",
            refusals,
        )?;
        let limited = metrics.limited.counts();
        page.words(
            "unforget_limit_refusals",
            "Requests that came too often.",
            "bucket",
            limited,
        )?;
        let tokens = metrics.tokens.counts();
        page.words(
            "unforget_tokens_issued",
            "Access tokens issued.",
            "kind",
            tokens,
        )?;
        let reminds = metrics.reminds.counts();
        page.words(
            "unforget_reminds",
            "Wishes for a reset mail.",
            "outcome",
            reminds,
        )?;
        let resets = metrics.resets.counts();
        page.words(
            "unforget_resets",
            "Attempts to set a password with a link.",
            "outcome",
            resets,
        )?;
        let lookups = |cache, Lookups(of): &Lookups| {
            let labels = |outcome| [("cache", cache), ("outcome", outcome)];
            [
                (labels("hit"), of.0.value()),
                (labels("miss"), of.1.value()),
            ]
        };
        let caches = [
            lookups("tokens", &metrics.token_cache),
            lookups("clients", &metrics.client_cache),
            lookups("links", &metrics.link_cache),
        ];
        let all = caches.into_iter().flatten();
        page.counters("unforget_cache_lookups", "What caches were asked for.", all)
    }

    fn storage(&self, page: &mut Page<'_>) -> fmt::Result {
        let of = &self.metrics.storage;
        let up = f64::from(u8::from(self.metrics.mail.queue().is_some()));
        page.gauge(
            "unforget_database_up",
            "Whether the database answered when it was last asked: each second.",
            up,
        )?;
        let gates = [
            ([("gate", "read")], &of.reads),
            ([("gate", "write")], &of.writes),
        ];
        let times = gates.map(|(gate, of)| (gate, &of.times));
        page.histograms(
            "unforget_storage_transaction_seconds",
            "Time in the database.",
            times,
        )?;
        page.counter(
            "unforget_storage_refused",
            "Calls refused because too many waited for the database.",
            of.refused.value(),
        )?;
        match self.levels.storage {
            StorageLevel::Sqlite { reads, writes } => {
                let sizes = gates.map(|(gate, of)| (gate, &of.sizes));
                page.histograms(
                    "unforget_storage_batch_size",
                    "Calls that shared a transaction.",
                    sizes,
                )?;
                let waiting = [
                    ([("gate", "read")], level(reads)),
                    ([("gate", "write")], level(writes)),
                ];
                page.gauges(
                    "unforget_storage_queue_depth",
                    "Calls that wait for a transaction.",
                    waiting,
                )
            }
            StorageLevel::Postgres { calls, tokens } => {
                let pools = |count: fn(&PoolLevel) -> usize| {
                    let pools = [("calls", &calls), ("tokens", &tokens)];
                    pools.map(|(pool, of)| ([("pool", pool)], level(count(of))))
                };
                page.gauges(
                    "unforget_database_pool_size",
                    "The most connections.",
                    pools(|pool| pool.size),
                )?;
                page.gauges(
                    "unforget_database_pool_in_use",
                    "Connections in use.",
                    pools(|pool| pool.in_use),
                )?;
                page.gauges(
                    "unforget_database_pool_waiting",
                    "Calls that wait for a connection.",
                    pools(|pool| pool.waiting),
                )?;
                let timeouts = of.timeouts.counts();
                page.words(
                    "unforget_database_pool_timeouts",
                    "Calls that waited in vain.",
                    "waited_for",
                    timeouts,
                )
            }
        }
    }

    fn hashing(&self, page: &mut Page<'_>) -> fmt::Result {
        let of = &self.metrics.hashing;
        let HashLevel {
            slots,
            running,
            waiting,
            most_waiting,
        } = self.levels.hashing;
        page.histogram(
            "unforget_hash_wait_seconds",
            "Time that callers waited for their turn to hash.",
            &of.waited,
        )?;
        page.histogram(
            "unforget_hash_duration_seconds",
            "Time that a password took.",
            &of.took,
        )?;
        page.counter(
            "unforget_hash_refused",
            "Calls refused because too many waited to hash.",
            of.refused.value(),
        )?;
        page.gauge(
            "unforget_hash_slots",
            "Passwords that may be hashed at once.",
            level(slots),
        )?;
        page.gauge(
            "unforget_hash_running",
            "Passwords being hashed.",
            level(running),
        )?;
        page.gauge(
            "unforget_hash_waiting",
            "Calls that wait to hash.",
            level(waiting),
        )?;
        page.gauge(
            "unforget_hash_waiting_limit",
            "Calls that may wait to hash.",
            level(most_waiting),
        )
    }

    #[expect(clippy::cast_precision_loss, reason = "mails below 2^52")]
    fn mail(&self, page: &mut Page<'_>) -> fmt::Result {
        let of = &self.metrics.mail;
        page.words(
            "unforget_mail_outcomes",
            "What became of mails.",
            "outcome",
            of.outcomes.counts(),
        )?;
        page.histogram(
            "unforget_mail_attempt_duration_seconds",
            "Time that an attempt to send took.",
            &of.attempts,
        )?;
        let queue = of.queue();
        let waiting = queue.map(|queue| queue.waiting as f64);
        page.known("unforget_mail_queued", "Mails that wait.", waiting)?;
        let late = |due| (seconds(self.levels.now) - seconds(due)).max(0.0);
        let oldest = queue.map(|queue| queue.first_due_at.map_or(0.0, late));
        page.known(
            "unforget_mail_oldest_due_seconds",
            "How long the mail that is due longest has been due.",
            oldest,
        )
    }
}
