//! `unforget client rotate ..`: a new secret, and the end of old ones.

use chrono::TimeDelta;
use clap::Args;
use serde_json::json;

use super::show::time;
use super::values::{self, When};
use super::{CliError, Output, unknown, unprinted};
use crate::domain::ClientId;
use crate::domain::client_secret::SecretLabel;
use crate::flows::clients::{Rotation, SecretRef};
use crate::flows::{By, Flows};

#[derive(Args)]
pub(in crate::cli) struct RotateArguments {
    /// The app's client_id
    id: String,
    /// How long the old secrets keep working once the new one works; 0s ends them then
    #[arg(long, default_value = "24h", value_name = "DURATION", value_parser = values::overlap)]
    overlap: TimeDelta,
    /// What people call the new secret
    #[arg(long)]
    label: Option<SecretLabel>,
    /// When the new secret begins to work: a duration from now, or a time [default: now]
    #[arg(long, value_name = "WHEN", value_parser = values::when)]
    not_before: Option<When>,
    /// Make no new secret; end this one now, named by its id or its label
    #[arg(long, value_name = "SECRET", conflicts_with_all = ["overlap", "label", "not_before"])]
    end: Option<String>,
}

pub(super) async fn execute(
    arguments: RotateArguments,
    flows: &Flows,
    output: &Output,
) -> Result<(), CliError> {
    if let Some(secret) = &arguments.end {
        return end(&arguments.id, secret, flows, output).await;
    }
    let id = &arguments.id;
    let now = flows.clock.now();
    let label = arguments.label.clone();
    let rotation = Rotation {
        overlap: arguments.overlap,
        label: arguments.label,
        not_before: arguments.not_before.map(|when| when.from(now)),
    };
    let rotated = flows
        .rotate_client(By::Operator, ClientId::new(id), rotation)
        .await
        .map_err(CliError::refused)?
        .ok_or_else(|| unknown(id))?;
    let value = json!({
        "client_id": id,
        "client_secret": rotated.secret.expose(),
        "secret_id": rotated.id,
        "label": label.as_ref().map(SecretLabel::as_str),
        "not_before": rotated.not_before.map(time),
        "old_secrets_expire_at": time(rotated.old_until),
    });
    let text = || {
        let old = match rotated.old_until > flows.clock.now() {
            true => format!("The old secrets work until {}.", time(rotated.old_until)),
            false => "The old secrets have ended.".to_owned(),
        };
        let new = match rotated.not_before {
            Some(start) => format!("The new one works from {} and is", time(start)),
            None => "The new one is".to_owned(),
        };
        format!(
            "{old} {new} shown this once.\n\nclient_id      {id}\nclient_secret  {}",
            rotated.secret.expose()
        )
    };
    let printed = output.data(&value, text);
    printed.map_err(|error| unprinted(error, &[&ClientId::new(id)]))
}

async fn end(id: &str, secret: &str, flows: &Flows, output: &Output) -> Result<(), CliError> {
    let which = match secret.parse() {
        Ok(uuid) => SecretRef::Id(uuid),
        Err(_) => SecretRef::Label(secret.parse().map_err(CliError::refused)?),
    };
    let ended = flows
        .end_secret(By::Operator, ClientId::new(id), which)
        .await
        .map_err(CliError::refused)?
        .ok_or_else(|| unknown(id))?;
    let left = flows.show_client(ClientId::new(id)).await?;
    let now = flows.clock.now();
    let left = left.map_or(0, |(_, secrets)| {
        secrets.iter().filter(|s| s.is_working(now)).count()
    });
    let value = json!({
        "client_id": id,
        "secret_id": ended.id,
        "label": ended.label,
        "expires_at": ended.expires_at.map(time),
        "working_secrets": left,
        "status": "ended",
    });
    let text = || {
        let none = match left {
            0 => " The app has no other that works: `unforget client rotate` makes one.",
            _ => "",
        };
        format!(
            "The secret {secret} has ended. Tokens that it has fetched live on until they expire: `unforget client disable` ends them.{none}"
        )
    };
    Ok(output.data(&value, text)?)
}
