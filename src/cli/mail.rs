//! `unforget mail ..`: the settings are tested, and the queue is seen.

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use uuid::Uuid;

use super::client::time;
use super::output::{Output, table};
use super::user::point;
use super::{CliError, flows};
use crate::clock::Clock;
use crate::config::Settings;
use crate::domain::mail::{MailKind, MailState};
use crate::domain::{EmailAddress, Locale};
use crate::flows::mails::Retry;
use crate::mail::{Delivery, letter};
use crate::server;
use crate::storage::mails::MailReport;
use crate::texts::Language;
use crate::{entropy, server::ServerError};

#[derive(Subcommand)]
pub(super) enum MailCommand {
    /// Send a test mail now and say what became of it
    Test {
        /// The address to send it to
        to: String,
        /// The language of the mail
        #[arg(long)]
        locale: Option<Locale>,
    },
    /// List the newest mails and what became of them
    List {
        /// Only mails in this state
        #[arg(long)]
        state: Option<State>,
        /// Only mails of this user, or to this address: an id or an e-mail address
        #[arg(long, value_name = "ID|EMAIL")]
        user: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(1..=100_000))]
        limit: i64,
    },
    /// Try a failed or waiting mail again, now
    Retry {
        /// The mail, as `mail list` shows it
        #[arg(value_parser = id)]
        id: Uuid,
    },
}

fn id(text: &str) -> Result<Uuid, String> {
    let odd = |_| "this is no id of a mail; `unforget mail list` shows them".to_owned();
    text.parse().map_err(odd)
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum State {
    Queued,
    Sent,
    Failed,
    Skipped,
    Printed,
}

impl From<State> for MailState {
    fn from(state: State) -> Self {
        match state {
            State::Queued => Self::Queued,
            State::Sent => Self::Sent,
            State::Failed => Self::Failed,
            State::Skipped => Self::Skipped,
            State::Printed => Self::Printed,
        }
    }
}

pub(super) async fn execute(
    command: MailCommand,
    settings: &Settings,
    output: &Output,
) -> Result<(), CliError> {
    match command {
        MailCommand::Test { to, locale } => test(&to, locale.as_ref(), settings, output).await,
        MailCommand::List { state, user, limit } => {
            let (flows, state) = (flows(settings)?, state.map(MailState::from));
            let mails = match user {
                Some(user) => flows.list_mails_of(point(&user)?, state, limit).await?,
                None => flows.list_mails(state, limit).await?,
            };
            let values = mails.iter().map(value).collect();
            Ok(output.data(&Value::Array(values), || list(&mails))?)
        }
        MailCommand::Retry { id } => {
            if let Some(why) = why_not(flows(settings)?.retry_mail(id).await?) {
                return Err(CliError::refused(format!("it is not tried again: {why}")));
            }
            Ok(output.data(&json!({"id": id, "status": "queued"}), || {
                format!("{id} is queued; the running service sends it.")
            })?)
        }
    }
}

/// Why a mail is not tried again, and what helps instead.
fn why_not(retry: Retry) -> Option<String> {
    Some(match retry {
        Retry::Queued => return None,
        Retry::Unknown => "there is no such mail".to_owned(),
        Retry::Sent => "the mail server has taken it; a new link has to be asked for".to_owned(),
        Retry::Skipped => "there was nobody to send it to".to_owned(),
        Retry::Printed => "its link was printed; `unforget remind` makes another one".to_owned(),
        Retry::Expired(at) => format!("it ended {}; a new link has to be asked for", time(at)),
        Retry::Overtaken(at) => format!(
            "the password was changed {}, after the link was asked for",
            time(at)
        ),
        Retry::Running => "it is being sent just now".to_owned(),
    })
}

async fn test(
    to: &str,
    locale: Option<&Locale>,
    settings: &Settings,
    output: &Output,
) -> Result<(), CliError> {
    let to = EmailAddress::parse(to).map_err(CliError::refused)?;
    let mailer = server::mailer(settings).map_err(ServerError::from)?;
    let now = Clock::System.now();
    let letter = letter::test(entropy::id(now), to, Language::of_locales([locale]), now);
    match mailer.send(&letter).await {
        Delivery::Sent => {
            let through = settings.mail.url.to_string();
            Ok(
                output.data(&json!({"status": "sent", "through": through}), || {
                    format!("Sent through {through}.")
                })?,
            )
        }
        Delivery::Refused { reason, .. } | Delivery::Unknown { reason } => Err(CliError::refused(
            format!("{} (mail.url is {})", reason, settings.mail.url),
        )),
    }
}

fn kind(report: &MailReport) -> &'static str {
    match report.mail.kind {
        MailKind::Reset { .. } => "reset",
        MailKind::PasswordChanged { .. } => "password_changed",
        MailKind::EmailChanged { .. } => "email_changed",
    }
}

fn value(report: &MailReport) -> Value {
    json!({
        "id": report.mail.id,
        "kind": kind(report),
        "state": report.state,
        "client_id": report.mail.client_id.as_ref().map(|id| id.as_str()),
        "attempts": report.mail.attempts,
        "failure": report.failure,
        "created_at": time(report.mail.created_at),
        "expires_at": time(report.mail.expires_at),
        "due_at": report.due_at.map(time),
        "finished_at": report.finished_at.map(time),
    })
}

fn list(mails: &[MailReport]) -> String {
    let mut rows = vec![
        [
            "ID", "KIND", "STATE", "QUEUED", "TRIES", "NEXT TRY", "FAILURE",
        ]
        .map(ToOwned::to_owned)
        .to_vec(),
    ];
    rows.extend(mails.iter().map(|report| {
        vec![
            report.mail.id.to_string(),
            kind(report).to_owned(),
            report.state.clone(),
            time(report.mail.created_at),
            report.mail.attempts.to_string(),
            report.due_at.map_or_else(|| "-".to_owned(), time),
            report.failure.clone().unwrap_or_default(),
        ]
    }));
    table(&rows)
}
