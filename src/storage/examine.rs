//! What an operator should know of a database, found out without making or migrating one.

use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use super::backup::check;
use super::columns::{At, InstantSql};
use super::error::{Result, StorageError};
use super::{AnyConnection, SchemaStatus, Storage, migrations};
use crate::clock;
use crate::domain::{DatabaseUrl, Instant};

/// What was found.
#[derive(Debug, Clone)]
pub struct Examined {
    /// Which database, with its version.
    pub version: String,
    /// How its tables compare with what this program expects; none when it lets nobody write, for then nobody can say.
    pub schema: Option<SchemaStatus>,
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

impl Storage {
    /// Looks at the database that the URL names. None: it is a file that is not there yet. Takes as long as the database does.
    pub fn examine(url: &DatabaseUrl) -> Result<Option<Examined>> {
        if let DatabaseUrl::Sqlite(path) = url
            && matches!(path.try_exists(), Ok(false))
        {
            return Ok(None);
        }
        let examine = || match AnyConnection::open(url)? {
            AnyConnection::Sqlite(c) => sqlite(c),
            AnyConnection::Postgres(c) => postgres(c),
        };
        examine()
            .map(Some)
            .map_err(|error: StorageError| error.opening(&url.masked()))
    }
}

fn sqlite(mut c: SqliteConnection) -> Result<Examined> {
    let query = "SELECT sqlite_version() AS version, j.journal_mode AS journal, s.synchronous AS synchronous \
                 FROM pragma_journal_mode AS j, pragma_synchronous AS s";
    let said: Said = diesel::sql_query(query).get_result(&mut c)?;
    let integrity = check(&mut c, "quick_check")?;
    Ok(Examined {
        version: format!("SQLite {}", said.version),
        schema: Some(migrations::status(&mut AnyConnection::Sqlite(c))?),
        kind: Kind::Sqlite {
            integrity,
            journal: said.journal,
            synchronous: said.synchronous,
        },
    })
}

fn postgres(mut c: PgConnection) -> Result<Examined> {
    let query = "SELECT split_part(version(), ' on ', 1) AS version, \
                 (SELECT setting::bigint FROM pg_settings WHERE name = 'max_connections') AS max_connections, \
                 pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS read_only";
    let server: Server = diesel::sql_query(query).get_result(&mut c)?;
    let asked = clock::monotonic();
    let time: Time = diesel::sql_query("SELECT clock_timestamp() AS now").get_result(&mut c)?;
    let answered_in = asked.elapsed();
    let schema = match server.read_only {
        true => None,
        false => Some(migrations::status(&mut AnyConnection::Postgres(c))?),
    };
    Ok(Examined {
        version: server.version,
        schema,
        kind: Kind::Postgres {
            max_connections: server.max_connections.unwrap_or(i64::MAX),
            read_only: server.read_only,
            now: time.now.0,
            answered_in,
        },
    })
}
