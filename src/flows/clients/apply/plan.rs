//! What a file of clients would change: decided before anything is, and with nothing but a look at the database.

use std::collections::HashSet;

use super::secrets::{self, SecretStep, Stored, secret_step};
use super::{
    AppliedClient, AppliedSecret, ApplyError, By, Client, ClientError, ClientId, ClientSecret,
    Difference, Instant, Outcome, PlainToken, SecretLabel, StatedClient, change, check, entropy,
};
use crate::storage::{AnyConnection, client_secrets, clients};

/// What is to be done for one client.
pub(super) struct Plan {
    pub(super) old: Option<Client>,
    pub(super) new: Client,
    /// Whether the file states the id, so that it is known before the client is made.
    has_id: bool,
    differences: Vec<Difference>,
    pub(super) secrets: Vec<(SecretLabel, SecretStep)>,
    /// Those that end with the way of authenticating that they are for.
    ended: Vec<AppliedSecret>,
    /// A secret that is made here, since the client would have none.
    pub(super) made: Option<PlainToken<ClientSecret>>,
}

/// Decides what to do, and tells which clients are not in the file.
pub(super) fn plan(
    c: &mut AnyConnection,
    stated: &[StatedClient],
    by: &By,
    now: Instant,
) -> Result<(Vec<Plan>, Vec<Client>), ApplyError> {
    let mut others = clients::list(c)?;
    without_doubles(stated)?;
    let mut found = Vec::with_capacity(stated.len());
    for client in stated {
        found.push(find(&others, client)?.cloned());
    }
    let mut seen = HashSet::new();
    for (old, client) in found.iter().zip(stated) {
        if old.as_ref().is_some_and(|old| !seen.insert(&old.id)) {
            return Err(ApplyError::Twice(client.name.as_str().to_owned()));
        }
    }
    others.retain(|client| !seen.contains(&client.id));
    let mut plans = Vec::with_capacity(stated.len());
    for (old, client) in found.into_iter().zip(stated) {
        let stored = match &old {
            Some(old) => client_secrets::list(c, &old.id)?,
            None => Vec::new(),
        };
        plans.push(plan_one(old, client, &stored, by, now)?);
    }
    Ok((plans, others))
}

/// An id stands once; so does a name, unless every entry that has it states an id.
fn without_doubles(stated: &[StatedClient]) -> Result<(), ApplyError> {
    for (at, client) in stated.iter().enumerate() {
        let is_same = |other: &StatedClient| match (&client.id, &other.id) {
            (Some(one), Some(two)) => one == two,
            _ => client.name == other.name,
        };
        if stated[..at].iter().any(is_same) {
            return Err(ApplyError::Twice(client.name.as_str().to_owned()));
        }
    }
    Ok(())
}

fn find<'a>(all: &'a [Client], stated: &StatedClient) -> Result<Option<&'a Client>, ApplyError> {
    if let Some(id) = &stated.id {
        return Ok(all.iter().find(|client| client.id == *id));
    }
    let named = || all.iter().filter(|client| client.name == stated.name);
    match named().count() {
        0 | 1 => Ok(named().next()),
        many => Err(ApplyError::Ambiguous(stated.name.as_str().to_owned(), many)),
    }
}

fn plan_one(
    old: Option<Client>,
    stated: &StatedClient,
    stored: &Stored,
    by: &By,
    now: Instant,
) -> Result<Plan, ApplyError> {
    let refused = |error| ApplyError::Client(stated.name.as_str().to_owned(), error);
    let new = client(old.as_ref(), stated, by, now);
    check(&new).map_err(refused)?;
    let has_keys = new.signs();
    if has_keys && !stated.secrets.is_empty() {
        return Err(refused(ClientError::HasKeys));
    }
    let mut secrets = Vec::with_capacity(stated.secrets.len());
    for (at, secret) in stated.secrets.iter().enumerate() {
        let step = secret_step(stored, &stated.secrets[..at], secret, now);
        let step = step.map_err(|error| error.of(&stated.name, &secret.label))?;
        secrets.push((secret.label.clone(), step));
    }
    let had_none = match &old {
        None => true,
        Some(old) => old.signs(),
    };
    // What has expired is stated, and lets nobody in.
    let gets_one = secrets.iter().any(|(_, step)| step.lets_in(now));
    let makes_one = !has_keys && had_none && !gets_one;
    let ended = match has_keys && !had_none {
        true => secrets::all_ended(stored, now),
        false => Vec::new(),
    };
    let mut differences = Vec::new();
    if let Some(old) = &old {
        differences = change::differences(old, &new);
        let disabled = |client: &Client| client.disabled_at.is_some();
        if disabled(old) != disabled(&new) {
            differences.push(Difference {
                field: "disabled",
                old: disabled(old).into(),
                new: disabled(&new).into(),
            });
        }
    }
    Ok(Plan {
        has_id: stated.id.is_some() || old.is_some(),
        differences,
        secrets,
        ended,
        made: makes_one.then(|| PlainToken::from_random(entropy::bytes())),
        old,
        new,
    })
}

/// The client as it is to be.
fn client(old: Option<&Client>, stated: &StatedClient, by: &By, now: Instant) -> Client {
    let made = || ClientId::from_random(entropy::bytes());
    let base = match old {
        Some(old) => old.clone(),
        None => Client {
            registered_by: by.client_id().cloned(),
            ..Client::new(
                stated.id.clone().unwrap_or_else(made),
                stated.name.clone(),
                stated.scopes,
                now,
            )
        },
    };
    Client {
        name: stated.name.clone(),
        scopes: stated.scopes,
        reset_url: stated.reset_url.clone(),
        locale: stated.locale.clone(),
        token_lifetime: stated.token_lifetime,
        auth_method: stated.auth_method,
        jwks: stated.jwks.clone(),
        require_dpop: stated.require_dpop,
        disabled_at: match stated.disabled {
            None => base.disabled_at,
            Some(true) => base.disabled_at.or(Some(now)),
            Some(false) => None,
        },
        ..base
    }
}

impl Plan {
    /// Whether what is registered differs, apart from being switched off.
    pub(super) fn is_changed(&self) -> bool {
        self.differences.iter().any(|d| d.field != "disabled")
    }

    /// Whether the client is switched off by this.
    pub(super) fn disables(&self) -> bool {
        let was_on = |old: &Client| old.disabled_at.is_none();
        self.new.disabled_at.is_some() && self.old.as_ref().is_some_and(was_on)
    }

    /// What to tell once it is done.
    pub(super) fn applied(self, now: Instant) -> AppliedClient {
        let stated = self.secrets.into_iter();
        let stated = stated.map(|(label, step)| step.applied(&label, now));
        let secrets: Vec<_> = stated.chain(self.ended).collect();
        let stays = [Outcome::Unchanged, Outcome::Expired];
        let touched = self.made.is_some()
            || secrets
                .iter()
                .any(|secret| !stays.contains(&secret.outcome));
        AppliedClient {
            outcome: match &self.old {
                None => Outcome::Added,
                Some(_) if touched || !self.differences.is_empty() => Outcome::Changed,
                Some(_) => Outcome::Unchanged,
            },
            id: Some(self.new.id),
            name: self.new.name,
            differences: self.differences,
            secrets,
            makes_secret: self.made.is_some(),
            secret: self.made,
        }
    }

    /// What to tell when it is not done.
    pub(super) fn not_applied(self, now: Instant) -> AppliedClient {
        let has_id = self.has_id;
        let applied = self.applied(now);
        AppliedClient {
            id: applied.id.filter(|_| has_id),
            secret: None,
            ..applied
        }
    }
}
