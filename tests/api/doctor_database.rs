//! `unforget doctor` and the database: it says no wherever `serve` could not work, and leaves everything as it was.

use std::collections::BTreeMap;
use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use serde_json::Value;
use unforget::storage::AnyConnection;

use crate::both;
use crate::doctor::{Found, program};
use crate::helpers::{Backend, Database, Program};
use crate::startup::{humble, mode};

/// Every table that the code knows.
fn tables() -> Vec<&'static str> {
    let lines = include_str!("../../src/storage/schema.rs").lines();
    let heads = lines.filter(|line| line.starts_with("    ") && line.ends_with(") {"));
    let tables: Vec<_> = heads
        .filter_map(|line| Some(line.trim().split_once(" (")?.0))
        .collect();
    assert!(tables.len() > 8, "schema.rs was not understood: {tables:?}");
    tables
}

/// What is in a folder, byte for byte.
fn all_of(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    files
        .map(|file| {
            let name = file.file_name().to_string_lossy().into_owned();
            (name, std::fs::read(file.path()).unwrap())
        })
        .collect()
}

/// The one finding about the database, by a program that respects permissions.
fn humble_finding(program: &Program) -> Value {
    let output = humble(program, &["doctor", "--json"]).output().unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut checks = found["checks"].as_array().unwrap().iter();
    checks
        .find(|check| check["check"] == "database")
        .unwrap()
        .clone()
}

both! {
    async fn d13_doctor_finds_each_table_that_is_missing(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database, "file:out");
        assert!(program.run(&["migrate"]).status.success());
        Found::by(&program).says("database", "ok", "up to date");
        let mut c = AnyConnection::open(&database.url().parse().unwrap()).unwrap();
        for table in tables() {
            c.batch_execute(&format!("ALTER TABLE {table} RENAME TO gone")).unwrap();
            Found::by(&program).says("database", "error", table);
            c.batch_execute(&format!("ALTER TABLE gone RENAME TO {table}")).unwrap();
        }
        Found::by(&program).says("database", "ok", "up to date");
    }
}

#[test]
fn d13_doctor_leaves_everything_as_it_was() {
    let database = Database::create(Backend::Sqlite);
    let folder = database.folder().unwrap();
    let file = folder.join("unforget.db");
    let mut program = program(&database, "file:out/mail");
    program.set("UNFORGET_PAGE__CLIENT", "nobody");
    let before = all_of(&folder);
    Found::by(&program).says("database", "warning", "not there yet");
    assert_eq!(all_of(&folder), before);

    std::fs::write(&file, "").unwrap();
    Found::by(&program).says("database", "warning", "waits for migrations");
    let empty = BTreeMap::from([("unforget.db".to_owned(), Vec::new())]);
    assert_eq!(all_of(&folder), empty);

    let mut other = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    other
        .batch_execute("CREATE TABLE songs (title TEXT)")
        .unwrap();
    drop(other);
    let before = all_of(&folder);
    Found::by(&program).says("database", "error", "another program's");
    assert!(all_of(&folder) == before);
    // Nor is the folder for mail made, which could be.
    let left = std::fs::read_dir(program.folder.path()).unwrap().count();
    assert_eq!(left, 0);
}

#[test]
fn d13_doctor_finds_a_file_or_folder_that_may_not_be_written() {
    let home = tempfile::tempdir().unwrap();
    let closed = home.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    let url = |path: &str| format!("sqlite://{}/{path}", home.path().display());
    let at = |path: &str| Program::new(&[("DATABASE_URL", &url(path))]);
    assert!(at("closed/a.db").run(&["migrate"]).status.success());
    assert!(at("b.db").run(&["migrate"]).status.success());
    assert_eq!(humble_finding(&at("closed/a.db"))["level"], "ok");
    assert_eq!(humble_finding(&at("new/folder/c.db"))["level"], "warning");
    mode(&closed, 0o500);
    mode(&home.path().join("b.db"), 0o400);
    for (path, words) in [
        ("closed/a.db", "cannot write in"),
        ("closed/new/folder/c.db", "cannot write in"),
        ("b.db/c.db", "cannot write in"),
        ("b.db", "readonly"),
    ] {
        let found = humble_finding(&at(path));
        assert_eq!(found["level"], "error", "{path}: {found}");
        assert!(
            found["text"].as_str().unwrap().contains(words),
            "{path}: {found}"
        );
    }
    mode(&closed, 0o700);
}
