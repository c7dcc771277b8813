//! The database: that it opens, is whole, up to date and safe from others' eyes, and that its clock agrees with ours.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use chrono::TimeDelta;

use super::{Check, Level, in_time, late};
use crate::clock::Clock;
use crate::config::Settings;
use crate::domain::DatabaseUrl;
use crate::storage::{Examined, Kind, SchemaStatus, Storage, clients};

const DATABASE: &str = "database";
const CLOCK: &str = "clock";
/// Less room than this is soon full.
const LITTLE_ROOM: u64 = 1 << 30;
/// Connections that others than we need: administrators, backups.
const OTHERS: i64 = 10;
/// The connection that each node has for issuing tokens, beside those of `database_parallel`.
const TOKENS: i64 = 1;
/// Nodes whose clocks differ by more may disagree on what has ended.
const DOUBTFUL: TimeDelta = TimeDelta::seconds(2);
/// Beyond this signed assertions and proofs are refused (RFC 9449 section 11.1).
const BROKEN: TimeDelta = TimeDelta::seconds(30);

pub(super) async fn examine(settings: &Settings, clock: &Clock) -> Vec<Check> {
    let url = settings.database_url.clone();
    let examined = in_time(move || Storage::examine(&url)).await;
    let mut checks = match examined {
        None => vec![Check::error(
            DATABASE,
            format!("{}: {}", settings.database_url.masked(), late()),
        )],
        Some(Err(error)) => vec![Check::error(DATABASE, format!("database_url: {error}"))],
        Some(Ok(None)) => vec![Check::warning(
            DATABASE,
            format!(
                "{} is not there yet; `unforget migrate` makes it",
                settings.database_url.masked()
            ),
        )],
        Some(Ok(Some(found))) => {
            let mut checks = vec![state(settings, &found), time(&found, clock)];
            if checks[0].level != Level::Error && found.schema == SchemaStatus::Current {
                checks.extend(named_clients(settings).await);
            }
            checks
        }
    };
    if let DatabaseUrl::Sqlite(path) = &settings.database_url {
        checks.extend(files(path));
        checks.extend(room(path).await);
    }
    checks
}

fn state(settings: &Settings, found: &Examined) -> Check {
    let Examined {
        version,
        schema,
        lacks,
        ..
    } = found;
    let wrong = match &found.kind {
        Kind::Sqlite { integrity, .. } if integrity != "ok" => Some(format!(
            "the file is damaged ({integrity}); restore a backup"
        )),
        Kind::Sqlite { synchronous, .. } if *synchronous != 2 => {
            Some(format!("synchronous is {synchronous}, not 2"))
        }
        Kind::Postgres {
            read_only: true, ..
        } => Some(
            "it takes no writes: it is a standby, or default_transaction_read_only is on"
                .to_owned(),
        ),
        _ => match schema {
            SchemaStatus::Behind(_) if settings.auto_migrate => lacks.clone(),
            SchemaStatus::Current => lacks.clone(),
            other => Some(other.to_string()),
        },
    };
    if let Some(wrong) = wrong {
        return Check::error(DATABASE, format!("{version}: {wrong}"));
    }
    if let behind @ SchemaStatus::Behind(_) = schema {
        return Check::warning(DATABASE, format!("{version}: {behind}"));
    }
    match &found.kind {
        Kind::Sqlite { journal, .. } if journal != "wal" => Check::warning(
            DATABASE,
            format!(
                "{version}: journal_mode is {journal}, and serve makes it wal; if it does not stay so, keep the file on a local disk"
            ),
        ),
        Kind::Sqlite { .. } => Check::ok(DATABASE, format!("{version}: whole and up to date")),
        Kind::Postgres {
            max_connections,
            answered_in,
            ..
        } => {
            let own = i64::from(settings.database_parallel);
            let nodes = (max_connections - OTHERS).max(0) / (own + TOKENS);
            let text = format!(
                "{version}: up to date, answers in {:.1} ms, max_connections {max_connections} is enough for {nodes} nodes \
                 of database_parallel {own}",
                answered_in.as_secs_f64() * 1000.0
            );
            match nodes {
                0 => Check::error(
                    DATABASE,
                    format!("{text}; raise the one or lower the other"),
                ),
                _ => Check::ok(DATABASE, text),
            }
        }
    }
}

fn time(found: &Examined, clock: &Clock) -> Check {
    let Kind::Postgres {
        now, answered_in, ..
    } = &found.kind
    else {
        return Check::ok(CLOCK, "the database has no clock of its own");
    };
    // The answer is as old as the way back and what came after it.
    let apart = (clock.now() - now).abs();
    let said = format!(
        "the database server's differs by {} ms (asking took {} ms)",
        apart.num_milliseconds(),
        answered_in.as_millis()
    );
    if apart > BROKEN {
        Check::error(CLOCK, format!("{said}; set both by NTP"))
    } else if apart > DOUBTFUL {
        Check::warning(CLOCK, format!("{said}; set both by NTP"))
    } else {
        Check::ok(CLOCK, said)
    }
}

/// Those that the configuration names must be there.
async fn named_clients(settings: &Settings) -> Vec<Check> {
    let named = [
        ("page_client", "page.client", &settings.page_client),
        (
            "interslice_client",
            "contracts.interslice_client",
            &settings.interslice_client,
        ),
    ];
    let mut checks = Vec::new();
    for (name, key, id) in named {
        let Some(id) = id.clone() else { continue };
        let url = settings.database_url.clone();
        let sought = id.clone();
        let found = in_time(move || Storage::look(&url, |c| clients::find(c, &sought))).await;
        let error = |reason: String| Check::error(name, format!("{key} {id}: {reason}"));
        checks.push(match found {
            Some(Ok(Some(client))) if client.disabled_at.is_none() => {
                Check::ok(name, format!("{key} {id} is there"))
            }
            Some(Ok(Some(_))) => Check::error(name, format!("{key} {id} is switched off")),
            Some(Ok(None)) => error("there is no such client".to_owned()),
            Some(Err(reason)) => error(reason.to_string()),
            None => error(late()),
        });
    }
    checks
}

/// Nobody else may read the file of SQLite, its log, or its folder's names.
fn files(path: &Path) -> Option<Check> {
    const NAME: &str = "database_files";
    let beside = |end: &str| PathBuf::from(format!("{}{end}", path.display()));
    let all = [path.to_owned(), beside("-wal"), beside("-shm")];
    let mut seen = 0;
    for file in all {
        let Ok(metadata) = file.metadata() else {
            continue;
        };
        seen += 1;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let text = format!(
                "{0} has mode {mode:o}, and others may read or change it; chmod 600 {0}",
                file.display()
            );
            return Some(Check::error(NAME, text));
        }
    }
    (seen > 0).then(|| Check::ok(NAME, "only their owner may read them"))
}

async fn room(path: &Path) -> Option<Check> {
    const NAME: &str = "disk";
    let folder = path.parent().filter(|f| !f.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).to_owned();
    let shown = folder.display().to_string();
    // The folder may be that of a file system that has fallen silent.
    let found = in_time(move || rustix::fs::statvfs(&folder)).await?.ok()?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let text = format!("{} MiB are free in {shown}", free >> 20);
    Some(match free {
        _ if free < LITTLE_ROOM / 16 => Check::error(NAME, format!("{text}; make room")),
        _ if free < LITTLE_ROOM => Check::warning(NAME, format!("{text}; make room")),
        _ => Check::ok(NAME, text),
    })
}
