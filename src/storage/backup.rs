//! A copy of the SQLite file while others write to it: one state of the database, whole, and proved to be readable (bar D12).

use std::path::Path;

use diesel::prelude::*;
use diesel::sql_types::Text;

use super::error::{StorageError, one_line};
use super::{AnyConnection, Storage};
use crate::domain::DatabaseUrl;

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub enum BackUpError {
    /// The database cannot be read.
    #[error(transparent)]
    Database(#[from] StorageError),
    /// The copy cannot be written: its disk is full, most of the time. What SQLite says.
    #[error("{0}")]
    Copy(String),
}

impl BackUpError {
    fn copy(error: impl std::fmt::Display) -> Self {
        Self::Copy(error.to_string())
    }

    /// What went wrong while one file was read and the other one written: SQLite does not say in which.
    fn copying(error: diesel::result::Error) -> Self {
        let text = error.to_string();
        let of_the_database = ["malformed", "not a database", "locked"];
        match of_the_database.iter().any(|word| text.contains(word)) {
            true => Self::Database(error.into()),
            false => Self::Copy(text),
        }
    }
}

impl Storage {
    /// Writes a copy into a file that is there and empty, and reads all of it back. Only SQLite's; nobody waits meanwhile, but what
    /// others write stays in the write-ahead log until it is done.
    pub fn back_up(database: &Path, copy: &Path) -> Result<(), BackUpError> {
        let odd = |what: &str| StorageError::Unavailable(what.to_owned());
        if !database.is_file() {
            return Err(odd("there is no such file")
                .opening(&database.display().to_string())
                .into());
        }
        let name = copy
            .to_str()
            .ok_or_else(|| BackUpError::copy("the path is not UTF-8"))?;
        let url = DatabaseUrl::Sqlite(database.to_owned());
        let AnyConnection::Sqlite(mut from) = AnyConnection::open(&url)? else {
            return Err(odd("this is no SQLite database").into());
        };
        diesel::sql_query("VACUUM INTO ?")
            .bind::<Text, _>(name)
            .execute(&mut from)
            .map_err(BackUpError::copying)?;
        let mut copied = SqliteConnection::establish(name).map_err(BackUpError::copy)?;
        let checked = check(&mut copied, "integrity_check").map_err(BackUpError::copy)?;
        match checked.as_str() {
            "ok" => Ok(()),
            wrong => Err(BackUpError::copy(wrong)),
        }
    }
}

/// Refuses a SQLite file that is damaged, for example because another's write-ahead log was left beside it.
pub fn require_whole(connection: &mut AnyConnection) -> Result<(), StorageError> {
    let AnyConnection::Sqlite(c) = connection else {
        return Ok(()); // a server looks after its files itself
    };
    let wrong = match check(c, "quick_check") {
        Ok(said) if said == "ok" => return Ok(()),
        Ok(wrong) | Err(StorageError::Internal(wrong)) => wrong,
        Err(error) => return Err(error),
    };
    Err(StorageError::Unavailable(format!(
        "the file is damaged ({}); stop the service, delete the file with its -wal and -shm, and restore a backup",
        one_line(&wrong)
    )))
}

/// What SQLite's own check of a file says first: "ok", or what is wrong.
pub(super) fn check(c: &mut SqliteConnection, pragma: &str) -> Result<String, StorageError> {
    #[derive(QueryableByName)]
    struct Line {
        #[diesel(sql_type = Text)]
        said: String,
    }
    let query = format!("SELECT {pragma} AS said FROM pragma_{pragma}");
    let lines: Vec<Line> = diesel::sql_query(query).load(c)?;
    let first = lines.into_iter().next();
    Ok(first.map_or_else(|| "nothing".to_owned(), |line| line.said))
}
