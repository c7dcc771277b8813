//! `unforget migrate`, `unforget purge`

use serde_json::json;

use super::CliError;
use super::output::Output;
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
            "Deleted {} access tokens, {} reset tokens, {} mails and {} client secrets that had ended, and {} entries of the audit that \
             were old enough.",
            purged.access_tokens,
            purged.reset_tokens,
            purged.mails,
            purged.client_secrets,
            purged.audit
        )
    };
    Ok(output.data(&value, text)?)
}
