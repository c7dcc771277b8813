//! What a file of clients would change about one client's secrets.

use super::{
    ApplyError, ClientName, ClientSecret, HashedToken, Instant, SecretLabel, StatedSecret, entropy,
};
use crate::domain::client_secret::{SecretInfo, SecretState};
use crate::storage::client_secrets::NewSecret;

/// What is to be done for one stated secret.
pub(super) enum SecretStep {
    Add(NewSecret),
    Change(SecretInfo),
    Leave,
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
    let has_label = |info: &SecretInfo| {
        info.label.as_deref() == Some(stated.label.as_str())
            && info.state(now) != SecretState::Ended
    };
    if stored
        .iter()
        .any(|(info, digest)| has_label(info) && !same(digest))
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
        // It would be deleted again, and come back with every run.
        if ends.is_some_and(|ends| ends <= now) {
            return Ok(SecretStep::Leave);
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
        true => SecretStep::Leave,
        false => SecretStep::Change(new),
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
