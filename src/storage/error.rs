//! What can go wrong between us and a database.

use diesel::result::{ConnectionError, DatabaseErrorKind, Error as DieselError};

/// A failure of storage. Callers learn only whether to come back later; the text is for the operator's log.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StorageError {
    /// Too much is waiting already, or another process holds the database: come back later.
    #[error("the database is busy: {0}")]
    Busy(String),
    /// The database cannot be reached, is read-only, or its disk is full.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// A unique index already holds this key.
    #[error("such a row exists already")]
    Exists,
    /// What the row belongs to was deleted meanwhile: whoever asks again is told so.
    #[error("what this belongs to is gone")]
    Gone,
    /// What was stored, or asked for, makes no sense: a defect, or a hand-made row.
    #[error("the database gave an unexpected answer: {0}")]
    Internal(String),
}

/// The result of everything in this folder.
pub type Result<T> = std::result::Result<T, StorageError>;

impl StorageError {
    /// The same, naming what was being opened: neither database does.
    pub(super) fn opening(self, what: &str) -> Self {
        match self {
            Self::Busy(text) => Self::Busy(format!("{what}: {text}")),
            Self::Unavailable(text) | Self::Internal(text) => {
                Self::Unavailable(format!("{what}: {text}"))
            }
            other => other,
        }
    }

    /// Whether trying the same again later can help.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Busy(_) | Self::Unavailable(_) | Self::Gone)
    }
}

impl From<DieselError> for StorageError {
    fn from(error: DieselError) -> Self {
        let text = error.to_string();
        match &error {
            DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => Self::Exists,
            DieselError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _) => Self::Gone,
            DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => {
                Self::Busy(text)
            }
            DieselError::DatabaseError(
                DatabaseErrorKind::ClosedConnection
                | DatabaseErrorKind::UnableToSendCommand
                | DatabaseErrorKind::ReadOnlyTransaction,
                _,
            ) => Self::Unavailable(text),
            // Both databases report most conditions by message only.
            DieselError::DatabaseError(..) | DieselError::BrokenTransactionManager => {
                from_text(text)
            }
            _ => Self::Internal(text),
        }
    }
}

impl From<ConnectionError> for StorageError {
    fn from(error: ConnectionError) -> Self {
        Self::Unavailable(one_line(without_url(&error.to_string())))
    }
}

/// What libpq says of a URL that it cannot read, without the URL, or the part of it, that it then quotes: there is a password in it
/// (bar P14).
fn without_url(text: &str) -> &str {
    let quotes = ["URI", "percent-encoded"]
        .iter()
        .any(|word| text.contains(word));
    match text.split_once(": \"") {
        Some((before, _)) if quotes => before,
        _ => text,
    }
}

fn from_text(text: String) -> StorageError {
    const BUSY: [&str; 5] = [
        "locked",
        "deadlock detected",
        "canceling statement due to", // a timeout of ours or of the operator's, or the operator
        "could not obtain lock",
        "could not serialize",
    ];
    const UNAVAILABLE: [&str; 15] = [
        "disk is full",
        "no space left",
        "input/output error",
        "could not extend file",
        "out of memory",
        "disk I/O error",
        "readonly database",
        "unable to open",
        "server closed the connection",
        "terminating connection",
        "connection to server",
        "too many clients",
        "shutting down",
        "starting up",
        "broken transaction manager",
    ];
    let says = |words: &[&str]| {
        words
            .iter()
            .any(|word| text.to_lowercase().contains(&word.to_lowercase()))
    };
    if says(&BUSY) {
        StorageError::Busy(one_line(&text))
    } else if says(&UNAVAILABLE)
        || text.contains("no connection to the server")
        || text.contains("SSL connection has been closed")
    {
        StorageError::Unavailable(one_line(&text))
    } else {
        StorageError::Internal(one_line(&text))
    }
}

/// libpq writes several lines; logs and the command line have one.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
