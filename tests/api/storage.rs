//! The database as it lies on the disk: its schema, its migrations, and how it is opened or refused (D11, D13).

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use diesel::sql_types::{Integer, Text};
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query};
use diesel_migrations::{FileBasedMigrations, MigrationHarness};
use unforget::storage::{AnyConnection, Schema, Storage, StorageError};

use crate::both;
use crate::helpers::{Backend, Database, Program};

/// Table, column, type, and whether it may be NULL.
type Column = (String, String, &'static str, bool);

#[derive(QueryableByName)]
struct Described {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    column_name: String,
    #[diesel(sql_type = Text)]
    type_name: String,
    #[diesel(sql_type = Integer)]
    nullable: i32,
}

#[derive(QueryableByName)]
pub(crate) struct Line {
    #[diesel(sql_type = Text)]
    pub(crate) line: String,
}

fn open(database: &Database, schema: Schema) -> Result<Storage, StorageError> {
    Storage::open(&database.url().parse().unwrap(), 2, schema)
}

fn connection(database: &Database) -> AnyConnection {
    AnyConnection::open(&database.url().parse().unwrap()).unwrap()
}

/// Runs a query that is the same for both databases, and gives its column `line`.
pub(crate) fn lines(c: &mut AnyConnection, query: &str) -> Vec<String> {
    let found: Vec<Line> = match c {
        AnyConnection::Sqlite(sqlite) => sql_query(query).load(sqlite).unwrap(),
        AnyConnection::Postgres(postgres) => sql_query(query).load(postgres).unwrap(),
    };
    found.into_iter().map(|found| found.line).collect()
}

/// What src/storage/schema.rs says, in the words of a database.
fn expected(backend: Backend) -> BTreeSet<Column> {
    let mut columns = BTreeSet::new();
    let mut table = "";
    for line in include_str!("../../src/storage/schema.rs").lines() {
        let line = line.trim();
        if let Some((name, _)) = line.split_once(" (").filter(|_| line.ends_with('{')) {
            table = name;
        } else if let Some((column, kind)) = line.split_once(" -> ").filter(|_| line.ends_with(','))
        {
            let kind = kind.trim_end_matches(',');
            let inner = kind
                .strip_prefix("Nullable<")
                .and_then(|k| k.strip_suffix('>'));
            let name = match (inner.unwrap_or(kind), backend) {
                ("Text", _) => "text",
                ("Bool", _) => "boolean",
                ("BigInt", _) | ("InstantSql", Backend::Sqlite) => "bigint",
                ("Binary" | "UuidSql", Backend::Sqlite) => "blob",
                ("Binary", Backend::Postgres) => "bytea",
                ("UuidSql", Backend::Postgres) => "uuid",
                ("InstantSql", Backend::Postgres) => "timestamp with time zone",
                (other, _) => panic!("{other}"),
            };
            columns.insert((table.to_owned(), column.to_owned(), name, inner.is_some()));
        }
    }
    assert!(columns.len() > 40, "schema.rs was not understood");
    columns
}

/// What the database's own catalogue says.
fn catalogue(c: &mut AnyConnection) -> BTreeSet<(String, String, String, bool)> {
    let found: Vec<Described> = match c {
        AnyConnection::Sqlite(sqlite) => sql_query(
            "SELECT t.name AS table_name, c.name AS column_name, lower(c.type) AS type_name, NOT c.\"notnull\" AS nullable \
             FROM sqlite_master AS t, pragma_table_info(t.name) AS c WHERE t.type = 'table' AND t.name NOT LIKE '\\_\\_%' ESCAPE '\\'",
        )
        .load(sqlite)
        .unwrap(),
        AnyConnection::Postgres(postgres) => sql_query(
            "SELECT table_name::text, column_name::text, data_type::text AS type_name, (is_nullable = 'YES')::int AS nullable \
             FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '\\_\\_%'",
        )
        .load(postgres)
        .unwrap(),
    };
    let row = |d: Described| (d.table_name, d.column_name, d.type_name, d.nullable != 0);
    found.into_iter().map(row).collect()
}

fn is_as_expected(c: &mut AnyConnection, backend: Backend) {
    let expected: BTreeSet<_> = expected(backend)
        .into_iter()
        .map(|(table, column, kind, null)| (table, column, kind.to_owned(), null))
        .collect();
    assert_eq!(catalogue(c), expected);
}

fn migrations(folder: &str) -> FileBasedMigrations {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/");
    FileBasedMigrations::from_path(format!("{root}{folder}")).unwrap()
}

fn revert_all(database: &Database) {
    match connection(database) {
        AnyConnection::Sqlite(mut c) => {
            drop(c.revert_all_migrations(migrations("sqlite")).unwrap())
        }
        AnyConnection::Postgres(mut c) => {
            drop(c.revert_all_migrations(migrations("postgres")).unwrap())
        }
    }
}

both! {
    async fn the_schema_in_the_code_is_the_schema_in_the_database(backend: Backend) {
        let database = Database::create(backend);
        open(&database, Schema::Migrate).unwrap();
        is_as_expected(&mut connection(&database), backend);
    }

    async fn d11_every_migration_goes_down_and_up_again(backend: Backend) {
        let database = Database::create(backend);
        for _ in 0..2 {
            open(&database, Schema::Migrate).unwrap();
            is_as_expected(&mut connection(&database), backend);
            revert_all(&database);
            assert!(catalogue(&mut connection(&database)).is_empty());
            let behind = open(&database, Schema::Require).err().unwrap().to_string();
            assert!(behind.contains("run `unforget migrate`"), "{behind}");
        }
    }

    async fn d11_of_eight_programs_that_start_together_one_migrates(backend: Backend) {
        let database = Database::create(backend);
        let url = database.url().parse().unwrap();
        let ran: Vec<_> = std::thread::scope(|scope| {
            let start = |_| scope.spawn(|| Storage::migrate(&url).unwrap().len());
            let started: Vec<_> = (0..8).map(start).collect();
            started.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite")).unwrap().count();
        assert_eq!(ran.iter().filter(|count| **count > 0).copied().collect::<Vec<_>>(), [files]);
        is_as_expected(&mut connection(&database), backend);
    }

    async fn d11_a_database_that_is_newer_than_the_program_is_refused_with_one_line(backend: Backend) {
        let database = Database::create(backend);
        open(&database, Schema::Migrate).unwrap();
        let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000') RETURNING version AS line";
        lines(&mut connection(&database), newer);
        for schema in [Schema::Migrate, Schema::Require] {
            let refused = open(&database, schema).err().unwrap().to_string();
            assert!(refused.contains("newer than this program") && refused.contains("29990101000000"), "{refused}");
        }
        let program = Program::new(&[("DATABASE_URL", &database.url()), ("UNFORGET_LISTEN", "127.0.0.1:0")]);
        for command in [&["serve"][..], &["migrate"], &["client", "list"]] {
            let output = program.run(command);
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert_eq!((output.status.code(), stderr.lines().count()), (Some(1), 1), "{stderr}");
            assert!(stderr.contains("install a newer unforget"), "{stderr}");
        }
    }
}

#[test]
fn d13_a_database_that_cannot_be_opened_says_why() {
    let database = Database::create(Backend::Postgres);
    let server = PgConnection::establish(&database.url());
    assert!(server.is_ok(), "the refusals below would prove nothing");
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).display().to_string();
    std::fs::write(path("letter.txt"), "Dear database, ".repeat(100)).unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let with = |from: &str, to: &str| {
        let url = database.url().replace(from, to);
        assert_ne!(url, database.url());
        url
    };
    let cases = [
        (with("unforget_test_", "missing_"), "does not exist"),
        (
            with("user=postgres", "user=nobody_we_know"),
            "nobody_we_know",
        ),
        (
            "postgres:///x?host=/not/there".to_owned(),
            "No such file or directory",
        ),
        (
            format!("postgres://u:geheim@127.0.0.1:{port}/x"),
            "Connection refused",
        ),
        (
            format!("sqlite://{}", home.path().display()),
            "unable to open database file",
        ),
        (
            format!("sqlite://{}", path("letter.txt")),
            "file is not a database",
        ),
        (
            format!("sqlite://{}/below.db", path("letter.txt")),
            "cannot open",
        ),
    ];
    for (url, reason) in cases {
        let error = Storage::open(&url.parse().unwrap(), 2, Schema::Migrate)
            .err()
            .unwrap();
        let error = error.to_string();
        assert!(error.contains(reason), "{reason}: {error}");
        assert!(
            !error.contains('\n') && !error.contains("geheim"),
            "{error}"
        );
    }
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1); // nothing was made in passing
}

#[test]
fn d13_only_the_owner_may_read_the_file_of_sqlite_and_its_log() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("a/b");
    let url = format!("sqlite://{}/x.db", folder.display());
    let _open = Storage::open(&url.parse().unwrap(), 2, Schema::Migrate).unwrap();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    let files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    assert!(files.len() > 1, "{files:?}"); // the log is there too
    for file in files {
        assert_eq!(mode(&file), 0o600, "{file:?}");
    }
}

#[test]
fn a_path_of_sqlite_is_a_path_whatever_it_looks_like() {
    let program = Program::new(&[("DATABASE_URL", "sqlite://file:x.db")]);
    assert!(program.run(&["migrate"]).status.success());
    let path = program.folder.path().join("file:x.db");
    let mut sqlite = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    assert!(
        sql_query("SELECT 1 FROM users")
            .execute(&mut sqlite)
            .is_ok()
    );
}
