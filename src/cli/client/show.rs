//! How apps and their secrets are shown.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::{CliError, unknown};
use crate::cli::output::{Output, table};
use crate::domain::client_secret::{SecretInfo, SecretState, in_use};
use crate::domain::{Client, ClientId, Instant, JwkSet, Locale, ResetUrl};
use crate::flows::Flows;

pub(super) async fn execute(id: &str, flows: &Flows, output: &Output) -> Result<(), CliError> {
    let found = flows.show_client(ClientId::new(id)).await?;
    let (client, secrets) = found.ok_or_else(|| unknown(id))?;
    let now = flows.clock.now();
    let used = in_use(&secrets, now);
    let secret_value = |secret: &SecretInfo| {
        json!({
            "id": secret.id,
            "label": secret.label,
            "state": secret.state(now).name(),
            "created_at": time(secret.created_at),
            "not_before": secret.not_before.map(time),
            "expires_at": secret.expires_at.map(time),
            "last_used_at": secret.last_used_at.map(time),
            "in_use": used.contains(&secret.id),
        })
    };
    let mut shown = value(&client);
    shown["secrets"] = secrets.iter().map(secret_value).collect();
    let text = || {
        let mut lines = vec![show(&client, &secrets, now)];
        let ending = secrets
            .iter()
            .filter(|secret| secret.state(now) == SecretState::Ending);
        lines.extend(ending.map(|secret| switched(secret, used.contains(&secret.id))));
        lines.join("\n")
    };
    Ok(output.data(&shown, text)?)
}

/// An app, as every command prints it.
pub(super) fn value(client: &Client) -> Value {
    let keys = |jwks: &JwkSet| serde_json::from_str::<Value>(jwks.as_str()).unwrap_or_default();
    json!({
        "client_id": client.id.as_str(),
        "name": client.name.as_str(),
        "scopes": client.scopes.names(),
        "reset_url": client.reset_url.as_ref().map(ResetUrl::as_str),
        "locale": client.locale.as_ref().map(Locale::as_str),
        "token_lifetime": client.token_lifetime.map(|t| t.num_seconds()),
        "auth_method": client.auth_method.name(),
        "jwks": client.jwks.as_ref().map(keys),
        "require_dpop": client.require_dpop,
        "registered_by": client.registered_by.as_ref().map(ClientId::as_str),
        "created_at": time(client.created_at),
        "disabled_at": client.disabled_at.map(time),
    })
}

pub(super) fn list(clients: &[Client]) -> String {
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

fn show(client: &Client, secrets: &[SecretInfo], now: Instant) -> String {
    let or = |value: Option<String>, other: &str| value.unwrap_or_else(|| other.to_owned());
    let lifetime = client
        .token_lifetime
        .map(|t| format!("{} s", t.num_seconds()));
    let reset_url = client.reset_url.as_ref().map(|u| u.as_str().to_owned());
    let locale = client.locale.as_ref().map(|l| l.as_str().to_owned());
    let keys = match &client.jwks {
        Some(jwks) => keys(jwks),
        None => "(none)".to_owned(),
    };
    let registrar = client.registered_by.as_ref().map(ClientId::to_string);
    let mut rows = vec![
        ("client_id", client.id.to_string()),
        ("name", client.name.as_str().to_owned()),
        ("scopes", client.scopes.to_string()),
        ("reset_url", or(reset_url, "(the built-in page)")),
        ("locale", or(locale, "(none)")),
        ("token_lifetime", or(lifetime, "(as configured)")),
        ("auth_method", client.auth_method.name().to_owned()),
        ("jwks", keys),
        ("require_dpop", client.require_dpop.to_string()),
        ("registered_by", or(registrar, "(an operator)")),
        ("created_at", time(client.created_at)),
        ("disabled_at", or(client.disabled_at.map(time), "(enabled)")),
    ];
    rows.extend(
        secrets
            .iter()
            .map(|secret| ("secret", describe(secret, now))),
    );
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(name, value)| vec![name.to_owned(), value])
        .collect();
    table(&rows)
}

/// How many keys there are, what they are called, and which ones they are (RFC 7638): a name may stay while the key is another.
pub(super) fn keys(jwks: &JwkSet) -> String {
    // A client that registered itself chose the names: nothing of theirs may steer a terminal.
    let plain = |name: &&str| name.bytes().all(|b| b.is_ascii_graphic());
    let names = jwks.keys().into_iter().map(|key| {
        let thumbprint = URL_SAFE_NO_PAD.encode(key.key.thumbprint());
        match key.kid.as_deref().filter(plain) {
            Some(name) => format!("{name} ({thumbprint})"),
            None => thumbprint,
        }
    });
    let names: Vec<_> = names.collect();
    let count = match names.len() {
        1 => "1 key".to_owned(),
        many => format!("{many} keys"),
    };
    format!("{count}: {}", names.join(", "))
}

fn describe(secret: &SecretInfo, now: Instant) -> String {
    let label = secret.label.as_deref().unwrap_or("(no label)");
    let state = match (secret.state(now), secret.not_before, secret.expires_at) {
        (SecretState::Waiting, Some(start), _) => format!("works from {}", time(start)),
        (SecretState::Ending, _, Some(end)) => format!("works until {}", time(end)),
        (SecretState::Ended, _, Some(end)) => format!("ended {}", time(end)),
        _ => "works".to_owned(),
    };
    let used = secret.last_used_at.map_or_else(
        || "never used".to_owned(),
        |at| format!("last used {}", time(at)),
    );
    let (made, id) = (time(secret.created_at), secret.id);
    format!("{label}: {state}; made {made}; {used}; id {id}")
}

/// Whether the app has changed over to a newer secret.
fn switched(secret: &SecretInfo, in_use: bool) -> String {
    let name = secret
        .label
        .clone()
        .unwrap_or_else(|| secret.id.to_string());
    let end = secret.expires_at.map(time).unwrap_or_default();
    if in_use {
        format!(
            "The secret {name} is still in use although it ends {end}: the app has not changed over yet."
        )
    } else if secret.last_used_at.is_none() {
        format!("The secret {name}, which ends {end}, was never used.")
    } else {
        format!("The secret {name}, which ends {end}, is not in use any more.")
    }
}

/// An instant, as all output has it: RFC 3339 in UTC.
pub(in crate::cli) fn time(at: Instant) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
