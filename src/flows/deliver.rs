//! Queued mails go out: composed at the last moment, tried until they are sent or visibly failed.

use chrono::TimeDelta;
use tracing::{Instrument, Span};

use super::Flows;
use super::queue::Claimed;
use crate::domain::mail::{Mail, MailKind, MailState, retry_delay};
use crate::domain::recovery::LIVE_LINKS;
use crate::domain::{Client, HashedToken, Instant, PlainToken, ResetToken, ResetUrl, User};
use crate::mail::letter::{self, Letter};
use crate::mail::{Delivery, Mailer};
use crate::storage::mails::Outcome;
use crate::storage::reset_tokens::NewResetToken;
use crate::storage::{AnyConnection, StorageError, clients, mails, reset_tokens, users};
use crate::telemetry::span;
use crate::texts::Language;
use crate::{clock, entropy};

/// A link that has less than this to live is not mailed any more: nobody could use it (bar E09).
const LEAST_LIFE: TimeDelta = TimeDelta::seconds(30);

/// What is to be done with a claimed mail.
enum Prepared {
    /// Send it; the token is taken back when the server refuses.
    Send(Box<Letter>, Option<HashedToken<ResetToken>>),
    /// It is over without being sent.
    Over(MailState, Option<&'static str>),
    /// Another worker has it, or it was cancelled.
    Gone,
}

impl Flows {
    /// Composes a claimed mail, makes one attempt to send it, and records what became of it.
    pub async fn deliver(&self, mailer: &Mailer, claimed: Claimed) -> Result<(), StorageError> {
        let (id, attempt) = (claimed.mail.id, claimed.mail.attempts);
        let span = span!("mail", %id, attempt, state = tracing::field::Empty);
        self.attempt(mailer, claimed).instrument(span).await
    }

    async fn attempt(&self, mailer: &Mailer, claimed: Claimed) -> Result<(), StorageError> {
        let now = self.clock.now();
        if claimed.has_waited_too_long(now) {
            return self.give_back(claimed).await;
        }
        let Claimed { mail, lease, .. } = claimed;
        let (public_url, lifetime_left) = (self.public_url.clone(), mail.expires_at - now);
        let prepared = {
            let mail = mail.clone();
            self.storage.write(move |c| {
                // A reset or a disabled account may be cancelling this mail just now.
                if let MailKind::Reset { address_key } = &mail.kind {
                    c.serialise_on(address_key)?;
                }
                if !mails::is_leased(c, mail.id, lease)? {
                    return Ok::<_, StorageError>(Prepared::Gone);
                }
                let prepared = if lifetime_left < LEAST_LIFE {
                    Prepared::Over(
                        MailState::Failed,
                        Some("it expired before it could be sent"),
                    )
                } else {
                    prepare(c, &mail, &public_url, now)?
                };
                if let Prepared::Over(state, reason) = &prepared {
                    let outcome = Outcome::Finished(*state, reason.map(ToOwned::to_owned));
                    mails::record(c, mail.id, lease, &outcome, now)?;
                }
                Ok(prepared)
            })
        };
        let (letter, token) = match prepared.await? {
            Prepared::Send(letter, token) => (letter, token),
            Prepared::Over(state, reason) => {
                self.metrics.mail.outcomes.count(state.name());
                Span::current().record("state", state.name());
                tracing::info!(mail = %mail.id, state = state.name(), reason, "mail not sent");
                return Ok(());
            }
            Prepared::Gone => return Ok(()),
        };

        let started = clock::monotonic();
        let delivery = mailer.send(&letter).instrument(span!("mail.send")).await;
        self.metrics.mail.attempts.took(started.elapsed());

        let now = self.clock.now();
        let outcome = judge(&mail, &delivery, now);
        let (state, reason) = match &outcome {
            Outcome::Finished(state, reason) => (*state, reason.clone()),
            Outcome::Retry(_, reason) => (MailState::Queued, Some(reason.clone())),
        };
        // A token in a mail that was refused is taken back; one that may have arrived stays alive.
        Span::current().record("state", state.name());
        let take_back = token.filter(|_| matches!(delivery, Delivery::Refused { .. }));
        let recorded = match take_back {
            None => {
                let record = move |c: &mut _| mails::record(c, mail.id, lease, &outcome, now);
                self.storage.write_one(record).await?
            }
            Some(digest) => {
                let record = move |c: &mut _| {
                    reset_tokens::delete(c, &digest)?;
                    mails::record(c, mail.id, lease, &outcome, now)
                };
                self.storage.write(record).await?
            }
        };
        if !recorded {
            tracing::warn!(mail = %letter.id, "another worker has the mail, or it was cancelled while it was sent");
            return Ok(());
        }
        self.metrics.mail.outcomes.count(match state {
            MailState::Queued => "retried",
            ended => ended.name(),
        });
        match state {
            MailState::Sent => {
                tracing::info!(mail = %letter.id, attempt = mail.attempts, "mail sent")
            }
            MailState::Queued => {
                tracing::warn!(mail = %letter.id, attempt = mail.attempts, reason, "mail not sent yet")
            }
            _ => tracing::error!(mail = %letter.id, attempt = mail.attempts, reason, "mail failed"),
        }
        Ok(())
    }
}

/// What an attempt's result means: done, again later, or given up.
fn judge(mail: &Mail, delivery: &Delivery, now: Instant) -> Outcome {
    let (reason, for_good) = match delivery {
        Delivery::Sent => return Outcome::Finished(MailState::Sent, None),
        Delivery::Refused { for_good, reason } => (reason.clone(), *for_good),
        Delivery::Unknown { reason } => (reason.clone(), false),
    };
    let delay = retry_delay(mail.attempts).num_milliseconds();
    // Between 0.8 and 1.2 of the delay, so that mails which failed together do not come back together.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "a delay of minutes in milliseconds"
    )]
    let delay = (delay as f64 * (0.8 + 0.4 * entropy::fraction())) as i64;
    let next = now + TimeDelta::milliseconds(delay);
    if for_good || next + LEAST_LIFE >= mail.expires_at {
        Outcome::Finished(MailState::Failed, Some(reason))
    } else {
        Outcome::Retry(next, reason)
    }
}

fn prepare(
    c: &mut AnyConnection,
    mail: &Mail,
    public_url: &str,
    now: Instant,
) -> Result<Prepared, StorageError> {
    let client = mail
        .client_id
        .as_ref()
        .map(|id| clients::find(c, id))
        .transpose()?
        .flatten();
    match &mail.kind {
        MailKind::Reset { address_key } => {
            let user =
                users::find_by_key(c, address_key)?.filter(|user| user.disabled_at.is_none());
            let (Some(user), Some(client)) =
                (user, client.filter(|client| client.disabled_at.is_none()))
            else {
                return Ok(Prepared::Over(MailState::Skipped, None));
            };
            prepare_reset(c, mail, &user, &client, public_url, now)
        }
        MailKind::PasswordChanged { user_id, recipient } => {
            let Some(user) = users::find(c, *user_id)? else {
                return Ok(Prepared::Over(MailState::Skipped, None));
            };
            let language = language(mail, &user, client.as_ref());
            let letter = letter::password_changed(
                mail.id,
                recipient.clone().unwrap_or(user.email),
                language,
                service(client.as_ref()),
                now,
                mail.created_at,
            );
            Ok(Prepared::Send(Box::new(letter), None))
        }
        MailKind::EmailChanged { user_id, recipient } => {
            let Some(user) = users::find(c, *user_id)? else {
                return Ok(Prepared::Over(MailState::Skipped, None));
            };
            let language = language(mail, &user, client.as_ref());
            let to = recipient.clone();
            let letter = letter::email_changed(
                mail.id,
                to,
                language,
                service(client.as_ref()),
                now,
                mail.created_at,
            );
            Ok(Prepared::Send(Box::new(letter), None))
        }
    }
}

/// What a mail calls the app, or us when it is on nobody's behalf.
fn service(client: Option<&Client>) -> &str {
    client.map_or("Unforget", |client| client.name.as_str())
}

/// The secret is born here; only its digest is stored, and the text is only in the link (bar F09).
pub(super) fn make_link(
    c: &mut AnyConnection,
    mail: &Mail,
    user: &User,
    client: &Client,
    public_url: &str,
) -> Result<(String, HashedToken<ResetToken>), StorageError> {
    let token = PlainToken::<ResetToken>::from_random(entropy::bytes());
    let digest = token.hashed();
    reset_tokens::insert(
        c,
        &NewResetToken {
            digest: digest.clone(),
            user_id: user.id,
            mail_id: mail.id,
            requested_at: mail.created_at,
            expires_at: mail.expires_at,
        },
    )?;
    reset_tokens::keep_newest(c, user.id, LIVE_LINKS)?;
    let language = language(mail, user, Some(client));
    let built_in = || ResetUrl::built_in(public_url);
    let reset_url = client.reset_url.clone().unwrap_or_else(built_in);
    Ok((reset_url.link(&token, &user.email, language.tag()), digest))
}

fn prepare_reset(
    c: &mut AnyConnection,
    mail: &Mail,
    user: &User,
    client: &Client,
    public_url: &str,
    now: Instant,
) -> Result<Prepared, StorageError> {
    let (link, digest) = make_link(c, mail, user, client, public_url)?;
    let language = language(mail, user, Some(client));
    let service = client.name.as_str();
    let letter = letter::reset(
        mail.id,
        user.email.clone(),
        language,
        service,
        link,
        now,
        mail.expires_at,
    );
    Ok(Prepared::Send(Box::new(letter), Some(digest)))
}

/// The call's wish, then the user's, then the client's default.
fn language(mail: &Mail, user: &User, client: Option<&Client>) -> Language {
    Language::of_locales([
        mail.locale.as_ref(),
        user.locale.as_ref(),
        client.and_then(|client| client.locale.as_ref()),
    ])
}
