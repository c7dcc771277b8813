//! Bringing a database up to date, and refusing one that is newer than this program.

use diesel::migration::{Migration, MigrationSource};
use diesel::prelude::*;
use diesel::sql_types::Text;
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

/// The same for a database that is new; any other has to be up to date already.
pub(super) fn run_if_new(connection: &mut AnyConnection) -> Result<()> {
    match status(connection)? {
        new if new.is_new() => run(connection).map(drop),
        other => other.require(),
    }
}

/// Refuses a database that is not up to date.
pub(super) fn require(connection: &mut AnyConnection) -> Result<()> {
    status(connection)?.require()
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

/// Compares without changing anything: this is asked of databases that are not ours, and with rights that make no tables.
pub(super) fn status(connection: &mut AnyConnection) -> Result<SchemaStatus> {
    let known: Vec<_> = MigrationSource::<MultiBackend>::migrations(&source(connection))
        .map_err(failed)?
        .iter()
        .map(|migration| {
            (
                migration.name().version().to_string(),
                migration.name().to_string(),
            )
        })
        .collect();
    if connection.has_foreign_tables()? {
        return Ok(SchemaStatus::Foreign);
    }
    let applied = applied(connection)?;
    let unknown: Vec<_> = applied
        .iter()
        .filter(|v| !known.iter().any(|(k, _)| k == *v))
        .cloned()
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

/// What has run. Diesel's own question makes the list when it is missing.
fn applied(connection: &mut AnyConnection) -> Result<Vec<String>> {
    #[derive(QueryableByName)]
    struct Applied {
        #[diesel(sql_type = Text)]
        version: String,
    }
    if !connection.has_migrations()? {
        return Ok(Vec::new());
    }
    let query = diesel::sql_query("SELECT version FROM __diesel_schema_migrations");
    let applied: Vec<Applied> = match connection {
        AnyConnection::Sqlite(c) => query.load(c)?,
        AnyConnection::Postgres(c) => query.load(c)?,
    };
    Ok(applied.into_iter().map(|row| row.version).collect())
}

impl SchemaStatus {
    /// Whether nothing has run yet: there is no data that could be of an older program.
    fn is_new(&self) -> bool {
        let all = MigrationSource::<MultiBackend>::migrations(&SQLITE).map_or(0, |all| all.len());
        matches!(self, Self::Behind(names) if names.len() == all)
    }

    fn require(self) -> Result<()> {
        match self {
            Self::Current => Ok(()),
            refused => Err(StorageError::Unavailable(refused.to_string())),
        }
    }
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
