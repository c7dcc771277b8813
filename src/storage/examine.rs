//! What an operator should know of a database, found out without making or migrating one.

use std::path::Path;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text};
use rustix::fs::Access;

use super::backup::check;
use super::columns::{At, InstantSql};
use super::error::{Result, StorageError};
use super::schema::TABLES;
use super::{AnyConnection, SchemaStatus, Storage, migrations};
use crate::clock;
use crate::domain::{DatabaseUrl, Instant};

/// What was found.
#[derive(Debug, Clone)]
pub struct Examined {
    /// Which database, with its version.
    pub version: String,
    /// How its tables compare with what this program expects.
    pub schema: SchemaStatus,
    /// What keeps the service from using them.
    pub lacks: Option<String>,
    /// What is said of one kind only.
    pub kind: Kind,
}

/// What is said of one kind of database only.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A file.
    Sqlite {
        /// "ok", or what `quick_check` found first.
        integrity: String,
        /// `wal`, as it should be.
        journal: String,
        /// 2 is FULL.
        synchronous: i64,
    },
    /// A server.
    Postgres {
        /// How many connections it takes in all.
        max_connections: i64,
        /// Whether it takes no writes: a standby, or told so.
        read_only: bool,
        /// What time it says it is.
        now: Instant,
        /// How long it took to ask for that.
        answered_in: Duration,
    },
}

#[derive(QueryableByName)]
struct Said {
    #[diesel(sql_type = Text)]
    version: String,
    #[diesel(sql_type = Text)]
    journal: String,
    #[diesel(sql_type = BigInt)]
    synchronous: i64,
}

#[derive(QueryableByName)]
struct Server {
    #[diesel(sql_type = Text)]
    version: String,
    #[diesel(sql_type = Nullable<BigInt>)]
    max_connections: Option<i64>,
    #[diesel(sql_type = Bool)]
    read_only: bool,
}

#[derive(QueryableByName)]
struct Time {
    #[diesel(sql_type = InstantSql)]
    now: At,
}

#[derive(QueryableByName)]
struct Lack {
    #[diesel(sql_type = Text)]
    lack: String,
}

impl Storage {
    /// Looks at the database that the URL names. None: it is a file that is not there yet, and can be made. Takes as long as the
    /// database does.
    pub fn examine(url: &DatabaseUrl) -> Result<Option<Examined>> {
        let examine = || {
            if let DatabaseUrl::Sqlite(path) = url {
                let missing = matches!(path.try_exists(), Ok(false));
                may_write_beside(path)?;
                if missing {
                    return Ok(None);
                }
            }
            match AnyConnection::open_as_is(url)? {
                AnyConnection::Sqlite(c) => sqlite(c).map(Some),
                AnyConnection::Postgres(c) => postgres(c).map(Some),
            }
        };
        examine().map_err(|error: StorageError| error.opening(&url.masked()))
    }
}

/// The log of SQLite lies beside its file, and missing folders are made: the nearest that is there must let us.
fn may_write_beside(file: &Path) -> Result<()> {
    let there = |folder: &&Path| !matches!(folder.try_exists(), Ok(false));
    // Of a relative path, the last folder has no name.
    let named = |folder| {
        if folder == Path::new("") {
            Path::new(".")
        } else {
            folder
        }
    };
    let nearest = file.ancestors().skip(1).map(named).find(there);
    let nearest = nearest.unwrap_or(Path::new("/"));
    let folder_only = nearest.join(".");
    let can = rustix::fs::access(folder_only, Access::WRITE_OK | Access::EXEC_OK);
    can.map_err(|error| {
        let error = std::io::Error::from(error);
        StorageError::Unavailable(format!("cannot write in {}: {error}", nearest.display()))
    })
}

fn sqlite(mut c: SqliteConnection) -> Result<Examined> {
    let query = "SELECT sqlite_version() AS version, j.journal_mode AS journal, s.synchronous AS synchronous \
                 FROM pragma_journal_mode AS j, pragma_synchronous AS s";
    let said: Said = diesel::sql_query(query).get_result(&mut c)?;
    let integrity = check(&mut c, "quick_check")?;
    let mut c = AnyConnection::Sqlite(c);
    let schema = migrations::status(&mut c)?;
    let lacks = match &schema {
        SchemaStatus::Current => try_to_write(&mut c, &TABLES)?,
        SchemaStatus::Behind(_) => try_to_write(&mut c, &[])?,
        SchemaStatus::Newer(_) | SchemaStatus::Foreign => None,
    };
    Ok(Examined {
        version: format!("SQLite {}", said.version),
        schema,
        lacks,
        kind: Kind::Sqlite {
            integrity,
            journal: said.journal,
            synchronous: said.synchronous,
        },
    })
}

/// What SQLite says against a transaction that writes, and against statements that would write if they found anything.
fn try_to_write(c: &mut AnyConnection, tables: &[&str]) -> Result<Option<String>> {
    match c.begin_write() {
        Err(busy @ StorageError::Busy(_)) => return Err(busy),
        Err(refused) => return Ok(Some(refused.to_string())),
        Ok(()) => {}
    }
    let refused = tables.iter().find_map(|table| {
        let nothing = format!("DELETE FROM {table} WHERE 0");
        c.batch_execute(&nothing).err()
    });
    c.rollback()?;
    Ok(refused.map(|error| error.to_string()))
}

fn postgres(mut c: PgConnection) -> Result<Examined> {
    let query = "SELECT split_part(version(), ' on ', 1) AS version, \
                 (SELECT setting::bigint FROM pg_settings WHERE name = 'max_connections') AS max_connections, \
                 pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS read_only";
    let server: Server = diesel::sql_query(query).get_result(&mut c)?;
    let asked = clock::monotonic();
    let time: Time = diesel::sql_query("SELECT clock_timestamp() AS now").get_result(&mut c)?;
    let answered_in = asked.elapsed();
    let mut c = AnyConnection::Postgres(c);
    let schema = migrations::status(&mut c)?;
    let lacks = match &schema {
        SchemaStatus::Current => ask_for_rights(&mut c)?,
        _ => None,
    };
    Ok(Examined {
        version: server.version,
        schema,
        lacks,
        kind: Kind::Postgres {
            max_connections: server.max_connections.unwrap_or(i64::MAX),
            read_only: server.read_only,
            now: time.now.0,
            answered_in,
        },
    })
}

/// The first table that is missing, or the first right on one.
fn ask_for_rights(c: &mut AnyConnection) -> Result<Option<String>> {
    let query = "SELECT CASE WHEN to_regclass(name) IS NULL THEN 'there is no table ' || name \
                 ELSE 'no right to ' || needed || ' in the table ' || name END AS lack \
                 FROM unnest($1) AS name, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS needed \
                 WHERE to_regclass(name) IS NULL OR NOT has_table_privilege(to_regclass(name), needed) LIMIT 1";
    let AnyConnection::Postgres(c) = c else {
        return Ok(None);
    };
    let query = diesel::sql_query(query).bind::<Array<Text>, _>(TABLES.to_vec());
    let lacks: Vec<Lack> = query.load(c)?;
    Ok(lacks.into_iter().next().map(|found| found.lack))
}
