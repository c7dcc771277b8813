//! What a file of clients would change about one client's secrets.

use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::super::secrets::is_called;
use super::{
    AppliedSecret, ApplyError, ClientName, ClientSecret, Difference, HashedToken, Instant, Outcome,
    SecretLabel, StatedSecret, entropy,
};
use crate::domain::client_secret::{SecretInfo, SecretState};
use crate::storage::client_secrets::NewSecret;

/// What is to be done for one stated secret.
pub(super) enum SecretStep {
    Add(NewSecret),
    Change {
        old: SecretInfo,
        new: SecretInfo,
    },
    Leave(SecretInfo),
    /// It would be deleted again, and come back with every run.
    LeaveOut,
}

impl SecretStep {
    /// Whether the client can authenticate with it, now or later.
    pub(super) fn lets_in(&self, now: Instant) -> bool {
        match self {
            SecretStep::Add(_) => true,
            SecretStep::Change { new: secret, .. } | SecretStep::Leave(secret) => {
                secret.state(now) != SecretState::Ended
            }
            SecretStep::LeaveOut => false,
        }
    }

    /// What to tell about it.
    pub(super) fn applied(self, label: &SecretLabel, now: Instant) -> AppliedSecret {
        let told = |id, outcome| AppliedSecret {
            label: Some(label.as_str().to_owned()),
            id,
            outcome,
            differences: Vec::new(),
        };
        match self {
            SecretStep::Add(_) => told(None, Outcome::Added),
            SecretStep::Change { old, new } => changed(&old, &new, now),
            SecretStep::Leave(secret) => told(Some(secret.id), Outcome::Unchanged),
            SecretStep::LeaveOut => told(None, Outcome::Expired),
        }
    }
}

/// The secrets that end when they all do.
pub(super) fn all_ended(stored: &Stored, now: Instant) -> Vec<AppliedSecret> {
    let alive = stored.iter().map(|(info, _)| info);
    let alive = alive.filter(|info| info.state(now) != SecretState::Ended);
    alive
        .map(|old| {
            let new = SecretInfo {
                expires_at: Some(now),
                ..old.clone()
            };
            changed(old, &new, now)
        })
        .collect()
}

fn changed(old: &SecretInfo, new: &SecretInfo, now: Instant) -> AppliedSecret {
    let ended = |secret: &SecretInfo| secret.state(now) == SecretState::Ended;
    AppliedSecret {
        label: new.label.clone(),
        id: Some(new.id),
        outcome: match ended(new) && !ended(old) {
            true => Outcome::Ended,
            false => Outcome::Changed,
        },
        differences: differences(old, new),
    }
}

/// What differs between a secret as it is and as it is to be, by the names that a file has.
fn differences(old: &SecretInfo, new: &SecretInfo) -> Vec<Difference> {
    let time = |at: Option<Instant>| at.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true));
    let stated = |secret: &SecretInfo| -> [(&'static str, Value); 3] {
        [
            ("label", json!(secret.label)),
            ("not_before", json!(time(secret.not_before))),
            ("expires", json!(time(secret.expires_at))),
        ]
    };
    let both = stated(old).into_iter().zip(stated(new));
    both.filter(|((_, old), (_, new))| old != new)
        .map(|((field, old), (_, new))| Difference { field, old, new })
        .collect()
}

/// A client's secrets with their digests.
pub(super) type Stored = Vec<(SecretInfo, HashedToken<ClientSecret>)>;

/// What is wrong with a stated secret.
pub(super) enum Wrong {
    LabelTaken,
    Twice,
    NeverWorks,
}

impl Wrong {
    pub(super) fn of(self, client: &ClientName, label: &SecretLabel) -> ApplyError {
        let (client, label) = (client.as_str().to_owned(), label.as_str().to_owned());
        match self {
            Wrong::LabelTaken => ApplyError::LabelTaken(client, label),
            Wrong::Twice => ApplyError::SecretTwice(client, label),
            Wrong::NeverWorks => ApplyError::NeverWorks(client, label),
        }
    }
}

/// A secret is known by its digest, whatever it was called; a label means one secret that has not ended.
pub(super) fn secret_step(
    stored: &Stored,
    before: &[StatedSecret],
    stated: &StatedSecret,
    now: Instant,
) -> Result<SecretStep, Wrong> {
    let same = |digest: &HashedToken<ClientSecret>| digest.digest() == stated.digest.digest();
    if before
        .iter()
        .any(|other| other.label == stated.label || same(&other.digest))
    {
        return Err(Wrong::Twice);
    }
    if stored
        .iter()
        .any(|(info, digest)| is_called(info, &stated.label, now) && !same(digest))
    {
        return Err(Wrong::LabelTaken);
    }
    let known = stored.iter().find(|(_, digest)| same(digest));
    let old = known.map(|(info, _)| info.clone());
    let begins = stated
        .not_before
        .or(old.as_ref().and_then(|o| o.not_before));
    let ends = stated
        .expires_at
        .or(old.as_ref().and_then(|o| o.expires_at));
    if ends
        .zip(begins)
        .is_some_and(|(ends, begins)| ends <= begins)
        && (stated.expires_at.is_some() || stated.not_before.is_some())
    {
        return Err(Wrong::NeverWorks);
    }
    let Some(old) = old else {
        if ends.is_some_and(|ends| ends <= now) {
            return Ok(SecretStep::LeaveOut);
        }
        let mut new = secret(Some(stated.label.clone()), stated.digest.clone(), now);
        (new.not_before, new.expires_at) = (begins, ends);
        return Ok(SecretStep::Add(new));
    };
    let new = SecretInfo {
        label: Some(stated.label.as_str().to_owned()),
        not_before: begins,
        expires_at: ends,
        ..old.clone()
    };
    Ok(match new == old {
        true => SecretStep::Leave(old),
        false => SecretStep::Change { old, new },
    })
}

/// A secret that works from now on.
pub(super) fn secret(
    label: Option<SecretLabel>,
    digest: HashedToken<ClientSecret>,
    now: Instant,
) -> NewSecret {
    NewSecret {
        id: entropy::id(now),
        label,
        digest,
        created_at: now,
        not_before: None,
        expires_at: None,
    }
}
