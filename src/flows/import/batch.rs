//! One batch of an import: what is new goes in, what exists is compared.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::ImportOptions;
use super::incoming::Incoming;
use super::refused::Refused;
use crate::domain::audit::Act;
use crate::domain::{Instant, User};
use crate::flows::{By, Flows, password};
use crate::storage::{AnyConnection, StorageError, audit, guesses, user_batches, users};

/// How long to wait before trying once more when the database is busy or away.
const PATIENCE: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(10),
];

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    Added,
    Updated,
    Unchanged,
    Refused(Refused),
}

/// How batches are carried out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) options: ImportOptions,
    /// Of our own hashes.
    pub(super) cost: u32,
}

impl Plan {
    /// Carries out a batch; what became of each user, in order.
    pub(super) async fn carry_out(
        self,
        flows: &Flows,
        users: Vec<Incoming>,
    ) -> Result<Vec<Came>, StorageError> {
        let users = Arc::new(users);
        match self.patiently(flows, Arc::clone(&users)).await {
            Err(StorageError::Internal(_)) if !self.options.dry_run => {}
            ended => return ended,
        }
        // One of them is at fault: its neighbours go in without it.
        let mut came = Vec::with_capacity(users.len());
        for user in users.iter() {
            match self.patiently(flows, Arc::new(vec![user.clone()])).await {
                Err(StorageError::Internal(_)) => came.push(Came::Refused(Refused::Rejected)),
                ended => came.extend(ended?),
            }
        }
        Ok(came)
    }

    async fn patiently(
        self,
        flows: &Flows,
        users: Arc<Vec<Incoming>>,
    ) -> Result<Vec<Came>, StorageError> {
        let mut waits = PATIENCE.iter();
        loop {
            let (now, users) = (flows.clock.now(), Arc::clone(&users));
            let ended = if self.options.dry_run {
                flows.storage.read(move |c| self.foresee(c, &users)).await
            } else {
                flows
                    .storage
                    .write(move |c| self.write(c, &users, now))
                    .await
            };
            match (ended, waits.next()) {
                (Err(error), Some(wait)) if error.is_passing() => tokio::time::sleep(*wait).await,
                (ended, _) => return ended,
            }
        }
    }

    fn write(
        self,
        c: &mut AnyConnection,
        incoming: &[Incoming],
        now: Instant,
    ) -> Result<Vec<Came>, StorageError> {
        let users: Vec<_> = incoming.iter().map(|user| user.to_user(now)).collect();
        let added = user_batches::insert_new(c, &users)?;
        // What was guessed while nobody had these addresses was not these passwords.
        let new = users.iter().zip(&added).filter(|(_, added)| **added);
        let keys = new.map(|(user, _)| user.email.key().as_str().to_owned());
        guesses::forget_all(c, &keys.collect::<Vec<_>>())?;
        let there = existing(
            c,
            incoming
                .iter()
                .zip(&added)
                .filter(|(_, added)| !**added)
                .map(|(user, _)| user),
        )?;
        let mut came = Vec::with_capacity(users.len());
        for (user, added) in incoming.iter().zip(added) {
            came.push(match there.get(user.email.key().as_str()) {
                _ if added => Came::Added,
                None => Came::Refused(Refused::IdTaken),
                Some(existing) => match self.compare(user, existing) {
                    Came::Updated => update(c, user, existing, now)?,
                    other => other,
                },
            });
        }
        let done = incoming.iter().zip(&users).zip(&came);
        let done = done.filter_map(|((incoming, user), came)| match came {
            Came::Added => Some(user.id),
            Came::Updated => there
                .get(incoming.email.key().as_str())
                .map(|existing| existing.id),
            Came::Unchanged | Came::Refused(_) => None,
        });
        let entry = |id| By::Operator.did(Act::UserImport, now).to_user(id);
        audit::record_all(c, &done.map(entry).collect::<Vec<_>>())?;
        Ok(came)
    }

    /// What `write` would do.
    fn foresee(
        self,
        c: &mut AnyConnection,
        incoming: &[Incoming],
    ) -> Result<Vec<Came>, StorageError> {
        let there = existing(c, incoming.iter())?;
        let ids: Vec<_> = incoming.iter().filter_map(|user| user.id).collect();
        let taken: HashSet<_> = user_batches::existing_ids(c, &ids)?.into_iter().collect();
        let came = incoming
            .iter()
            .map(|user| match there.get(user.email.key().as_str()) {
                Some(existing) => self.compare(user, existing),
                None if user.id.is_some_and(|id| taken.contains(&id)) => {
                    Came::Refused(Refused::IdTaken)
                }
                None => Came::Added,
            });
        Ok(came.collect())
    }

    fn compare(self, incoming: &Incoming, existing: &User) -> Came {
        if incoming.id.is_some_and(|id| id != existing.id) {
            Came::Refused(Refused::OtherId)
        } else if incoming.holds_for(existing, self.cost) {
            Came::Unchanged
        } else if !self.options.update {
            Came::Refused(Refused::Exists)
        } else if incoming.update(existing) == *existing {
            Came::Unchanged
        } else {
            Came::Updated
        }
    }
}

fn existing<'a>(
    c: &mut AnyConnection,
    incoming: impl Iterator<Item = &'a Incoming>,
) -> Result<HashMap<String, User>, StorageError> {
    let keys: Vec<_> = incoming
        .map(|user| user.email.key().as_str().to_owned())
        .collect();
    let found = user_batches::find_by_keys(c, &keys)?.into_iter();
    Ok(found
        .map(|user| (user.email.key().as_str().to_owned(), user))
        .collect())
}

/// Brings a user up to date. What came with the old password, or with an account that was on, ends (bar F14, F27).
fn update(
    c: &mut AnyConnection,
    incoming: &Incoming,
    existing: &User,
    now: Instant,
) -> Result<Came, StorageError> {
    // It may have changed since it was compared.
    let Some(user) = users::lock(c, existing.id)? else {
        return Ok(Came::Refused(Refused::Rejected));
    };
    let wanted = incoming.update(&user);
    if wanted.password_hash != user.password_hash || wanted.disabled_at != user.disabled_at {
        password::end_access(c, &user, now)?;
        guesses::forget(c, user.email.key().as_str())?;
    }
    user_batches::overwrite(c, &wanted)?;
    Ok(Came::Updated)
}
