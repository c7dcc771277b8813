//! Threads that own SQLite connections and drain a bounded queue: one lane for writes, one for reads.
//!
//! Writes are committed in groups: whatever waits (at most `BATCH`) shares one `BEGIN IMMEDIATE` transaction, each closure
//! in a savepoint of its own, and every caller is answered after the commit. So full durability costs one fsync per group,
//! and never a lock fight. What the closures wrote into the audit goes in last, in one go. Reads that wait together share one read transaction.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use super::audit;
use super::connection::AnyConnection;
use super::error::{Result, StorageError};
use super::queue::{Queue, Refused};
use super::remembered::Epochs;
use super::wal::Wal;
use crate::clock;
use crate::domain::DatabaseUrl;
use crate::telemetry::metrics::StorageMetrics;

/// The most closures that share a transaction.
const BATCH: usize = 256;
/// The most closures that wait; beyond, callers are told to come back.
const QUEUE: usize = 1024;

/// A commit that takes longer is worth waiting for the callers of the last one; of one that takes longer still, it is no measure.
const SLOW: Duration = Duration::from_millis(1);
const SLOWEST: Duration = Duration::from_millis(8);

/// What a lane's transactions may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Read,
    Write,
}

/// What it takes to undo the writes of a closure that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Undo {
    /// A savepoint.
    Savepoint,
    /// Nothing: its only write is its last statement, and a statement that fails undoes itself.
    Nothing,
}

/// A queue with its threads. Dropping it finishes what waits.
pub(super) struct Lane {
    queue: Arc<Queue<Box<dyn Job>>>,
    threads: Vec<JoinHandle<()>>,
    metrics: Arc<StorageMetrics>,
}

/// A closure with the place where its result goes.
struct Call<T, E, F> {
    undo: Undo,
    work: Option<F>,
    outcome: Option<std::result::Result<T, E>>,
    reply: Option<oneshot::Sender<std::result::Result<T, E>>>,
}

trait Job: Send {
    /// Runs the closure; says whether its writes are to be kept.
    fn run(&mut self, connection: &mut AnyConnection) -> bool;
    /// What it takes to undo its writes.
    fn undo(&self) -> Undo;
    /// Answers the caller, now that the transaction has ended so.
    fn answer(&mut self, ended: &Result<()>);
}

impl<T, E, F> Job for Call<T, E, F>
where
    T: Send,
    E: From<StorageError> + Send,
    F: FnOnce(&mut AnyConnection) -> std::result::Result<T, E> + Send,
{
    fn run(&mut self, connection: &mut AnyConnection) -> bool {
        let abandoned = self.reply.as_ref().is_none_or(oneshot::Sender::is_closed);
        let Some(work) = self.work.take().filter(|_| !abandoned) else {
            return false;
        };
        // A panic is one caller's defect; its neighbours and the thread go on.
        let outcome = catch_unwind(AssertUnwindSafe(|| work(connection))).unwrap_or_else(|_| {
            Err(StorageError::Internal("a database closure panicked".to_owned()).into())
        });
        let keep = outcome.is_ok();
        self.outcome = Some(outcome);
        keep
    }

    fn undo(&self) -> Undo {
        self.undo
    }

    fn answer(&mut self, ended: &Result<()>) {
        let outcome = match (self.outcome.take(), ended) {
            (Some(Ok(_)) | None, Err(error)) => Err(error.clone().into()),
            (Some(outcome), _) => outcome,
            (None, Ok(())) => return,
        };
        if let Some(reply) = self.reply.take() {
            let _gone = reply.send(outcome);
        }
    }
}

impl Lane {
    /// Starts `threads` threads, each with a connection of its own.
    pub(super) fn start(
        url: &DatabaseUrl,
        mode: Mode,
        threads: usize,
        epochs: &Arc<Epochs>,
        metrics: &Arc<StorageMetrics>,
    ) -> Result<Self> {
        let queue = Arc::new(Queue::<Box<dyn Job>>::new(QUEUE));
        let start = |index, wal: Option<Wal>| {
            let connection = open(url, mode)?;
            let (url, jobs, epochs) = (url.clone(), queue.reader(), Arc::clone(epochs));
            let metrics = Arc::clone(metrics);
            std::thread::Builder::new()
                .name(format!("sqlite-{mode:?}-{index}").to_lowercase())
                .spawn(move || drain(&url, mode, connection, wal, &jobs, &epochs, &metrics))
                .map_err(|e| StorageError::Unavailable(format!("cannot start a thread: {e}")))
        };
        // When one cannot start, dropping this ends the others.
        let mut lane = Self {
            threads: Vec::new(),
            queue: Arc::clone(&queue),
            metrics: Arc::clone(metrics),
        };
        for index in 0..threads {
            let (wal, mover) = match mode {
                Mode::Write => Wal::start(url).map(|(wal, mover)| (Some(wal), Some(mover)))?,
                Mode::Read => (None, None),
            };
            lane.threads.push(start(index, wal)?);
            lane.threads.extend(mover); // ends after the one that writes
        }
        Ok(lane)
    }

    /// How many closures wait.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Runs a closure on one of the threads.
    pub(super) async fn call<T, E, F>(&self, undo: Undo, work: F) -> std::result::Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
        F: FnOnce(&mut AnyConnection) -> std::result::Result<T, E> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Call {
            undo,
            work: Some(work),
            outcome: None,
            reply: Some(reply),
        });
        let ended = || StorageError::Unavailable("the database threads have ended".to_owned());
        self.queue.push(job).map_err(|refused| match refused {
            Refused::Full => {
                self.metrics.refused.one();
                StorageError::Busy("too many calls are waiting".to_owned())
            }
            Refused::Closed => ended(),
        })?;
        answer.await.map_err(|_| ended())?
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            let _panicked = thread.join();
        }
    }
}

fn open(url: &DatabaseUrl, mode: Mode) -> Result<AnyConnection> {
    let mut connection = AnyConnection::open(url)?;
    match mode {
        Mode::Read => connection.forbid_writes()?,
        Mode::Write => connection.prepare_for_writes()?,
    }
    Ok(connection)
}

fn drain(
    url: &DatabaseUrl,
    mode: Mode,
    connection: AnyConnection,
    mut wal: Option<Wal>,
    jobs: &Queue<Box<dyn Job>>,
    epochs: &Epochs,
    metrics: &StorageMetrics,
) {
    let gate = match mode {
        Mode::Read => &metrics.reads,
        Mode::Write => &metrics.writes,
    };
    let mut connection = Some(connection);
    let mut batch = Vec::with_capacity(BATCH);
    let mut rhythm = Rhythm::default();
    loop {
        jobs.take(BATCH, rhythm.expected, rhythm.patience(mode), &mut batch);
        if batch.is_empty() {
            return;
        }
        let (size, mut committing) = (batch.len(), Duration::ZERO);
        let transaction = gate.begin(batch.len());
        let opened = match connection.take() {
            Some(open) => Ok(open),
            None => open(url, mode),
        };
        let ended = match opened {
            Ok(mut open) => {
                let ended = match mode {
                    Mode::Write => write_all(&mut open, &mut batch, &mut committing),
                    Mode::Read => read_all(&mut open, &mut batch),
                };
                // After an I/O error the transaction's state is unknown: begin anew.
                connection = (!open.is_broken()).then_some(open);
                ended
            }
            Err(error) => Err(error),
        };
        rhythm = Rhythm {
            expected: size,
            committing,
        };
        drop(transaction);
        epochs.end_transaction();
        batch.drain(..).for_each(|mut job| job.answer(&ended));
        if let (Some(wal), Some(open), Ok(())) = (&mut wal, &mut connection, &ended) {
            wal.grew(size, open);
        }
    }
}

/// How the last transaction went. Callers who were answered together mostly come back together. Where the disk is what takes time, it
/// pays to wait a little for all of them: otherwise the first to come back has a commit for itself, and all others wait for two. Where
/// it is the work, to wait would only idle.
#[derive(Debug, Default)]
struct Rhythm {
    expected: usize,
    committing: Duration,
}

impl Rhythm {
    fn patience(&self, mode: Mode) -> Duration {
        match mode {
            Mode::Read => Duration::ZERO,
            Mode::Write if self.committing < SLOW => Duration::ZERO,
            Mode::Write => self.committing.min(SLOWEST) / 4,
        }
    }
}

fn write_all(
    connection: &mut AnyConnection,
    batch: &mut [Box<dyn Job>],
    committing: &mut Duration,
) -> Result<()> {
    connection.begin_write()?;
    let entries = audit::Batch::begin();
    let mut run = || {
        for job in batch.iter_mut() {
            let before = entries.len();
            if job.undo() == Undo::Nothing {
                if !job.run(connection) {
                    entries.truncate(before);
                    if !connection.kept_transaction() {
                        return Err(StorageError::Unavailable(
                            "the transaction was lost".to_owned(),
                        ));
                    }
                }
                continue;
            }
            connection.begin()?;
            if job.run(connection) {
                connection.commit()?;
            } else {
                entries.truncate(before);
                connection.rollback()?;
            }
        }
        entries.write(connection)?;
        let begun = clock::monotonic();
        let committed = connection.commit();
        *committing = begun.elapsed();
        committed
    };
    let ended = run();
    while ended.is_err() && connection.in_transaction() && connection.rollback().is_ok() {}
    ended
}

fn read_all(connection: &mut AnyConnection, batch: &mut [Box<dyn Job>]) -> Result<()> {
    if let [only] = batch {
        only.run(connection);
        return Ok(());
    }
    connection.begin()?;
    for job in batch.iter_mut() {
        job.run(connection);
    }
    connection.commit()
}
