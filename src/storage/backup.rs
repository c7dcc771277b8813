//! A copy of the SQLite file while others write to it: one state of the database, whole, and proved to be readable (bar D12).

use std::path::Path;

use diesel::prelude::*;
use diesel::sql_types::Text;

use super::error::{Result, StorageError, one_line};
use super::{AnyConnection, Storage};
use crate::domain::DatabaseUrl;

impl Storage {
    /// Writes a copy into a file that is there and empty, and reads all of it back. Only SQLite's; nobody waits meanwhile, but what
    /// others write stays in the write-ahead log until it is done.
    pub fn back_up(database: &Path, copy: &Path) -> Result<()> {
        let odd = |what: &str| StorageError::Unavailable(what.to_owned());
        if !database.is_file() {
            return Err(odd("there is no such file").opening(&database.display().to_string()));
        }
        let name = copy
            .to_str()
            .ok_or_else(|| odd("the path of the copy is not UTF-8"))?;
        let url = DatabaseUrl::Sqlite(database.to_owned());
        let AnyConnection::Sqlite(mut from) = AnyConnection::open(&url)? else {
            return Err(odd("this is no SQLite database"));
        };
        diesel::sql_query("VACUUM INTO ?")
            .bind::<Text, _>(name)
            .execute(&mut from)?;
        let mut copied = SqliteConnection::establish(name)?;
        match check(&mut copied, "integrity_check")?.as_str() {
            "ok" => Ok(()),
            wrong => Err(odd(wrong).opening("the copy")),
        }
    }
}

/// Refuses a SQLite file that is damaged, for example because another's write-ahead log was left beside it.
pub fn require_whole(connection: &mut AnyConnection) -> Result<()> {
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
pub(super) fn check(c: &mut SqliteConnection, pragma: &str) -> Result<String> {
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
