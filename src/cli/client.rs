//! `unforget client ..`: apps are registered and looked after.

use chrono::{SecondsFormat, TimeDelta};
use clap::Subcommand;
use serde_json::{Value, json};

use super::CliError;
use super::output::{Output, table};
use crate::domain::client::ClientName;
use crate::domain::client_secret::SecretInfo;
use crate::domain::{Client, ClientId, Instant, Locale, ResetUrl, Scopes};
use crate::flows::clients::NewClient;
use crate::flows::{By, Flows};

#[derive(Subcommand)]
pub(super) enum ClientCommand {
    /// Register an app and print its id and secret, once
    Add {
        /// What people call it; mails name it too
        name: ClientName,
        /// What its tokens may carry: space-separated, may be repeated
        #[arg(long = "scope", required = true, value_name = "SCOPES")]
        scopes: Vec<Scopes>,
        /// Where its reset links lead: an https URL with {token}, optionally {email} and {locale}
        #[arg(long, value_name = "URL")]
        reset_url: Option<ResetUrl>,
        /// The language of its mails when neither the call nor the user states one
        #[arg(long)]
        locale: Option<Locale>,
        /// How long its tokens live [default: the configured token.lifetime]
        #[arg(long, value_name = "DURATION", value_parser = lifetime)]
        token_lifetime: Option<TimeDelta>,
    },
    /// List every app
    List,
    /// Show an app and its secrets' ages
    Show { id: String },
    /// Print a new secret; the old ones end after the overlap
    Rotate {
        id: String,
        /// How long the old secrets keep working; 0s ends them now
        #[arg(long, default_value = "24h", value_name = "DURATION", value_parser = overlap)]
        overlap: TimeDelta,
    },
    /// Switch an app off: no new tokens, and the live ones stop at once
    Disable { id: String },
    /// Switch an app on again
    Enable { id: String },
    /// Delete an app with its secrets and tokens
    Delete { id: String },
}

pub(super) async fn execute(
    command: ClientCommand,
    flows: &Flows,
    output: &Output,
) -> Result<(), CliError> {
    match command {
        ClientCommand::Add {
            name,
            scopes,
            reset_url,
            locale,
            token_lifetime,
        } => {
            let scopes = scopes.iter().flat_map(|set| set.iter()).collect();
            let mut new = NewClient::new(name, scopes);
            (new.reset_url, new.locale) = (reset_url, locale);
            new.token_lifetime = token_lifetime;
            add(new, flows, output).await
        }
        ClientCommand::List => {
            let clients = flows.list_clients().await?;
            let values: Vec<_> = clients.iter().map(value).collect();
            Ok(output.data(&Value::Array(values), || list(&clients))?)
        }
        ClientCommand::Show { id } => {
            let (client, secrets) = flows
                .show_client(ClientId::new(&id))
                .await?
                .ok_or_else(|| unknown(&id))?;
            let mut shown = value(&client);
            shown["secrets"] = secrets.iter().map(secret_value).collect();
            Ok(output.data(&shown, || show(&client, &secrets))?)
        }
        ClientCommand::Rotate { id, overlap } => rotate(&id, overlap, flows, output).await,
        ClientCommand::Disable { id } => {
            let known = flows
                .disable_client(By::Operator, ClientId::new(&id), true)
                .await?;
            report(known, &id, "disabled", output)
        }
        ClientCommand::Enable { id } => {
            let known = flows
                .disable_client(By::Operator, ClientId::new(&id), false)
                .await?;
            report(known, &id, "enabled", output)
        }
        ClientCommand::Delete { id } => {
            let known = flows
                .delete_client(By::Operator, ClientId::new(&id))
                .await?;
            report(known, &id, "deleted", output)
        }
    }
}

async fn add(new: NewClient, flows: &Flows, output: &Output) -> Result<(), CliError> {
    if new.scopes.is_empty() {
        return Err(CliError::refused(
            "an app without a scope could do nothing: give --scope",
        ));
    }
    let (client, secret) = flows
        .add_client(By::Operator, new)
        .await
        .map_err(CliError::refused)?;
    let secret = secret.ok_or_else(|| CliError::refused("the app has no secret"))?;
    let mut shown = value(&client);
    shown["client_secret"] = secret.expose().into();
    let text = || {
        format!(
            "Registered {}. The secret is shown this once.\n\nclient_id      {}\nclient_secret  {}\nscopes         {}",
            client.name.as_str(),
            client.id,
            secret.expose(),
            client.scopes
        )
    };
    Ok(output.data(&shown, text)?)
}

async fn rotate(
    id: &str,
    overlap: TimeDelta,
    flows: &Flows,
    output: &Output,
) -> Result<(), CliError> {
    let rotated = flows
        .rotate_client(By::Operator, ClientId::new(id), overlap)
        .await
        .map_err(CliError::refused)?
        .ok_or_else(|| unknown(id))?;
    let (secret, until) = (rotated.secret, rotated.old_until);
    let value = json!({"client_id": id, "client_secret": secret.expose(), "old_secrets_expire_at": time(until)});
    let text = || {
        let old = if overlap.is_zero() {
            "The old secrets have ended.".to_owned()
        } else {
            format!("The old secrets work until {}.", time(until))
        };
        format!(
            "{old} The new one is shown this once.\n\nclient_id      {id}\nclient_secret  {}",
            secret.expose()
        )
    };
    Ok(output.data(&value, text)?)
}

fn report(known: bool, id: &str, done: &str, output: &Output) -> Result<(), CliError> {
    if !known {
        return Err(unknown(id));
    }
    Ok(output.data(&json!({"client_id": id, "status": done}), || {
        format!("{id} is {done}.")
    })?)
}

fn unknown(id: &str) -> CliError {
    CliError::refused(format!("there is no client {id}"))
}

fn value(client: &Client) -> Value {
    json!({
        "client_id": client.id.as_str(),
        "name": client.name.as_str(),
        "scopes": client.scopes.names(),
        "reset_url": client.reset_url.as_ref().map(ResetUrl::as_str),
        "locale": client.locale.as_ref().map(Locale::as_str),
        "token_lifetime": client.token_lifetime.map(|t| t.num_seconds()),
        "created_at": time(client.created_at),
        "disabled_at": client.disabled_at.map(time),
    })
}

fn secret_value(secret: &SecretInfo) -> Value {
    json!({"id": secret.id, "created_at": time(secret.created_at), "expires_at": secret.expires_at.map(time)})
}

fn list(clients: &[Client]) -> String {
    let mut rows = vec![
        ["CLIENT_ID", "NAME", "STATE", "SCOPES"]
            .map(ToOwned::to_owned)
            .to_vec(),
    ];
    rows.extend(clients.iter().map(|client| {
        let state = if client.disabled_at.is_some() {
            "disabled"
        } else {
            "enabled"
        };
        vec![
            client.id.to_string(),
            client.name.as_str().to_owned(),
            state.to_owned(),
            client.scopes.to_string(),
        ]
    }));
    table(&rows)
}

fn show(client: &Client, secrets: &[SecretInfo]) -> String {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let or = |value: Option<String>, other: &str| value.unwrap_or_else(|| other.to_owned());
    let mut rows = vec![
        row("client_id", client.id.to_string()),
        row("name", client.name.as_str().to_owned()),
        row("scopes", client.scopes.to_string()),
        row(
            "reset_url",
            or(
                client.reset_url.as_ref().map(|u| u.as_str().to_owned()),
                "(the built-in page)",
            ),
        ),
        row(
            "locale",
            or(
                client.locale.as_ref().map(|l| l.as_str().to_owned()),
                "(none)",
            ),
        ),
        row(
            "token_lifetime",
            or(
                client
                    .token_lifetime
                    .map(|t| format!("{} s", t.num_seconds())),
                "(as configured)",
            ),
        ),
        row("created_at", time(client.created_at)),
        row("disabled_at", or(client.disabled_at.map(time), "(enabled)")),
    ];
    rows.extend(secrets.iter().map(|secret| {
        let ends = secret
            .expires_at
            .map_or_else(|| "works".to_owned(), |at| format!("ends {}", time(at)));
        row(
            "secret",
            format!("made {}, {ends}", time(secret.created_at)),
        )
    }));
    table(&rows)
}

/// An instant, as all output has it: RFC 3339 in UTC.
pub(super) fn time(at: Instant) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn duration(text: &str) -> Result<TimeDelta, String> {
    let parsed = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    TimeDelta::from_std(parsed).map_err(|error| error.to_string())
}

fn lifetime(text: &str) -> Result<TimeDelta, String> {
    let bounds = TimeDelta::seconds(1)..=TimeDelta::days(30);
    duration(text).and_then(|lifetime| {
        bounds
            .contains(&lifetime)
            .then_some(lifetime)
            .ok_or("from 1s to 30days".to_owned())
    })
}

fn overlap(text: &str) -> Result<TimeDelta, String> {
    let bounds = TimeDelta::zero()..=TimeDelta::days(366);
    duration(text).and_then(|overlap| {
        bounds
            .contains(&overlap)
            .then_some(overlap)
            .ok_or("at most a year".to_owned())
    })
}
