//! Which paths belong to a database: what replaces one of them destroys it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::domain::DatabaseUrl;

/// What SQLite adds to a database's name for the files beside it.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Why nothing else may be written to this path, if it is so: the database stands there, a file of its, or those of another database
/// that somebody has open.
pub(super) fn why_not(path: &Path, database: &DatabaseUrl) -> Option<&'static str> {
    let path = real(path)?;
    if let DatabaseUrl::Sqlite(database) = database
        && let Some(database) = real(database)
    {
        let beside = BESIDE.map(|end| with(&database, end));
        if std::iter::once(&database)
            .chain(&beside)
            .any(|file| same(file, &path))
        {
            return Some("it is the database itself or belongs to it");
        }
    }
    let is_beside = |end: &&str| {
        let name = path.as_os_str().as_bytes().strip_suffix(end.as_bytes());
        name.is_some_and(|name| Path::new(OsStr::from_bytes(name)).is_file())
    };
    let in_use = |end: &&str| with(&path, end).exists();
    (BESIDE.iter().any(is_beside) || BESIDE.iter().any(in_use))
        .then_some("it belongs to a database that is in use")
}

/// The path without links. What is not there yet has a folder.
fn real(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path).ok().or_else(|| {
        let folder = path.parent().filter(|f| !f.as_os_str().is_empty());
        let folder = fs::canonicalize(folder.unwrap_or(Path::new("."))).ok()?;
        Some(folder.join(path.file_name()?))
    })
}

fn with(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    name.into()
}

/// Whether two paths are one, or two names of one file.
fn same(one: &Path, other: &Path) -> bool {
    let id = |path| fs::metadata(path).map(|file| (file.dev(), file.ino()));
    one == other || matches!((id(one), id(other)), (Ok(one), Ok(other)) if one == other)
}
