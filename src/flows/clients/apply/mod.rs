//! Clients as a file states them: made, changed or left alone, all in one transaction or not at all. The same file again changes
//! nothing.

mod plan;
mod secrets;

use chrono::TimeDelta;
use uuid::Uuid;

use super::change::{self, Difference};
use super::{ClientError, check};
use crate::domain::audit::Act;
use crate::domain::client::ClientName;
use crate::domain::client_secret::SecretLabel;
use crate::domain::{
    AuthMethod, Client, ClientId, ClientSecret, HashedToken, Instant, JwkSet, Locale, PlainToken,
    ResetUrl, Scopes,
};
use crate::entropy;
use crate::flows::{By, Flows};
use crate::storage::{AnyConnection, StorageError, audit, client_secrets, clients};
use plan::Plan;
use secrets::SecretStep;

/// A client as a file states it. What is absent is as by default, but for its state and its secrets: those stay.
#[derive(Debug, Clone)]
pub struct StatedClient {
    /// Its id; without one the client is found by its name, or made.
    pub id: Option<ClientId>,
    /// What people call it.
    pub name: ClientName,
    /// The most that its tokens may carry.
    pub scopes: Scopes,
    /// Where its reset links lead.
    pub reset_url: Option<ResetUrl>,
    /// The default language of its mails.
    pub locale: Option<Locale>,
    /// How long its tokens live.
    pub token_lifetime: Option<TimeDelta>,
    /// How it authenticates.
    pub auth_method: AuthMethod,
    /// Its public keys.
    pub jwks: Option<JwkSet>,
    /// Whether it gets only tokens that are bound to a key.
    pub require_dpop: bool,
    /// Whether it is switched off.
    pub disabled: Option<bool>,
    /// Secrets that it is to have; others stay as they are.
    pub secrets: Vec<StatedSecret>,
}

/// A secret as a file states it: by what it was read from, only its digest is left.
#[derive(Debug, Clone)]
pub struct StatedSecret {
    /// What people call it.
    pub label: SecretLabel,
    /// Its digest.
    pub digest: HashedToken<ClientSecret>,
    /// When it begins to work; absent: as it is, or at once.
    pub not_before: Option<Instant>,
    /// When it stops working; absent: as it is, or never.
    pub expires_at: Option<Instant>,
}

/// Why a file is not applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// What it says about one client cannot be.
    #[error("client {0}: {1}")]
    Client(String, ClientError),
    /// Two entries mean one client.
    #[error("client {0} is stated twice")]
    Twice(String),
    /// The name means nobody in particular.
    #[error("{1} clients are called {0}: state the id of the one that is meant")]
    Ambiguous(String, usize),
    /// The label is that of another secret.
    #[error("client {0}: another secret is called {1} and has not ended: choose a new label")]
    LabelTaken(String, String),
    /// A label or a secret stands twice in one client.
    #[error("client {0}: the secret {1} is stated twice")]
    SecretTwice(String, String),
    /// A secret would never work.
    #[error("client {0}: the secret {1} would end before it works")]
    NeverWorks(String, String),
    /// No database.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What became of a client or a secret, or would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is new.
    Added,
    /// It was different.
    Changed,
    /// It was just so.
    Unchanged,
    /// It worked, or would have, and does not any more: a secret.
    Ended,
    /// It had ended before it came, and is left out: a secret.
    Expired,
}

/// What became of one secret.
#[derive(Debug)]
pub struct AppliedSecret {
    /// What people call it, now.
    pub label: Option<String>,
    /// Its id, if it was there before.
    pub id: Option<Uuid>,
    /// What became of it.
    pub outcome: Outcome,
    /// What differs, of a secret that was there.
    pub differences: Vec<Difference>,
}

/// What became of one client of a file.
#[derive(Debug)]
pub struct AppliedClient {
    /// Its id; none when it is not known before it is made.
    pub id: Option<ClientId>,
    /// What people call it.
    pub name: ClientName,
    /// What became of it, secrets included.
    pub outcome: Outcome,
    /// What differs, of a client that was there.
    pub differences: Vec<Difference>,
    /// Its stated secrets, and after them those that end although nothing is stated about them.
    pub secrets: Vec<AppliedSecret>,
    /// Whether a secret is made for it.
    pub makes_secret: bool,
    /// The secret that was made, in clear here and nowhere else; none when nothing is changed.
    pub secret: Option<PlainToken<ClientSecret>>,
}

/// What became of a file.
#[derive(Debug)]
pub struct Applied {
    /// Its clients, in its order.
    pub clients: Vec<AppliedClient>,
    /// The clients that it does not name: they stay as they are.
    pub others: Vec<Client>,
}

impl Flows {
    /// Makes the clients be as stated; with `dry_run` only tells what that would change.
    pub async fn apply_clients(
        &self,
        by: By,
        stated: Vec<StatedClient>,
        dry_run: bool,
    ) -> Result<Applied, ApplyError> {
        let now = self.clock.now();
        if dry_run {
            let planned = self.storage.read(move |c| plan::plan(c, &stated, &by, now));
            let (plans, others) = planned.await?;
            let clients = plans
                .into_iter()
                .map(|plan| plan.not_applied(now))
                .collect();
            return Ok(Applied { clients, others });
        }
        let applied = self.storage.write(move |c| {
            clients::lock(c)?;
            let (plans, others) = plan::plan(c, &stated, &by, now)?;
            let mut applied = Vec::with_capacity(plans.len());
            let mut disabled = Vec::new();
            for plan in plans {
                if plan.disables() {
                    disabled.push(plan.new.id.clone());
                }
                applied.push(execute(c, plan, &by, now)?);
            }
            let clients = applied;
            Ok::<_, ApplyError>((Applied { clients, others }, disabled))
        });
        let (applied, disabled) = applied.await?;
        for id in disabled {
            self.delete_tokens(id).await?;
        }
        Ok(applied)
    }
}

/// Does what was planned for one client.
fn execute(
    c: &mut AnyConnection,
    plan: Plan,
    by: &By,
    now: Instant,
) -> Result<AppliedClient, StorageError> {
    let id = &plan.new.id;
    let mut acts = Vec::new();
    match &plan.old {
        None => {
            clients::insert(c, &plan.new)?;
            acts.push(Act::ClientAdd);
        }
        Some(old) => {
            if plan.is_changed() {
                change::store(c, old, &plan.new, now)?;
                if !plan.new.scopes.is_within(old.scopes) {
                    clients::take_over(c, id)?;
                }
                acts.push(Act::ClientChange);
            }
            if old.disabled_at.is_some() != plan.new.disabled_at.is_some() {
                clients::set_disabled(c, id, plan.new.disabled_at.is_some(), now)?;
                acts.push(match plan.new.disabled_at {
                    Some(_) => Act::ClientDisable,
                    None => Act::ClientEnable,
                });
            }
        }
    }
    let mut touched = plan.made.is_some();
    for (_, step) in &plan.secrets {
        match step {
            SecretStep::Add(secret) => client_secrets::insert(c, id, secret)?,
            SecretStep::Change { new, .. } => client_secrets::update(c, new)?,
            SecretStep::Leave(_) | SecretStep::LeaveOut => continue,
        }
        touched = true;
    }
    if let Some(made) = &plan.made {
        let secret = secrets::secret(None, made.hashed(), now);
        client_secrets::insert(c, id, &secret)?;
    }
    if touched && plan.old.is_some() {
        acts.push(Act::ClientRotate);
    }
    for act in acts {
        audit::record(c, &by.did(act, now).to_client(id))?;
    }
    Ok(plan.applied(now))
}
