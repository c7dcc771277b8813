//! Tokens that are issued at the same time are stored together, each with its entry in the audit. On SQLite all writes are; on PostgreSQL
//! what comes while one statement runs goes into the next one: one round trip and one commit for all of them.

mod arrays;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use diesel::RunQueryDsl;
use tokio::sync::oneshot;

use super::access_tokens::{self, NewAccessToken};
use super::audit;
use super::error::{Result, StorageError};
use super::{AnyConnection, Backend, Storage};
use crate::clock;
use crate::domain::audit::Entry;
use arrays::Arrays;

/// The most tokens that one statement stores.
const TOGETHER: usize = 256;
/// The most that wait; beyond, callers are told to come back.
const WAITING: usize = 4096;

/// Of a statement that takes longer, it is no measure for how long to wait for more.
const SLOWEST: Duration = Duration::from_millis(8);

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
    token: NewAccessToken,
    entry: Entry,
    reply: oneshot::Sender<Result<()>>,
}

/// Whoever stores what waits. When it ends before its time, whoever waits is told so, and the next caller stores.
struct Storing<'a>(&'a Gathered);

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
        let mut waiting = self.0.lock();
        if waiting.storing {
            waiting.storing = false;
            waiting.calls.clear();
        }
    }
}

impl Storage {
    /// Stores a token of an application, with its entry in the audit. `Gone` says that its client is no more.
    pub async fn issue(&self, token: NewAccessToken, entry: Entry) -> Result<()> {
        let Backend::Postgres(_) = self.0.backend else {
            let insert = move |c: &mut AnyConnection| {
                access_tokens::insert(c, &token)?;
                audit::record(c, &entry)
            };
            return self.write_last(insert).await;
        };
        let (reply, answer) = oneshot::channel();
        let call = Call {
            token,
            entry,
            reply,
        };
        let begin = {
            let mut waiting = self.gathered().lock();
            if waiting.calls.len() >= WAITING {
                self.metrics().refused.one();
                return Err(StorageError::Busy("too many calls are waiting".to_owned()));
            }
            waiting.calls.push(call);
            !std::mem::replace(&mut waiting.storing, true)
        };
        if begin {
            let storage = self.clone();
            // Of its own: the caller may go away.
            tokio::spawn(async move { storage.issue_gathered().await });
        }
        let ended = |_| StorageError::Unavailable("the service is stopping".to_owned());
        answer.await.map_err(ended)?
    }

    async fn issue_gathered(&self) {
        let _storing = Storing(self.gathered());
        while let Some(calls) = self.gathered().next() {
            let (begun, size) = (clock::monotonic(), calls.len());
            let (mut rows, mut replies) = (Vec::new(), Vec::new());
            for call in calls {
                rows.push((call.token, call.entry));
                replies.push(call.reply);
            }
            let stored = self.write_one(move |c| insert(c, &rows)).await;
            for (at, reply) in replies.into_iter().enumerate() {
                let outcome = match &stored {
                    Ok(outcomes) => outcomes.get(at).cloned().unwrap_or(Ok(())),
                    Err(error) => Err(error.clone()),
                };
                let _gone = reply.send(outcome);
            }
            // Who was answered together mostly comes back together: whoever is first should not have a commit for itself.
            let (answered, patience) = (clock::monotonic(), begun.elapsed().min(SLOWEST) / 4);
            while self.gathered().lock().calls.len() < size && answered.elapsed() < patience {
                tokio::task::yield_now().await; // the timer's steps are longer than that
            }
        }
    }
}

/// Stores tokens, and says of each whether its client was still there.
fn insert(c: &mut AnyConnection, rows: &[(NewAccessToken, Entry)]) -> Result<Vec<Result<()>>> {
    match insert_all(c, rows) {
        Ok(()) => Ok(vec![Ok(()); rows.len()]),
        // The client of one of them is no more, and that is not the others' fault.
        Err(StorageError::Gone) => rows.chunks(1).map(|row| insert_alone(c, row)).collect(),
        Err(error) => Err(error),
    }
}

/// Stores one token; what concerns all of them ends the whole.
fn insert_alone(c: &mut AnyConnection, row: &[(NewAccessToken, Entry)]) -> Result<Result<()>> {
    match insert_all(c, row) {
        Err(StorageError::Gone) => Ok(Err(StorageError::Gone)),
        other => other.map(Ok),
    }
}

/// Stores all of these tokens or none.
fn insert_all(c: &mut AnyConnection, rows: &[(NewAccessToken, Entry)]) -> Result<()> {
    match c {
        AnyConnection::Postgres(postgres) => Ok(Arrays::of(rows).execute(postgres).map(drop)?),
        AnyConnection::Sqlite(_) => rows.iter().try_for_each(|(token, entry)| {
            access_tokens::insert(c, token)?;
            audit::record(c, entry)
        }),
    }
}
