//! One connection over either database: how it is opened, prepared and migrated, and how a transaction begins.

use std::path::Path;
use std::time::Duration;

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::error::{Result, StorageError};
use super::libpq_url::with_timeouts;
use super::migrations::{self, SchemaStatus};
use crate::domain::DatabaseUrl;

/// How long a statement waits for another process's lock on SQLite, and runs at most on PostgreSQL.
const STATEMENT_LIMIT_MS: u32 = 5000;

/// A connection to either database, with one set of queries for both.
///
/// Unique look-ups end in `get_result`, not `first`: that one binds a LIMIT, and SQLite compiles a statement anew at every
/// call when its LIMIT is a parameter (several times the cost of the look-up itself).
#[derive(diesel::MultiConnection)]
pub enum AnyConnection {
    /// PostgreSQL, and what speaks its protocol.
    Postgres(PgConnection),
    /// Embedded SQLite.
    Sqlite(SqliteConnection),
}

impl AnyConnection {
    /// Like `open`, but a missing SQLite file is made, with its folder, readable by its owner only (bar D13).
    pub(super) fn create(url: &DatabaseUrl) -> Result<Self> {
        if let DatabaseUrl::Sqlite(path) = url {
            create_private(path)
                .map_err(|e| StorageError::Unavailable(format!("cannot open the file: {e}")))?;
        }
        Self::open(url)
    }

    /// Opens a connection by the URL's scheme, with the real error when that fails.
    pub fn open(url: &DatabaseUrl) -> Result<Self> {
        let mut connection = Self::open_as_is(url)?;
        choose_wal(&mut connection)?;
        Ok(connection)
    }

    /// The same, changing nothing.
    pub(super) fn open_as_is(url: &DatabaseUrl) -> Result<Self> {
        match url {
            DatabaseUrl::Sqlite(path) => {
                if matches!(path.try_exists(), Ok(false)) {
                    let path = path.display();
                    let missing =
                        format!("there is no database at {path}; `unforget migrate` makes it");
                    return Err(StorageError::Unavailable(missing));
                }
                let text = path.to_string_lossy();
                // A leading "./" keeps SQLite from reading a name such as "file:x" as a URI.
                let text = if path.is_absolute() {
                    text.into_owned()
                } else {
                    format!("./{text}")
                };
                let mut sqlite = SqliteConnection::establish(&text)?;
                sqlite.batch_execute(&format!(
                    "PRAGMA busy_timeout = {STATEMENT_LIMIT_MS}; PRAGMA synchronous = FULL; \
                     PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;"
                ))?;
                Ok(Self::Sqlite(sqlite))
            }
            DatabaseUrl::Postgres(text) => {
                let mut postgres = PgConnection::establish(&with_timeouts(text))?;
                postgres.batch_execute(&format!(
                    "SET statement_timeout = {STATEMENT_LIMIT_MS}; SET lock_timeout = {STATEMENT_LIMIT_MS}; SET TIME ZONE 'UTC'; \
                     SET idle_in_transaction_session_timeout = {};",
                    2 * STATEMENT_LIMIT_MS
                ))?;
                Ok(Self::Postgres(postgres))
            }
        }
    }

    /// Begins a transaction that may write. On SQLite it takes the write lock at once: a read transaction that turns into a
    /// writing one would fail without waiting (bar D01).
    pub(super) fn begin_write(&mut self) -> Result<()> {
        match self {
            Self::Sqlite(c) => AnsiTransactionManager::begin_transaction_sql(c, "BEGIN IMMEDIATE")?,
            Self::Postgres(c) => AnsiTransactionManager::begin_transaction_sql(c, "BEGIN")?,
        }
        Ok(())
    }

    /// Begins a transaction that reads one state of the database; within a transaction, a savepoint.
    pub(super) fn begin(&mut self) -> Result<()> {
        Ok(Manager::begin_transaction(self)?)
    }

    /// Ends the innermost transaction or savepoint and keeps its writes.
    pub(super) fn commit(&mut self) -> Result<()> {
        Ok(Manager::commit_transaction(self)?)
    }

    /// Ends the innermost transaction or savepoint and undoes its writes.
    pub(super) fn rollback(&mut self) -> Result<()> {
        Ok(Manager::rollback_transaction(self)?)
    }

    /// Lets this transaction take its time: others wait for it, and large tables take long.
    pub(super) fn lift_limits(&mut self) -> Result<()> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(c) => Ok(c.batch_execute(
                "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '60s'",
            )?),
        }
    }

    /// Waits longer than usual for others' transactions to end: theirs may be a migration of large tables.
    pub(super) fn wait_for_migrations(&mut self) -> Result<()> {
        match self {
            Self::Sqlite(c) => Ok(c.batch_execute("PRAGMA busy_timeout = 60000")?),
            Self::Postgres(_) => Ok(()), // waits within its transaction
        }
    }

    /// Ends what `wait_for_migrations` began.
    pub(super) fn wait_as_usual(&mut self) -> Result<()> {
        match self {
            Self::Sqlite(c) => {
                Ok(c.batch_execute(&format!("PRAGMA busy_timeout = {STATEMENT_LIMIT_MS}"))?)
            }
            Self::Postgres(_) => Ok(()),
        }
    }

    /// Whether SQLite still has the transaction open that we began: after some failures (disk full, I/O error) it undoes all of it by
    /// itself, and what followed would be committed statement by statement.
    pub(super) fn kept_transaction(&mut self) -> bool {
        match self {
            Self::Sqlite(c) => {
                c.batch_execute("BEGIN").is_err() || c.batch_execute("ROLLBACK").is_err()
            }
            Self::Postgres(_) => true,
        }
    }

    /// Whether a transaction has begun and not ended.
    pub(super) fn in_transaction(&mut self) -> bool {
        let status = Manager::transaction_manager_status_mut(self);
        matches!(status.transaction_depth(), Ok(Some(_)))
    }

    /// Makes every write on this SQLite connection fail: what goes through the read gate only reads.
    pub(super) fn forbid_writes(&mut self) -> Result<()> {
        match self {
            Self::Sqlite(c) => Ok(c.batch_execute("PRAGMA query_only = ON")?),
            Self::Postgres(_) => Ok(()), // its pool serves both gates
        }
    }

    /// Gives the one connection that writes to SQLite room to work: digests are random, so every insert touches another page. What
    /// others leave in the log, it moves itself once that is long. A log that grew while somebody's long read kept it from being
    /// reset is cut again.
    pub(super) fn prepare_for_writes(&mut self) -> Result<()> {
        match self {
            // The last statement writes nothing, and is refused where the file may only be read: SQLite opens it all the same, and says
            // so no sooner than at the first write (bar D13).
            Self::Sqlite(c) => Ok(c.batch_execute(
                "PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = 8000; PRAGMA journal_size_limit = 33554432; \
                 DELETE FROM __diesel_schema_migrations WHERE 0",
            )?),
            Self::Postgres(_) => Ok(()),
        }
    }

    /// Moves what SQLite's log holds into the database, as far as nobody has to wait for it. PostgreSQL does so by itself.
    pub(super) fn checkpoint(&mut self) -> Result<()> {
        match self {
            Self::Sqlite(c) => Ok(c.batch_execute("PRAGMA wal_checkpoint(PASSIVE)")?),
            Self::Postgres(_) => Ok(()),
        }
    }

    /// Whether the transaction's state is unknown, so that the connection must not be used again.
    pub(super) fn is_broken(&mut self) -> bool {
        Manager::is_broken_transaction_manager(self)
    }

    /// Whether the server still answers and takes writes. One that has given them up to another answers on, and must be let go, so
    /// that the other is found (25006, bar D05).
    pub(super) fn takes_writes(&mut self) -> bool {
        match self {
            Self::Sqlite(_) => self.ping().is_ok(),
            Self::Postgres(c) => {
                let read_only =
                    diesel::dsl::sql::<Text>("current_setting('transaction_read_only')");
                let read_only: QueryResult<String> = diesel::select(read_only).get_result(c);
                read_only.is_ok_and(|read_only| read_only == "off")
            }
        }
    }

    /// Whether the server still answers.
    pub(super) fn ping(&mut self) -> Result<()> {
        Ok(self.batch_execute("SELECT 1")?)
    }

    /// Whether there is a list of migrations.
    pub(super) fn has_migrations(&mut self) -> Result<bool> {
        #[derive(QueryableByName)]
        struct Found {
            #[diesel(sql_type = BigInt)]
            lists: i64,
        }
        let found: Found = match self {
            Self::Sqlite(c) => {
                diesel::sql_query("SELECT COUNT(*) AS lists FROM sqlite_master WHERE type = 'table' AND name = '__diesel_schema_migrations'").get_result(c)?
            }
            Self::Postgres(c) => {
                diesel::sql_query("SELECT COUNT(to_regclass('__diesel_schema_migrations')) AS lists").get_result(c)?
            }
        };
        Ok(found.lists > 0)
    }

    /// Whether there are tables, and no list of migrations, which is what we make first. On PostgreSQL only those count that stand where
    /// ours would: extensions put theirs beside them.
    pub(super) fn has_foreign_tables(&mut self) -> Result<bool> {
        #[derive(QueryableByName)]
        struct Table {
            #[diesel(sql_type = Text)]
            name: String,
        }
        const LIST: &str = "__diesel_schema_migrations";
        let tables: Vec<Table> = match self {
            Self::Sqlite(c) => {
                diesel::sql_query("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'").load(c)?
            }
            Self::Postgres(c) => {
                diesel::sql_query("SELECT tablename::text AS name FROM pg_tables WHERE schemaname = current_schema() \
                                   AND tablename IN ('__diesel_schema_migrations', 'clients', 'users', 'mails', 'access_tokens')").load(c)?
            }
        };
        Ok(!tables.is_empty() && tables.iter().all(|table| table.name != LIST))
    }

    /// Lets transactions that concern the same key run one after the other, until this one ends. SQLite has one writer
    /// anyway.
    pub fn serialise_on(&mut self, key: &str) -> Result<()> {
        match self {
            Self::Sqlite(_) => Ok(()),
            Self::Postgres(c) => {
                #[derive(QueryableByName)]
                struct Locked {
                    #[diesel(sql_type = BigInt)]
                    #[diesel(column_name = locked)]
                    _locked: i64,
                }
                diesel::sql_query("SELECT 1::bigint AS locked FROM (SELECT pg_advisory_xact_lock(hashtextextended($1, 0))) AS held")
                    .bind::<Text, _>(key)
                    .load::<Locked>(c)?;
                Ok(())
            }
        }
    }
}

type Manager = <AnyConnection as Connection>::TransactionManager;

/// Turns SQLite's write-ahead log on, but not in another program's file. It stays on for good, but programs that meet at a new file
/// are refused at once, without the wait that every other statement has: each holds a read lock that the other wants gone.
fn choose_wal(connection: &mut AnyConnection) -> Result<()> {
    const PAUSE_MS: u32 = 10;
    if matches!(connection, AnyConnection::Postgres(_)) {
        return Ok(());
    }
    let mut tries = STATEMENT_LIMIT_MS / PAUSE_MS;
    // Each try is one look, so that all of them take as long as any statement may.
    connection.batch_execute("PRAGMA busy_timeout = 0")?;
    let chosen = loop {
        match try_wal(connection) {
            Err(StorageError::Busy(_)) if tries > 0 => {
                tries -= 1;
                std::thread::sleep(Duration::from_millis(PAUSE_MS.into()));
            }
            other => break other,
        }
    };
    connection.wait_as_usual()?;
    chosen
}

fn try_wal(connection: &mut AnyConnection) -> Result<()> {
    if journal_mode(connection)?.is_none_or(|mode| mode == "wal") {
        return Ok(());
    }
    if let foreign @ SchemaStatus::Foreign = migrations::status(connection)? {
        return Err(StorageError::Unavailable(foreign.to_string()));
    }
    connection.batch_execute("PRAGMA journal_mode = WAL")?;
    Ok(())
}

/// How SQLite keeps its log.
fn journal_mode(connection: &mut AnyConnection) -> Result<Option<String>> {
    #[derive(QueryableByName)]
    struct Journal {
        #[diesel(sql_type = Text)]
        journal_mode: String,
    }
    match connection {
        AnyConnection::Sqlite(c) => {
            let said: Journal = diesel::sql_query("PRAGMA journal_mode").get_result(c)?;
            Ok(Some(said.journal_mode))
        }
        AnyConnection::Postgres(_) => Ok(None),
    }
}

fn create_private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    if path.exists() {
        return Ok(());
    }
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let open = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match open {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => Err(e),
        _ => Ok(()),
    }
}

/// Runs a query on the connection inside, for the few queries that every request makes. Through the enum, Diesel writes the SQL anew
/// at every call, only to find the prepared statement; on a connection of a known type it does not.
macro_rules! directly {
    ($connection:ident, $run:expr) => {
        match $connection {
            $crate::storage::AnyConnection::Postgres($connection) => $run,
            $crate::storage::AnyConnection::Sqlite($connection) => $run,
        }
    };
}
pub(super) use directly;
