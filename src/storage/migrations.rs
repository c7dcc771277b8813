//! Bringing a database up to date, and refusing one that is newer than this program.

use diesel::migration::{Migration, MigrationSource, MigrationVersion};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connection::{AnyConnection, MultiBackend};
use super::error::{Result, StorageError};

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// How a database's tables compare with what this program expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaStatus {
    /// Just as expected.
    Current,
    /// These migrations have yet to run.
    Behind(Vec<String>),
    /// A newer program has been here; these migrations are unknown to us.
    Newer(Vec<String>),
    /// It holds the tables of another program.
    Foreign,
}

/// Runs what has yet to run, all of it or nothing, and returns the names. Programs that start together wait for each other
/// (bar D11); Diesel by itself takes no lock.
pub(super) fn run(connection: &mut AnyConnection) -> Result<Vec<String>> {
    connection.wait_for_migrations()?;
    connection.begin_write()?;
    let names = match run_locked(connection) {
        Ok(names) => connection.commit().map(|()| names),
        Err(error) => {
            connection.rollback()?;
            Err(error)
        }
    }?;
    connection.wait_as_usual()?;
    Ok(names)
}

fn run_locked(connection: &mut AnyConnection) -> Result<Vec<String>> {
    connection.lift_limits()?;
    connection.serialise_on("migrations")?;
    let pending = match status(connection)? {
        SchemaStatus::Current => return Ok(Vec::new()),
        SchemaStatus::Behind(names) => names,
        refused => return Err(StorageError::Unavailable(refused.to_string())),
    };
    connection
        .run_pending_migrations(source(connection))
        .map_err(failed)?;
    Ok(pending)
}

/// Compares without changing anything but the list of migrations itself, which is made when it is missing.
pub(super) fn status(connection: &mut AnyConnection) -> Result<SchemaStatus> {
    let known: Vec<_> = MigrationSource::<MultiBackend>::migrations(&source(connection))
        .map_err(failed)?
        .iter()
        .map(|migration| {
            (
                migration.name().version().as_owned(),
                migration.name().to_string(),
            )
        })
        .collect();
    if connection.has_foreign_tables()? {
        return Ok(SchemaStatus::Foreign);
    }
    let applied = connection.applied_migrations().map_err(failed)?;
    let unknown: Vec<_> = applied
        .iter()
        .filter(|v| !known.iter().any(|(k, _)| k == *v))
        .map(MigrationVersion::to_string)
        .collect();
    if !unknown.is_empty() {
        if applied.len() == unknown.len() {
            return Ok(SchemaStatus::Foreign); // not even the first one is ours
        }
        return Ok(SchemaStatus::Newer(unknown));
    }
    let pending: Vec<_> = known
        .into_iter()
        .filter(|(version, _)| !applied.contains(version))
        .map(|(_, name)| name)
        .collect();
    Ok(if pending.is_empty() {
        SchemaStatus::Current
    } else {
        SchemaStatus::Behind(pending)
    })
}

impl std::fmt::Display for SchemaStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Current => f.write_str("the database is up to date"),
            Self::Behind(names) => write!(
                f,
                "the database waits for migrations: {} (run `unforget migrate`)",
                names.join(", ")
            ),
            Self::Newer(versions) => {
                write!(
                    f,
                    "the database is newer than this program: it has migrations {} (install a newer unforget)",
                    versions.join(", ")
                )
            }
            Self::Foreign => f.write_str(
                "the database is another program's: it has tables that are not ours (choose an empty one)",
            ),
        }
    }
}

fn source(connection: &AnyConnection) -> EmbeddedMigrations {
    match connection {
        AnyConnection::Sqlite(_) => SQLITE,
        AnyConnection::Postgres(_) => POSTGRES,
    }
}

fn failed(error: Box<dyn std::error::Error + Send + Sync>) -> StorageError {
    StorageError::Internal(format!("migrations: {error}"))
}
