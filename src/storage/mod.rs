//! The database, behind two gates. The only folder that knows Diesel, SQL and tables; it knows nothing of HTTP or mail.

pub mod access_tokens;
pub mod audit;
pub mod backup;
pub mod client_secrets;
pub mod clients;
mod columns;
mod connection;
mod error;
mod examine;
pub mod guesses;
pub mod issue;
pub mod jtis;
mod lane;
mod libpq_url;
pub mod limits;
pub mod mails;
mod migrations;
pub mod own_keys;
mod pool;
mod queue;
mod remembered;
pub mod reset_tokens;
mod schema;
mod timing;
pub mod user_batches;
pub mod users;
mod wal;

use std::sync::Arc;

use tracing::Instrument;

pub use backup::BackUpError;
pub use connection::AnyConnection;
pub use error::{Result, StorageError};
pub use examine::{Examined, Kind};
pub use migrations::SchemaStatus;

use crate::domain::DatabaseUrl;
use crate::telemetry::metrics::{StorageLevel, StorageMetrics};
use issue::Issuing;
use lane::{Lane, Mode, Undo};
use pool::{Does, Pool};
use remembered::Epochs;
pub use remembered::{Kind as Remembered, Memory};
use timing::timed;

/// The two gates to the database. Each takes a closure over a connection, runs it off the async threads, and answers when
/// its effect is durable. Callers cannot tell which database is behind them.
#[derive(Clone)]
pub struct Storage(Arc<Inner>);

struct Inner {
    backend: Backend,
    epochs: Arc<Epochs>,
    metrics: Arc<StorageMetrics>,
}

enum Backend {
    Sqlite { writes: Lane, reads: Lane },
    Postgres { calls: Pool, tokens: Arc<Issuing> },
}

/// What happens with a database that is not up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// Make it when it is missing, and bring it up to date.
    Migrate,
    /// Make it when it is missing or empty, for then there is nothing to lose; refuse one that is behind.
    Create,
    /// Refuse it, and make nothing.
    Require,
}

impl Storage {
    /// Opens the database that the URL names, or says why it cannot be opened: at once, and never by falling back to
    /// another one. `parallel` is the number of reads that may run side by side on SQLite, and of connections on PostgreSQL.
    pub fn open(url: &DatabaseUrl, parallel: u32, schema: Schema) -> Result<Self> {
        let open = || {
            match schema {
                Schema::Migrate => migrations::run(&mut AnyConnection::create(url)?).map(drop)?,
                Schema::Create => migrations::run_if_new(&mut AnyConnection::create(url)?)?,
                Schema::Require => migrations::require(&mut AnyConnection::open(url)?)?,
            }
            let epochs = Arc::<Epochs>::default();
            let metrics = Arc::<StorageMetrics>::default();
            let backend = match url {
                DatabaseUrl::Sqlite(_) => Backend::Sqlite {
                    writes: Lane::start(url, Mode::Write, 1, &epochs, &metrics)?,
                    reads: Lane::start(url, Mode::Read, parallel as usize, &epochs, &metrics)?,
                },
                DatabaseUrl::Postgres(_) => {
                    let losses = Arc::default();
                    let pool = |size| Pool::new(url, size, &epochs, &metrics, &losses);
                    Backend::Postgres {
                        calls: pool(parallel),
                        tokens: Issuing::new(pool(1), &metrics),
                    }
                }
            };
            Ok(Self(Arc::new(Inner {
                backend,
                epochs,
                metrics,
            })))
        };
        open().map_err(|error: StorageError| error.opening(&url.masked()))
    }

    /// Brings the database up to date and returns the names of the migrations that ran.
    pub fn migrate(url: &DatabaseUrl) -> Result<Vec<String>> {
        let run = || migrations::run(&mut AnyConnection::create(url)?);
        run().map_err(|error| error.opening(&url.masked()))
    }

    /// Runs a closure on a database as it is, without so much as choosing how it keeps its log.
    pub fn look<T>(
        url: &DatabaseUrl,
        work: impl FnOnce(&mut AnyConnection) -> Result<T>,
    ) -> Result<T> {
        let look = || work(&mut AnyConnection::open_as_is(url)?);
        look().map_err(|error| error.opening(&url.masked()))
    }

    /// Runs a closure that only reads.
    pub async fn read<T, E, F>(&self, work: F) -> std::result::Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
        F: FnOnce(&mut AnyConnection) -> std::result::Result<T, E> + Send + 'static,
    {
        let (span, work) = timed("read", work);
        let call = async {
            match &self.0.backend {
                Backend::Sqlite { reads, .. } => reads.call(Undo::Nothing, work).await,
                Backend::Postgres { calls, .. } => calls.call(Does::Read, work).await,
            }
        };
        call.instrument(span).await
    }

    /// Runs a closure in a transaction: all of its writes are durable when this returns `Ok`, none when it returns `Err`.
    pub async fn write<T, E, F>(&self, work: F) -> std::result::Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
        F: FnOnce(&mut AnyConnection) -> std::result::Result<T, E> + Send + 'static,
    {
        self.write_with(Undo::Savepoint, Does::Write, work).await
    }

    /// Like `write`, for a closure whose only write is its last statement: whatever it reads before. It is cheaper on SQLite,
    /// where a statement that fails undoes itself and needs no savepoint.
    pub async fn write_last<T, E, F>(&self, work: F) -> std::result::Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
        F: FnOnce(&mut AnyConnection) -> std::result::Result<T, E> + Send + 'static,
    {
        self.write_with(Undo::Nothing, Does::Write, work).await
    }

    /// Like `write`, for a closure that runs one statement that writes, and nothing that it must be undone with or that others must
    /// wait for. On PostgreSQL such a statement is a transaction of its own, without the round trips to begin and end one.
    pub async fn write_one<T, E, F>(&self, work: F) -> std::result::Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
        F: FnOnce(&mut AnyConnection) -> std::result::Result<T, E> + Send + 'static,
    {
        self.write_with(Undo::Nothing, Does::WriteOnce, work).await
    }

    async fn write_with<T, E, F>(
        &self,
        undo: Undo,
        does: Does,
        work: F,
    ) -> std::result::Result<T, E>
    where
        T: Send + 'static,
        E: From<StorageError> + Send + 'static,
        F: FnOnce(&mut AnyConnection) -> std::result::Result<T, E> + Send + 'static,
    {
        let (span, work) = timed("write", work);
        let call = async {
            match &self.0.backend {
                Backend::Sqlite { writes, .. } => writes.call(undo, work).await,
                Backend::Postgres { calls, .. } => calls.call(does, work).await,
            }
        };
        call.instrument(span).await
    }

    /// What the gates count.
    pub fn metrics(&self) -> Arc<StorageMetrics> {
        Arc::clone(&self.0.metrics)
    }

    /// Who waits before the gates now.
    pub fn level(&self) -> StorageLevel {
        match &self.0.backend {
            Backend::Sqlite { writes, reads } => StorageLevel::Sqlite {
                reads: reads.waiting(),
                writes: writes.waiting(),
            },
            Backend::Postgres { calls, tokens } => StorageLevel::Postgres {
                calls: calls.level(),
                tokens: tokens.level(),
            },
        }
    }

    fn epochs(&self) -> &Epochs {
        &self.0.epochs
    }

    /// Whether the database answers, and how its tables compare with what this program expects.
    pub async fn schema_status(&self) -> Result<SchemaStatus> {
        self.read(migrations::status).await
    }
}
