//! What a database would do for the statements that some work runs: asked of its own planner, with thousands of rows in each table and
//! with what it knows of them. Next to empty tables every plan is a good one.

use std::sync::{Arc, Mutex};

use diesel::connection::{Instrumentation, InstrumentationEvent, SimpleConnection};
use diesel::dsl::sql;
use diesel::sql_types::Text;
use diesel::{Connection, QueryableByName, RunQueryDsl, sql_query};
use unforget::storage::{AnyConnection, Schema, Storage, StorageError};

use crate::helpers::{Backend, Database};

/// How many rows each table has.
const ROWS: usize = 3000;

/// Notes each statement that a connection runs.
struct Notes(Arc<Mutex<Vec<String>>>);

impl Instrumentation for Notes {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let text = query.to_string();
            let (statement, _binds) = text.split_once("-- binds").unwrap_or((&text, ""));
            self.0.lock().unwrap().push(statement.trim().to_owned());
        }
    }
}

/// Rows that no question is about: all of them from the far future, few of them in the state that a partial index is for.
fn filling(backend: Backend) -> String {
    let (series, id, digest, time) = match backend {
        Backend::Sqlite => (
            format!("WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s LIMIT {ROWS})"),
            "CAST(printf('%016d', n) AS BLOB)",
            "randomblob(32)",
            "4102444800000000 + n",
        ),
        Backend::Postgres => (
            format!("WITH s(n) AS (SELECT generate_series(1, {ROWS}))"),
            "('7fffffff' || lpad(n::text, 24, '0'))::uuid",
            "sha256(n::text::bytea)",
            "to_timestamp(4102444800 + n)",
        ),
    };
    let seldom = |value: &str| format!("CASE WHEN n % 50 = 0 THEN {value} END");
    let (rare_time, rare_id) = (seldom(time), seldom(id));
    let rare_client = seldom("'c1'");
    let ended = format!("CASE WHEN n % 50 <> 0 THEN {time} END");
    let tables = [
        (
            "clients (id, name, scopes, created_at, registered_by)",
            format!("'c' || n, 'App', '', {time}, {rare_client}"),
        ),
        (
            "client_secrets (id, client_id, digest, created_at, expires_at)",
            format!("{id}, 'c' || n, {digest}, {time}, {rare_time}"),
        ),
        (
            "users (id, email, email_key, profile, created_at)",
            format!("{id}, 'u' || n || '@example.org', 'u' || n || '@example.org', '{{}}', {time}"),
        ),
        (
            "access_tokens (digest, client_id, subject, scopes, created_at, expires_at)",
            format!("{digest}, 'c' || (n % 10 + 1), {rare_id}, '', {time}, {time}"),
        ),
        (
            "mails (id, kind, address_key, user_id, state, created_at, expires_at, due_at, attempts, finished_at)",
            format!(
                "{id}, 'reset', 'u' || n || '@example.org', {rare_id}, 'sent', {time}, {time}, {rare_time}, 0, {ended}"
            ),
        ),
        (
            "reset_tokens (digest, user_id, mail_id, requested_at, expires_at)",
            format!("{digest}, {id}, {id}, {time}, {time}"),
        ),
        (
            "guesses (address_key, failures, last_at, free_at)",
            format!("'u' || n, 1, {time}, {time}"),
        ),
        ("jtis (digest, expires_at)", format!("{digest}, {time}")),
        (
            "audit (id, at, act, subject_user)",
            format!("{id}, {time}, 'token.issue', {rare_id}"),
        ),
        (
            "limits (digest, bucket, full_at, spent, changed_at)",
            format!("{digest}, 'api', {time}, 0, {time}"),
        ),
    ];
    let insert = |(table, values): (&str, String)| {
        format!("INSERT INTO {table} {series} SELECT {values} FROM s;")
    };
    tables.into_iter().map(insert).collect()
}

/// What the planner says, step by step, for each statement that runs in `work`.
pub(super) fn plans(
    backend: Backend,
    work: impl FnOnce(&mut AnyConnection) -> Result<(), StorageError>,
) -> Vec<(String, Vec<String>)> {
    let database = Database::create(backend);
    let url = database.url().parse().unwrap();
    drop(Storage::open(&url, 1, Schema::Migrate).unwrap());
    let mut c = AnyConnection::open(&url).unwrap();
    c.batch_execute(&filling(backend)).unwrap();
    c.batch_execute("ANALYZE").unwrap();
    let notes = Arc::<Mutex<Vec<String>>>::default();
    c.set_instrumentation(Notes(Arc::clone(&notes)));
    work(&mut c).unwrap();
    let statements = std::mem::take(&mut *notes.lock().unwrap());
    // An empty list of ids becomes a condition that no row meets: none is read.
    let statements = statements.into_iter().filter(|s| !s.contains("(1=0)"));
    let plan = |(at, statement): (usize, String)| {
        let steps = match &mut c {
            AnyConnection::Sqlite(c) => of_sqlite(c, &statement),
            AnyConnection::Postgres(c) => of_postgres(c, at, &statement),
        };
        (statement, steps)
    };
    statements.enumerate().map(plan).collect()
}

fn of_sqlite(c: &mut diesel::SqliteConnection, statement: &str) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Step {
        #[diesel(sql_type = Text)]
        detail: String,
    }
    let explain = format!("EXPLAIN QUERY PLAN {statement}");
    let steps: Vec<Step> = sql_query(&explain).load(c).unwrap();
    steps.into_iter().map(|step| step.detail).collect()
}

/// The plan that is made once and for any values: the one that a prepared statement ends up with.
fn of_postgres(c: &mut diesel::PgConnection, at: usize, statement: &str) -> Vec<String> {
    let parameters = (1..100).take_while(|n| statement.contains(&format!("${n}")));
    let values = vec!["NULL"; parameters.count()].join(", ");
    let values = match values.as_str() {
        "" => String::new(),
        some => format!("({some})"),
    };
    c.batch_execute(&format!(
        "SET plan_cache_mode = force_generic_plan; PREPARE s{at} AS {statement}"
    ))
    .unwrap_or_else(|error| panic!("{statement}: {error}"));
    let explain = format!("EXPLAIN EXECUTE s{at}{values}");
    sql::<Text>(&explain).load(c).unwrap()
}
