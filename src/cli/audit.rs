//! `unforget audit`: what was done and refused, by whom, to whom, and from where.

use std::fmt::Write as _;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::json;
use tokio::io::Interest;
use tokio::net::unix::pipe;
use uuid::Uuid;

use super::CliError;
use super::output::{Output, note};
use super::user::point;
use crate::domain::audit::{Act, Entry};
use crate::domain::{ClientId, Instant};
use crate::flows::Flows;
use crate::flows::trail::Trail;
use crate::flows::users::UserRef;
use crate::storage::audit::Filter;

/// How often `--follow` looks.
const POLL: Duration = Duration::from_secs(1);

#[derive(Args)]
pub(super) struct AuditArguments {
    /// Only what was done to this user: an id or an e-mail address
    #[arg(long, value_name = "ID|EMAIL")]
    user: Option<String>,
    /// Only what this client did, or what was done to it
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// Only this act
    #[arg(long, value_name = "ACT", value_parser = acts())]
    act: Option<Act>,
    /// Only what was refused
    #[arg(long)]
    refused: bool,
    /// From this time on: so long ago (1d, 90m), or a time such as 2026-11-22T08:00:00Z
    #[arg(long, default_value = "1d", value_name = "TIME", value_parser = When::read)]
    since: When,
    /// Up to this time
    #[arg(long, value_name = "TIME", value_parser = When::read, conflicts_with = "follow")]
    until: Option<When>,
    /// Only the newest ones, at most so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: Option<u32>,
    /// Go on with what is done from now on, until Ctrl-C
    #[arg(long)]
    follow: bool,
}

fn acts() -> impl TypedValueParser<Value = Act> {
    let names = Act::ALL.iter().map(|act| act.name());
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Act>())
}

/// A point in time.
#[derive(Debug, Clone, Copy)]
enum When {
    Ago(TimeDelta),
    At(Instant),
}

impl When {
    fn read(text: &str) -> Result<Self, String> {
        let ago = humantime::parse_duration(text).ok();
        let ago = ago.and_then(|ago| TimeDelta::from_std(ago).ok());
        let at = || DateTime::parse_from_rfc3339(text).ok();
        ago.map(Self::Ago)
            .or_else(|| Some(Self::At(at()?.with_timezone(&Utc))))
            .ok_or_else(|| {
                "give a duration such as 1d or a time such as 2026-11-22T08:00:00Z".to_owned()
            })
    }

    fn instant(self, now: Instant) -> Instant {
        match self {
            Self::Ago(ago) => now.checked_sub_signed(ago).unwrap_or_default(),
            Self::At(at) => at,
        }
    }
}

pub(super) async fn execute(
    arguments: AuditArguments,
    flows: &Flows,
    output: &Output,
) -> Result<(), CliError> {
    tokio::select! {
        ended = show(arguments, flows, output) => ended,
        _ = tokio::signal::ctrl_c() => Ok(()),
        () = reader_gone() => Ok(()),
    }
}

async fn show(arguments: AuditArguments, flows: &Flows, output: &Output) -> Result<(), CliError> {
    let now = flows.clock.now();
    let filter = Filter {
        user: match &arguments.user {
            Some(user) => Some(user_id(user, flows).await?),
            None => None,
        },
        client: arguments.client.map(ClientId::new),
        act: arguments.act,
        refused: arguments.refused,
    };
    let (since, until) = (arguments.since.instant(now), arguments.until);
    let mut trail = Trail::new(filter, since, until.map(|until| until.instant(now)), now);
    if !output.json {
        output.line(&row(
            "TIME", "ACT", "OUTCOME", "BY", "TO", "FROM", "REQUEST",
        ))?;
    }
    if let Some(limit) = arguments.limit {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        print(&trail.newest(flows, limit).await?, output)?;
    }
    loop {
        match trail.next(flows).await {
            Ok(Some(entries)) => print(&entries, output)?,
            Ok(None) if !arguments.follow => return Ok(()),
            Ok(None) => {
                tokio::time::sleep(POLL).await;
                trail.again(flows.clock.now());
            }
            // A database that is away for a moment is waited for.
            Err(error) if arguments.follow && error.is_passing() => {
                note(&format!("unforget: {error}; trying again"));
                tokio::time::sleep(POLL).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Users who are gone still have their entries, under their ids.
async fn user_id(text: &str, flows: &Flows) -> Result<Uuid, CliError> {
    match point(text)? {
        UserRef::Id(id) => Ok(id),
        user => match flows.find_user(user).await? {
            Some(user) => Ok(user.id),
            None => Err(CliError::refused(
                "nobody has this address; entries of a deleted user are found by the id",
            )),
        },
    }
}

fn print(entries: &[Entry], output: &Output) -> Result<(), CliError> {
    if entries.is_empty() {
        return Ok(());
    }
    let lines = entries.iter().map(|entry| match output.json {
        true => as_json(entry),
        false => as_text(entry),
    });
    Ok(output.line(&lines.collect::<Vec<_>>().join("\n"))?)
}

fn time(at: Instant) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Who acted; none for somebody who did not show who it is. Only what comes over HTTP has a request, and no client's id is `operator`.
fn actor(entry: &Entry) -> Option<&str> {
    let client = entry.client_id.as_ref().map(ClientId::as_str);
    let operator = entry.origin.request_id.is_none().then_some("operator");
    client.or(operator)
}

fn as_json(entry: &Entry) -> String {
    let value = json!({
        "id": entry.id,
        "at": time(entry.at),
        "act": entry.act.name(),
        "outcome": if entry.refusal.is_some() { "refused" } else { "done" },
        "refusal": entry.refusal,
        "actor": actor(entry),
        "client_id": entry.client_id.as_ref().map(ClientId::as_str),
        "subject_client": entry.subject_client.as_ref().map(ClientId::as_str),
        "subject_user": entry.subject_user,
        "request_id": entry.origin.request_id,
        "address": entry.origin.address,
    });
    harmless(&value.to_string(), |out, c| {
        let mut units = [0; 2];
        for unit in c.encode_utf16(&mut units) {
            let _infallible = write!(out, "\\u{unit:04x}");
        }
    })
}

fn as_text(entry: &Entry) -> String {
    let user = entry.subject_user.map(|id| id.to_string());
    let client = entry.subject_client.as_ref().map(ClientId::as_str);
    let line = row(
        &time(entry.at),
        entry.act.name(),
        entry.refusal.as_deref().unwrap_or("done"),
        actor(entry).unwrap_or("-"),
        user.as_deref().or(client).unwrap_or("-"),
        entry.origin.address.as_deref().unwrap_or("-"),
        entry.origin.request_id.as_deref().unwrap_or("-"),
    );
    harmless(&line, |out, c| {
        let _infallible = write!(out, "{}", c.escape_unicode());
    })
}

/// Columns of fixed widths: rows are printed before the next ones are known.
fn row(
    time: &str,
    act: &str,
    outcome: &str,
    by: &str,
    to: &str,
    from: &str,
    request: &str,
) -> String {
    format!("{time:<24}  {act:<16}  {outcome:<17}  {by:<28}  {to:<36}  {from:<18}  {request}")
}

/// Nothing that is printed may begin a line, move the cursor or turn the text around (bar L02), wherever it came from.
fn harmless(line: &str, encode: impl Fn(&mut String, char)) -> String {
    let odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        match odd(c) {
            true => encode(&mut out, c),
            false => out.push(c),
        }
    }
    out
}

/// Ends when nobody reads our output any more, also while there is nothing to write.
async fn reader_gone() {
    let watch = || {
        let output = std::io::stdout();
        if output.is_terminal() {
            return None;
        }
        let output = output.as_fd().try_clone_to_owned().ok()?;
        pipe::Sender::from_owned_fd_unchecked(output).ok() // not for files, which nobody closes
    };
    match watch() {
        Some(pipe) if pipe.ready(Interest::ERROR).await.is_ok() => {}
        _ => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        let origin = crate::domain::audit::Origin {
            request_id: Some("a\r\nb\u{1b}[2J\u{2028}c\u{85}\u{202e}".to_owned()),
            address: None,
        };
        Entry::new(Uuid::nil(), Instant::default(), Act::TokenIssue, origin)
            .by_client(&ClientId::new("x\ny\u{7f}"))
    }

    #[test]
    fn l02_no_text_of_a_row_can_do_anything_to_a_terminal_or_begin_a_line() {
        let (text, json) = (as_text(&entry()), as_json(&entry()));
        for line in [&text, &json] {
            let odd = |c: char| c.is_control() || c == '\u{2028}' || c == '\u{202e}';
            assert!(!line.contains(odd), "{line:?}");
        }
        assert!(
            text.contains(r"a\u{d}\u{a}b\u{1b}[2J\u{2028}c\u{85}"),
            "{text}"
        );
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["request_id"], entry().origin.request_id.unwrap());
    }
}
