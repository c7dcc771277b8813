//! `unforget client apply ..`: what a file of apps changes, and how that is told.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::{CliError, Output, manifest, unprinted};
use crate::domain::{Client, JwkSet};
use crate::flows::clients::Difference;
use crate::flows::clients::apply::{Applied, AppliedClient, AppliedSecret, Outcome};
use crate::flows::{By, Flows};

/// How many apps that are not in the file are named to people.
const NAMED: usize = 20;

#[derive(Args)]
pub(in crate::cli) struct ApplyArguments {
    /// A .toml or .json file, or - for standard input
    file: PathBuf,
    /// Only say what would change
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn execute(
    arguments: &ApplyArguments,
    flows: &Flows,
    output: &Output,
) -> Result<(), CliError> {
    let stated = manifest::read(&arguments.file)?;
    let applied = flows.apply_clients(By::Operator, stated, arguments.dry_run);
    let applied = applied.await.map_err(CliError::refused)?;
    let value = value(&applied, arguments.dry_run);
    let printed = output.data(&value, || text(&applied, arguments.dry_run));
    let made = applied.clients.iter().filter(|c| c.secret.is_some());
    let made: Vec<_> = made.filter_map(|client| client.id.as_ref()).collect();
    printed.map_err(|error| unprinted(error, &made))
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Added => "added",
        Outcome::Changed => "changed",
        Outcome::Unchanged => "unchanged",
        Outcome::Ended => "ended",
        Outcome::Expired => "expired",
    }
}

fn value(applied: &Applied, dry_run: bool) -> Value {
    let count = |outcome| {
        let with = |client: &&AppliedClient| client.outcome == outcome;
        applied.clients.iter().filter(with).count()
    };
    let not_in_file =
        |client: &Client| json!({"client_id": client.id.as_str(), "name": client.name.as_str()});
    json!({
        "dry_run": dry_run,
        "added": count(Outcome::Added),
        "changed": count(Outcome::Changed),
        "unchanged": count(Outcome::Unchanged),
        "clients": applied.clients.iter().map(client_value).collect::<Value>(),
        "not_in_file": applied.others.iter().map(not_in_file).collect::<Value>(),
    })
}

fn client_value(client: &AppliedClient) -> Value {
    let change = |d: &Difference| json!({"field": d.field, "old": d.old, "new": d.new});
    let secret = |secret: &AppliedSecret| {
        json!({
            "label": secret.label,
            "id": secret.id,
            "status": word(secret.outcome),
            "changes": secret.differences.iter().map(change).collect::<Value>(),
        })
    };
    json!({
        "client_id": client.id.as_ref().map(|id| id.as_str()),
        "name": client.name.as_str(),
        "status": word(client.outcome),
        "changes": client.differences.iter().map(change).collect::<Value>(),
        "secrets": client.secrets.iter().map(secret).collect::<Value>(),
        "client_secret": client.secret.as_ref().map(|secret| secret.expose()),
    })
}

fn text(applied: &Applied, dry_run: bool) -> String {
    let mut lines: Vec<String> = applied.clients.iter().flat_map(client_lines).collect();
    if !applied.others.is_empty() {
        let others = applied.others.iter().take(NAMED);
        let mut names: Vec<_> = others
            .map(|c| format!("{} ({})", c.name.as_str(), c.id))
            .collect();
        if applied.others.len() > NAMED {
            names.push(format!("and {} others", applied.others.len() - NAMED));
        }
        lines.push(format!(
            "Not in the file and left alone: {}",
            names.join(", ")
        ));
    }
    if dry_run {
        lines.push("Nothing was changed: this was a dry run.".to_owned());
    }
    lines.join("\n")
}

fn client_lines(client: &AppliedClient) -> Vec<String> {
    let id = match &client.id {
        Some(id) => format!(" ({id})"),
        None => String::new(),
    };
    let head = format!("{:<10} {}{id}", word(client.outcome), client.name.as_str());
    let mut lines = vec![head];
    let mut detail = |name: &str, what: String| lines.push(format!("    {name:<15} {what}"));
    for difference in &client.differences {
        let (old, new) = (
            plain(difference, &difference.old),
            plain(difference, &difference.new),
        );
        detail(difference.field, format!("{old} -> {new}"));
    }
    let touched = client.secrets.iter();
    for secret in touched.filter(|secret| secret.outcome != Outcome::Unchanged) {
        detail("secret", secret_text(secret));
    }
    match &client.secret {
        Some(secret) => detail(
            "client_secret",
            format!("{}    (shown this once)", secret.expose()),
        ),
        None if client.makes_secret => detail("client_secret", "(a new one)".to_owned()),
        None => {}
    }
    lines
}

fn secret_text(secret: &AppliedSecret) -> String {
    let id = secret.id.map(|id| id.to_string());
    let name = secret.label.clone().or(id).unwrap_or_default();
    let what = match secret.outcome {
        Outcome::Ended => "ends now",
        Outcome::Expired => "has expired, and is left out",
        outcome => word(outcome),
    };
    let change = |d: &Difference| {
        let (old, new) = (plain(d, &d.old), plain(d, &d.new));
        format!("{} {old} -> {new}", d.field)
    };
    let changes: Vec<_> = secret.differences.iter().map(change).collect();
    match changes.is_empty() {
        true => format!("{name} {what}"),
        false => format!("{name} {what}: {}", changes.join(", ")),
    }
}

/// A value of a field, for people.
fn plain(difference: &Difference, value: &Value) -> String {
    match value {
        Value::Null => "(none)".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(list) => {
            let names: Vec<_> = list.iter().filter_map(Value::as_str).collect();
            names.join(" ")
        }
        Value::Object(_) => super::show::keys(&JwkSet::from_stored(value.to_string())),
        Value::Number(seconds) if difference.field == "token_lifetime" => format!("{seconds} s"),
        other => other.to_string(),
    }
}
