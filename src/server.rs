//! Builds the service from its settings, starts it, and stops it without losing anything.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use futures_util::FutureExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use crate::app::{App, LimitRules, Rate};
use crate::breaches::{Breaches, BreachesError};
use crate::clock::Clock;
use crate::config::Settings;
use crate::descriptors;
use crate::flows::Flows;
use crate::hasher::Hasher;
use crate::http::{self, Limits};
use crate::mail::{Mailer, MailerError};
use crate::oauth::Known;
use crate::oauth::dpop::Dpop;
use crate::storage::{Memory, Remembered, Schema, Storage, StorageError};
use crate::telemetry::metrics::Metrics;
use crate::worker::Worker;

/// The most connections for each worker thread; more wait in the kernel's queue.
const CONNECTIONS: usize = 8192;
/// Descriptors that are neither connections of callers, nor of the database, nor of the mail server, nor a worker thread's own.
const OWN_DESCRIPTORS: usize = 21;
/// What a worker thread has open to be woken by, before anybody calls.
const WORKER_DESCRIPTORS: usize = 4;
/// What the listener for metrics has open: itself, its thread's, its connections, and what it reads to tell of this process.
const METRICS_DESCRIPTORS: usize = 1 + WORKER_DESCRIPTORS + http::METRICS_CONNECTIONS + 1;
/// How often idle limit buckets are forgotten.
const FORGET: Duration = Duration::from_secs(60);

/// Why the service did not start, or did not go on.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The database.
    #[error("database_url: {0}")]
    Storage(#[from] StorageError),
    /// The list of breached passwords.
    #[error("password.breached: {0}: {1}")]
    Breaches(String, BreachesError),
    /// The mail settings.
    #[error("mail.url or mail.from: {0}")]
    Mail(#[from] MailerError),
    /// The address.
    #[error("listen: cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// The address of the metrics.
    #[error("metrics_listen: cannot listen on {0}: {1}")]
    MetricsListen(SocketAddr, std::io::Error),
    /// What the system allows leaves nothing for callers.
    #[error(
        "workers: with {workers} of them {needed} descriptors are needed, and the system allows {allowed}: allow more (`ulimit -n`) or \
         set fewer `workers`"
    )]
    Descriptors {
        /// How many threads are to answer.
        workers: usize,
        /// What they need to answer one caller each.
        needed: usize,
        /// What there is.
        allowed: usize,
    },
    /// The server ended by itself.
    #[error("the server failed: {0}")]
    Io(#[from] std::io::Error),
}

/// What the flows need, without anything that listens.
pub fn flows(settings: &Settings, clock: Clock) -> Result<Flows, ServerError> {
    let breaches = breaches(settings)?;
    flows_on(settings, clock, Schema::Migrate, breaches)
}

/// The list of breached passwords, where there is one. Only what judges passwords needs it.
pub fn breaches(settings: &Settings) -> Result<Option<Breaches>, ServerError> {
    let Some(path) = &settings.breached else {
        return Ok(None);
    };
    let named = |error| ServerError::Breaches(path.display().to_string(), error);
    Breaches::open(path).map(Some).map_err(named)
}

/// The flows on a database that may be made or migrated only so far. What `auto_migrate = false` forbids stays forbidden.
pub fn flows_on(
    settings: &Settings,
    clock: Clock,
    schema: Schema,
    breaches: Option<Breaches>,
) -> Result<Flows, ServerError> {
    let schema = if settings.auto_migrate {
        schema
    } else {
        Schema::Require
    };
    let storage = Storage::open(&settings.database_url, settings.database_parallel, schema)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let hasher = Arc::new(Hasher::new(settings.bcrypt_cost, cores)?);
    let metrics = Metrics::new(clock.now(), storage.metrics(), hasher.metrics());
    Ok(Flows {
        storage,
        clock,
        hasher,
        metrics: Arc::new(metrics),
        recovery: settings.recovery.clone(),
        session_lifetime: settings.session_lifetime,
        policy: settings.policy.clone(),
        breaches: breaches.map(Arc::new),
        public_url: settings.public_url.clone(),
        mail_queued: Arc::default(),
        mails_waiting: Arc::default(),
        links: Memory::new(Remembered::Links),
        max_mails: settings.mail.max_queued,
        audit_retention: settings.audit.retention,
    })
}

/// The way out for mail.
pub fn mailer(settings: &Settings) -> Result<Mailer, MailerError> {
    Mailer::new(
        &settings.mail.url,
        &settings.mail.from,
        settings.mail.timeout,
    )
}

/// How many connections each worker thread may have: as many as leave the database and the mail server theirs (bar D14).
fn connections(settings: &Settings) -> Result<usize, ServerError> {
    // SQLite has a file, its log and its index of it open for each.
    let database = 3 * settings.database_parallel as usize;
    let workers = settings.workers.max(1);
    let own = OWN_DESCRIPTORS + WORKER_DESCRIPTORS * workers;
    let metrics = settings.metrics_listen.map_or(0, |_| METRICS_DESCRIPTORS);
    let reserved = own + database + settings.mail.parallel + metrics;
    let allowed = descriptors::take_all();
    match allowed.saturating_sub(reserved) / workers {
        0 => Err(ServerError::Descriptors {
            workers,
            needed: reserved + workers,
            allowed,
        }),
        each => Ok(each.min(CONNECTIONS)),
    }
}

/// A service that runs.
pub struct Running {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where its metrics are, if anywhere.
    pub metrics_address: Option<SocketAddr>,
    /// What it does, for whoever holds it.
    pub flows: Flows,
    handle: ServerHandle,
    server: JoinHandle<std::io::Result<()>>,
    worker: Worker,
    app: Arc<App>,
    metrics: Option<ServerHandle>,
    limits: Limits,
    drain: Duration,
    upkeep: [JoinHandle<()>; 2],
}

/// Opens the database, listens, and starts the loops.
pub fn start(settings: &Settings, clock: Clock) -> Result<Running, ServerError> {
    let most = connections(settings)?;
    let flows = flows(settings, clock)?;
    let mailer = mailer(settings)?;
    let rate = |per_minute, burst| Rate { per_minute, burst };
    let app = Arc::new(App {
        flows: flows.clone(),
        known: Known::new(flows.storage.clone(), Arc::clone(&flows.metrics)),
        dpop: Dpop::new(settings.dpop_nonce),
        token_lifetime: settings.token_lifetime,
        interslice_client: settings.interslice_client.clone(),
        https: settings.public_url.starts_with("https:"),
        trusted_proxies: Arc::new(settings.trusted_proxies.clone()),
        cors_origins: settings.cors_origins.clone(),
        page_client: settings.page_client.clone(),
        address_form: settings.audit.address.clone(),
        limits: settings.limits.map(|limits| LimitRules {
            token: rate(limits.token_per_minute, limits.token_burst),
            api: rate(limits.api_per_minute, limits.api_burst),
            page: rate(limits.page_per_minute, limits.page_burst),
        }),
        leaving: AtomicBool::new(false),
    });
    let limits = Limits::new(&app);
    let (left, kept) = (Arc::clone(&app), limits.clone());

    let cannot = |error| ServerError::Listen(settings.listen, error);
    let listener = http::listen(settings.listen).map_err(cannot)?;
    let address = listener.local_addr().map_err(cannot)?;
    let (metrics_address, metrics) = settings
        .metrics_listen
        .map(|address| serve_metrics(address, &flows))
        .transpose()?
        .unzip();
    let server = http::serve(listener, app, limits, settings.workers, most).map_err(cannot)?;
    let handle = server.handle();
    let (buckets, shared, recalled) = (kept.clone(), kept.clone(), kept.clone());
    let (storage, clock) = (flows.storage.clone(), flows.clock.clone());
    let (stored, read) = (storage.clone(), clock.clone());

    Ok(Running {
        address,
        metrics_address,
        metrics,
        worker: Worker::start(&flows, mailer, settings.mail.parallel),
        flows,
        handle,
        // Whoever calls meanwhile waits in the kernel's queue.
        server: tokio::spawn(async move {
            recalled.recall(&stored, &read).await;
            server.await
        }),
        app: left,
        limits: kept,
        drain: settings.drain,
        upkeep: [
            watched("sharing limits", async move {
                shared.keep_shared(&storage, &clock).await;
            }),
            watched("forgetting idle limits", async move {
                loop {
                    tokio::time::sleep(FORGET).await;
                    buckets.forget_idle();
                }
            }),
        ],
    })
}

/// Starts the listener for metrics and says where it is.
fn serve_metrics(
    address: SocketAddr,
    flows: &Flows,
) -> Result<(SocketAddr, ServerHandle), ServerError> {
    let start = || {
        let listener = http::listen(address)?;
        let bound = listener.local_addr()?;
        let server = http::serve_metrics(listener, flows)?;
        let handle = server.handle();
        tokio::spawn(server);
        Ok((bound, handle))
    };
    start().map_err(|error| ServerError::MetricsListen(address, error))
}

/// Starts what runs beside the server. Nobody waits for it, so a panic that ends it is told here.
fn watched(task: &'static str, work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(async move {
        if AssertUnwindSafe(work).catch_unwind().await.is_err() {
            tracing::error!(task, "ended by a panic; it runs again after a restart");
        }
    })
}

impl Running {
    /// Runs until SIGTERM or SIGINT, then stops; a second signal ends the process at once.
    pub async fn until_signal(mut self) -> Result<(), ServerError> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            ended = &mut self.server => {
                return match ended {
                    Ok(Ok(())) => Err(std::io::Error::other("it ended by itself").into()),
                    Ok(Err(error)) => Err(error.into()),
                    Err(error) => Err(std::io::Error::other(error).into()),
                };
            }
        }
        tracing::info!("stopping: finishing what runs");
        tokio::select! {
            () = self.leave() => {}
            _ = terminate.recv() => tracing::warn!("stopped at once"),
            _ = interrupt.recv() => tracing::warn!("stopped at once"),
        }
        Ok(())
    }

    /// Lets whoever shares calls out send them elsewhere, then stops: a connection that waits to be accepted would be lost (bar H15).
    async fn leave(self) {
        self.app.leaving.store(true, Ordering::Relaxed);
        tokio::time::sleep(self.drain).await;
        self.stop().await;
    }

    /// Stops accepting, finishes running requests, lets mails that are being sent finish, and closes the database.
    pub async fn stop(self) {
        self.app.leaving.store(true, Ordering::Relaxed);
        self.upkeep.iter().for_each(JoinHandle::abort);
        self.handle.stop(true).await;
        let _ended = self.server.await;
        let told = self.limits.tell(&self.flows.storage, &self.flows.clock);
        if told.await.is_err() {
            tracing::debug!("what callers have used up of their limits is not stored");
        }
        self.worker.stop().await;
        if let Some(metrics) = self.metrics {
            metrics.stop(false).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Mutex;

    use super::*;

    /// What was logged.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_task_beside_the_server_that_panics_is_told_of() {
        let log = Log::default();
        let writer = log.clone();
        let logs = tracing_subscriber::fmt().with_writer(move || writer.clone());
        let _guard = tracing::subscriber::set_default(logs.finish());
        watched("counting", async { panic!("as it should") })
            .await
            .unwrap();
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert!(log.contains("ERROR") && log.contains("counting"), "{log}");
    }
}
