//! `unforget client apply ..`: what a file of apps changes, and how that is told.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::{CliError, Output, manifest};
use crate::domain::{Client, JwkSet};
use crate::flows::clients::Difference;
use crate::flows::clients::apply::{Applied, AppliedClient, Outcome};
use crate::flows::{By, Flows};

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
    Ok(output.data(&value, || text(&applied, arguments.dry_run))?)
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Added => "added",
        Outcome::Changed => "changed",
        Outcome::Unchanged => "unchanged",
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
    let secrets = client.secrets.iter();
    let secrets =
        secrets.map(|(label, outcome)| json!({"label": label.as_str(), "status": word(*outcome)}));
    json!({
        "client_id": client.id.as_ref().map(|id| id.as_str()),
        "name": client.name.as_str(),
        "status": word(client.outcome),
        "changes": client.differences.iter().map(change).collect::<Value>(),
        "secrets": secrets.collect::<Value>(),
        "client_secret": client.secret.as_ref().map(|secret| secret.expose()),
    })
}

fn text(applied: &Applied, dry_run: bool) -> String {
    let mut lines: Vec<String> = applied.clients.iter().flat_map(client_lines).collect();
    if !applied.others.is_empty() {
        let others = applied.others.iter();
        let names: Vec<_> = others
            .map(|c| format!("{} ({})", c.name.as_str(), c.id))
            .collect();
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
    let touched = client
        .secrets
        .iter()
        .filter(|(_, outcome)| *outcome != Outcome::Unchanged);
    for (label, outcome) in touched {
        detail("secret", format!("{} {}", label.as_str(), word(*outcome)));
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
