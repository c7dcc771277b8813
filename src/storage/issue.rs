//! Tokens of applications that are issued at the same time are stored together, each with its entry in the audit. On SQLite all writes
//! are; on PostgreSQL what comes while one statement runs goes into the next one: one round trip and one commit for all of them.
//!
//! Whoever issues one remembers the client, and memory may be a moment old: the statement that stores a token is the one that asks
//! whether everything still holds.

mod arrays;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use diesel::RunQueryDsl;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::Instrument;

use super::access_tokens::{self, NewAccessToken};
use super::columns::Id;
use super::error::{Result, StorageError};
use super::pool::{Does, LONGEST, Pool};
use super::{AnyConnection, Backend, Storage};
use crate::clock;
use crate::domain::audit::Entry;
use crate::domain::{Client, ClientSecret, HashedToken};
use crate::telemetry::metrics::{PoolLevel, StorageMetrics};
use crate::telemetry::span;
use arrays::Arrays;

/// The most tokens that one statement stores.
const TOGETHER: usize = 256;
/// The most that wait; beyond, callers are told to come back.
const WAITING: usize = 4096;
/// A statement that takes longer than four of these is worth waiting so long for those who were answered together: they mostly come
/// back together, and whoever is first should not have a commit for itself. The timer knows no shorter time.
const PATIENCE: Duration = Duration::from_millis(1);
/// A statement that fails sooner has most likely met a connection that had ended, and the next one gets another; if not, it costs those
/// who wait no time. One that fails later has made its callers wait for something, which those who came meanwhile would wait for as well.
const AT_ONCE: Duration = Duration::from_millis(500);

/// A token that is to be stored if its client is just as it is remembered, and the secret is still a live one of its own.
#[derive(Debug, Clone)]
pub struct Issue {
    /// The token.
    pub token: NewAccessToken,
    /// Its client.
    pub client: Arc<Client>,
    /// The secret that the client showed.
    pub secret: HashedToken<ClientSecret>,
    /// What the audit is told, if the token is stored.
    pub entry: Entry,
}

/// On PostgreSQL, what waits to be stored, and one connection that only the token endpoint uses: who waits for a token does not wait
/// behind a storm of passwords.
pub(super) struct Issuing {
    pool: Pool,
    waiting: Mutex<Waiting>,
    /// The one that outlives whoever calls, where there is one.
    runtime: Option<Handle>,
    metrics: Arc<StorageMetrics>,
}

#[derive(Debug, Default)]
struct Waiting {
    calls: Vec<Call>,
    /// Somebody stores, and will look for more.
    storing: bool,
}

#[derive(Debug)]
struct Call {
    issue: Issue,
    reply: oneshot::Sender<Result<bool>>,
}

/// Whoever stores what waits. When it ends before its time, whoever waits is told so, and the next caller stores.
struct Storing<'a>(Option<&'a Issuing>);

impl Issuing {
    /// Nothing waits yet.
    pub(super) fn new(pool: Pool, metrics: &Arc<StorageMetrics>) -> Arc<Self> {
        Arc::new(Self {
            pool,
            waiting: Mutex::default(),
            runtime: Handle::try_current().ok(),
            metrics: Arc::clone(metrics),
        })
    }

    /// Who has the connection, and who waits.
    pub(super) fn level(&self) -> PoolLevel {
        let mut level = self.pool.level();
        level.waiting += self.lock().calls.len();
        level
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores a token together with what else waits.
    async fn issue(self: &Arc<Self>, issue: Issue) -> Result<bool> {
        let (reply, answer) = oneshot::channel();
        let begin = {
            let mut waiting = self.lock();
            if waiting.calls.len() >= WAITING {
                self.metrics.refused.one();
                return Err(StorageError::Busy("too many calls are waiting".to_owned()));
            }
            waiting.calls.push(Call { issue, reply });
            !std::mem::replace(&mut waiting.storing, true)
        };
        if begin {
            let issuing = Arc::clone(self);
            // Neither the caller, who may go away, nor the thread that answers him, which may end first when the service stops.
            let store = async move { issuing.store_waiting().await };
            match &self.runtime {
                Some(runtime) => runtime.spawn(store),
                None => tokio::spawn(store),
            };
        }
        match timeout(LONGEST, answer).await {
            Ok(Ok(stored)) => stored,
            Ok(Err(_)) => Err(StorageError::Unavailable(
                "the service is stopping".to_owned(),
            )),
            Err(_) => {
                self.metrics.timeouts.count("connection");
                Err(StorageError::Busy("no connection became free".to_owned()))
            }
        }
    }

    async fn store_waiting(&self) {
        let mut storing = Storing(Some(self));
        while let Some(calls) = self.next() {
            let (begun, size) = (clock::monotonic(), calls.len());
            let (issues, replies): (Vec<_>, Vec<_>) = calls
                .into_iter()
                .map(|call| (call.issue, call.reply))
                .unzip();
            let work = move |c: &mut AnyConnection| store(c, &issues);
            match self.pool.call(Does::WriteOnce, work).await {
                Ok(stored) => {
                    for (reply, stored) in replies.into_iter().zip(stored) {
                        let _gone = reply.send(Ok(stored));
                    }
                }
                Err(error) => self.fail(replies, &error, begun.elapsed()),
            }
            let fewer = self.lock().calls.len() < size;
            if fewer && begun.elapsed() > 4 * PATIENCE {
                tokio::time::sleep(PATIENCE).await;
            }
        }
        storing.0 = None; // it is somebody else's by now
    }

    /// Tells these callers of an error, and all who came meanwhile if it took long: one after the other would wait for the same.
    fn fail(
        &self,
        replies: Vec<oneshot::Sender<Result<bool>>>,
        error: &StorageError,
        took: Duration,
    ) {
        let meanwhile = match took < AT_ONCE {
            true => Vec::new(),
            false => std::mem::take(&mut self.lock().calls),
        };
        let meanwhile = meanwhile.into_iter().map(|call| call.reply);
        for reply in replies.into_iter().chain(meanwhile) {
            let _gone = reply.send(Err(error.clone()));
        }
    }

    /// What is stored next; none when nothing waits, and then nobody stores any more.
    fn next(&self) -> Option<Vec<Call>> {
        let mut waiting = self.lock();
        // Who has gone away gets no token.
        waiting.calls.retain(|call| !call.reply.is_closed());
        if waiting.calls.is_empty() {
            waiting.storing = false;
            return None;
        }
        let next = waiting.calls.len().min(TOGETHER);
        Some(waiting.calls.drain(..next).collect())
    }
}

impl Drop for Storing<'_> {
    fn drop(&mut self) {
        if let Some(issuing) = self.0 {
            let mut waiting = issuing.lock();
            waiting.storing = false;
            waiting.calls.clear();
        }
    }
}

impl Storage {
    /// Stores a token. Says whether what is remembered of its client still holds: nothing is stored otherwise.
    pub async fn issue(&self, issue: Issue) -> Result<bool> {
        match &self.0.backend {
            Backend::Sqlite { .. } => {
                let insert =
                    move |c: &mut AnyConnection| access_tokens::insert_if_authentic(c, &issue);
                self.write_last(insert).await
            }
            Backend::Postgres { tokens, .. } => {
                let span = span!("database", gate = "write");
                tokens.issue(issue).instrument(span).await
            }
        }
    }
}

/// Stores tokens, and says of each whether it was stored.
fn store(c: &mut AnyConnection, issues: &[Issue]) -> Result<Vec<bool>> {
    match store_all(c, issues) {
        // The client of one of them was deleted just now, and that is not the others' fault.
        Err(StorageError::Gone) => {
            let alone = |issue| match store_all(c, std::slice::from_ref(issue)) {
                Ok(stored) => Ok(stored == [true]),
                Err(StorageError::Gone) => Ok(false),
                Err(error) => Err(error),
            };
            issues.iter().map(alone).collect()
        }
        ended => ended,
    }
}

/// Stores those of which all that is remembered holds, in one statement.
fn store_all(c: &mut AnyConnection, issues: &[Issue]) -> Result<Vec<bool>> {
    let AnyConnection::Postgres(postgres) = c else {
        let error = "SQLite stores tokens one by one".to_owned();
        return Err(StorageError::Internal(error));
    };
    let stored: Vec<Id> = Arrays::of(issues).get_results(postgres)?;
    let is_stored = |issue: &Issue| stored.iter().any(|id| id.0 == issue.entry.id);
    Ok(issues.iter().map(is_stored).collect())
}
