//! Tokens of applications that are issued at the same time are stored together, each with its entry in the audit. On SQLite all writes
//! are; on PostgreSQL what comes while one statement runs goes into the next one: one round trip and one commit for all of them.
//!
//! Whoever issues one remembers the client, and memory may be a moment old: the statement that stores a token is the one that asks
//! whether everything still holds.

mod arrays;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use diesel::RunQueryDsl;
use tokio::sync::oneshot;

use super::access_tokens::{self, NewAccessToken};
use super::columns::Id;
use super::error::{Result, StorageError};
use super::{AnyConnection, Backend, Storage};
use crate::clock;
use crate::domain::audit::Entry;
use crate::domain::{Client, ClientSecret, HashedToken};
use arrays::Arrays;

/// The most tokens that one statement stores.
const TOGETHER: usize = 256;
/// The most that wait; beyond, callers are told to come back.
const WAITING: usize = 4096;
/// A statement that takes longer than four of these is worth waiting so long for those who were answered together: they mostly come
/// back together, and whoever is first should not have a commit for itself. The timer knows no shorter time.
const PATIENCE: Duration = Duration::from_millis(1);

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

/// What waits to be stored.
#[derive(Debug, Default)]
pub(super) struct Gathered(Mutex<Waiting>);

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
struct Storing<'a>(Option<&'a Gathered>);

impl Gathered {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        if let Some(gathered) = self.0 {
            let mut waiting = gathered.lock();
            waiting.storing = false;
            waiting.calls.clear();
        }
    }
}

impl Storage {
    /// Stores a token. Says whether what is remembered of its client still holds: nothing is stored otherwise.
    pub async fn issue(&self, issue: Issue) -> Result<bool> {
        let Backend::Postgres(_) = self.0.backend else {
            let insert = move |c: &mut AnyConnection| access_tokens::insert_if_authentic(c, &issue);
            return self.write_last(insert).await;
        };
        let (reply, answer) = oneshot::channel();
        let begin = {
            let mut waiting = self.gathered().lock();
            if waiting.calls.len() >= WAITING {
                return Err(StorageError::Busy("too many calls are waiting".to_owned()));
            }
            waiting.calls.push(Call { issue, reply });
            !std::mem::replace(&mut waiting.storing, true)
        };
        if begin {
            let storage = self.clone();
            // Neither the caller, who may go away, nor the thread that answers him, which may end first when the service stops.
            let store = async move { storage.issue_gathered().await };
            match &self.0.runtime {
                Some(runtime) => runtime.spawn(store),
                None => tokio::spawn(store),
            };
        }
        let ended = |_| StorageError::Unavailable("the service is stopping".to_owned());
        answer.await.map_err(ended)?
    }

    async fn issue_gathered(&self) {
        let mut storing = Storing(Some(self.gathered()));
        while let Some(calls) = self.gathered().next() {
            let (begun, size) = (clock::monotonic(), calls.len());
            let (issues, replies): (Vec<_>, Vec<_>) = calls
                .into_iter()
                .map(|call| (call.issue, call.reply))
                .unzip();
            let stored = self.write_issuing(move |c| Ok(store(c, &issues))).await;
            let failed: Option<StorageError> = stored.as_ref().err().cloned();
            let mut outcomes = stored.unwrap_or_default().into_iter();
            for reply in replies {
                let outcome = match &failed {
                    Some(error) => Err(error.clone()),
                    None => outcomes.next().unwrap_or(Ok(false)),
                };
                let _gone = reply.send(outcome);
            }
            let fewer = self.gathered().lock().calls.len() < size;
            if fewer && begun.elapsed() > 4 * PATIENCE {
                tokio::time::sleep(PATIENCE).await;
            }
        }
        storing.0 = None; // it is somebody else's by now
    }
}

/// Stores tokens, and says of each whether it was stored.
fn store(c: &mut AnyConnection, issues: &[Issue]) -> Vec<Result<bool>> {
    match store_all(c, issues) {
        Ok(stored) => stored.into_iter().map(Ok).collect(),
        // The client of one of them was deleted just now, and that is not the others' fault.
        Err(StorageError::Gone) => {
            let alone = |issue| match store_all(c, std::slice::from_ref(issue)) {
                Ok(stored) => Ok(stored == [true]),
                Err(StorageError::Gone) => Ok(false),
                Err(error) => Err(error),
            };
            issues.iter().map(alone).collect()
        }
        Err(error) => vec![Err(error); issues.len()],
    }
}

/// Stores those of which all that is remembered holds, in one statement.
fn store_all(c: &mut AnyConnection, issues: &[Issue]) -> Result<Vec<bool>> {
    let stored: Vec<Id> = match c {
        AnyConnection::Postgres(postgres) => Arrays::of(issues).get_results(postgres)?,
        AnyConnection::Sqlite(_) => {
            let each = issues.iter();
            return each
                .map(|issue| access_tokens::insert_if_authentic(c, issue))
                .collect();
        }
    };
    let is_stored = |issue: &Issue| stored.iter().any(|id| id.0 == issue.entry.id);
    Ok(issues.iter().map(is_stored).collect())
}
