//! `unforget migrate`, `unforget purge`

use serde_json::json;

use super::CliError;
use super::output::{Output, count};
use crate::config::Settings;
use crate::flows::Flows;
use crate::server::ServerError;
use crate::storage::Storage;

pub(super) fn migrate(settings: &Settings, output: &Output) -> Result<(), CliError> {
    let ran = Storage::migrate(&settings.database_url).map_err(ServerError::from)?;
    let text = || match ran.as_slice() {
        [] => "The database is up to date.".to_owned(),
        names => format!("Ran {}. The database is up to date.", names.join(", ")),
    };
    Ok(output.data(&json!({"ran": ran}), text)?)
}

pub(super) async fn purge(flows: &Flows, output: &Output) -> Result<(), CliError> {
    let purged = flows.purge().await?;
    let value = json!({
        "access_tokens": purged.access_tokens,
        "reset_tokens": purged.reset_tokens,
        "mails": purged.mails,
        "client_secrets": purged.client_secrets,
        "guesses": purged.guesses,
        "spent_ids": purged.spent_ids,
        "audit": purged.audit,
    });
    let text = || {
        format!(
            "Deleted {}, {}, {}, {}, {} and {} that had ended, and {} old enough.",
            count(purged.access_tokens, "access token", "access tokens"),
            count(purged.reset_tokens, "reset token", "reset tokens"),
            count(purged.mails, "mail", "mails"),
            count(purged.client_secrets, "client secret", "client secrets"),
            count(
                purged.guesses,
                "count of wrong passwords",
                "counts of wrong passwords"
            ),
            count(purged.spent_ids, "spent id", "spent ids"),
            count(purged.audit, "entry of the audit", "entries of the audit"),
        )
    };
    Ok(output.data(&value, text)?)
}
