//! `unforget backup`, and what has to follow when a backup comes back: `unforget revoke-all`.

use std::path::Path;

use serde_json::json;

use super::CliError;
use super::export_file::ExportFile;
use super::output::{Output, count};
use crate::config::Settings;
use crate::domain::DatabaseUrl;
use crate::flows::{By, Flows};
use crate::server::ServerError;
use crate::storage::{BackUpError, Storage};

/// Copies the SQLite file beside whoever uses it. The copy gets its name when it is whole, checked, and on the disk.
pub(super) fn backup(
    file: &Path,
    force: bool,
    settings: &Settings,
    output: &Output,
) -> Result<(), CliError> {
    let shown = file.display();
    let DatabaseUrl::Sqlite(database) = &settings.database_url else {
        // Its own tool belongs to the server's version, which ours cannot know; it takes the password from where others do not see it.
        return Err(CliError::refused(format!(
            "PostgreSQL has a tool of its own, which takes the password from ~/.pgpass: pg_dump --format=custom --file='{shown}' '{}'",
            settings.database_url.without_password()
        )));
    };
    let no_file = || CliError::refused(format!("{shown} is no file"));
    // Opening a pipe waits for somebody who reads it.
    if file.exists() && !file.is_file() {
        return Err(no_file());
    }
    if file.exists() && !force {
        return Err(CliError::refused(format!(
            "{shown} is there already; --force replaces it"
        )));
    }
    let cannot = |error| CliError::refused(format!("cannot write {shown}: {error}"));
    let copy = ExportFile::open(file, &settings.database_url).map_err(cannot)?;
    let Some(partial) = copy.partial() else {
        return Err(no_file());
    };
    Storage::back_up(database, partial).map_err(|error| match error {
        BackUpError::Database(error) => CliError::from(ServerError::from(error)),
        BackUpError::Copy(why) => CliError::refused(format!("cannot write {shown}: {why}")),
    })?;
    let bytes = copy.file().metadata().map_err(cannot)?.len();
    copy.finish().map_err(cannot)?;
    let value = json!({"file": shown.to_string(), "bytes": bytes, "status": "written"});
    Ok(output.data(&value, || {
        format!("{shown} is a whole copy ({bytes} bytes). To restore it: stop the service, delete the -wal and -shm beside the database, put the copy in \
                 its place, and run `unforget revoke-all --yes` before the service starts.")
    })?)
}

/// Ends what lets somebody in without a password or a client secret.
pub(super) async fn revoke_all(flows: &Flows, output: &Output) -> Result<(), CliError> {
    let ended = flows.end_all_access(By::Operator).await?;
    let value = json!({
        "access_tokens": ended.access_tokens,
        "reset_links": ended.reset_links,
        "reset_mails": ended.reset_mails,
        "registration_tokens": ended.registration_tokens,
    });
    let printed = output.data(&value, || {
        format!(
            "Ended {}, {}, {} and {}. Passwords and client secrets stay.",
            count(ended.access_tokens, "access token", "access tokens"),
            count(ended.reset_links, "reset link", "reset links"),
            count(
                ended.reset_mails,
                "reset mail that waited",
                "reset mails that waited"
            ),
            count(
                ended.registration_tokens,
                "registration token",
                "registration tokens"
            ),
        )
    });
    // It is done: nobody is to think that it was not, even if nobody reads what we print.
    printed.map_err(|error| {
        CliError::refused(format!(
            "every token and link was ended, but that could not be printed ({error})"
        ))
    })
}
