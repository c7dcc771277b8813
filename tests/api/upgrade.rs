//! Databases of earlier releases, with what people had in them: brought up to date by the real program, and everything that worked
//! still works (D11).

use diesel::connection::SimpleConnection;
use serde_json::{Value, json};
use unforget::storage::AnyConnection;

use crate::both;
use crate::faults::{ENOSPC, Faults};
use crate::helpers::{Backend, Database, OLD_PASSWORD, PATIENCE, Program, Reply};
use crate::smtp::SmtpSink;
use crate::storage::lines;

/// What the first release had handed out.
const SECRET: &str = "uf_cs_DU0jj9p2tD9wQpu0SqSarzbO2D1UXhKhLxvBMW6Eb0I3ay4i1";
const TOKEN: &str = "uf_at_vPtmLxCI70dUz7Luqg2D9GX85jd0oRXxhT1l3dcbwKB1nFX5U";
const SESSION: &str = "uf_at_wFk9FcrzFhUG0W0aiHhmfeWP0tHKQlJ7h1moxgaghtI1oL5NI";
const LINK: &str = "uf_rt_gGMqyrJE90WzvSrbsFer78bOqhCszkzP964ktBKrOGu3UofRf";
const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";

/// The text of a database after each of the first migrations. Those that came later are taken as they are, without data.
fn stages(backend: Backend) -> Vec<String> {
    let (fixtures, folder) = match backend {
        Backend::Sqlite => (
            [
                include_str!("upgrade/sqlite-1.sql"),
                include_str!("upgrade/sqlite-2.sql"),
            ],
            "sqlite",
        ),
        Backend::Postgres => (
            [
                include_str!("upgrade/postgres-1.sql"),
                include_str!("upgrade/postgres-2.sql"),
            ],
            "postgres",
        ),
    };
    let place = format!("{}/migrations/{folder}", env!("CARGO_MANIFEST_DIR"));
    let found = std::fs::read_dir(place)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut migrations: Vec<_> = found.collect();
    migrations.sort();
    migrations.pop(); // with the last one it is up to date
    let text = |(at, path): (usize, &std::path::PathBuf)| match fixtures.get(at) {
        Some(fixture) => (*fixture).to_owned(),
        None => {
            let name = path.file_name().unwrap().to_str().unwrap();
            let version: String = name.split('_').next().unwrap().replace('-', "");
            let up = std::fs::read_to_string(path.join("up.sql")).unwrap();
            format!("INSERT INTO __diesel_schema_migrations (version) VALUES ('{version}'); {up}")
        }
    };
    migrations.iter().enumerate().map(text).collect()
}

fn connection(database: &Database) -> AnyConnection {
    AnyConnection::open(&database.url().parse().unwrap()).unwrap()
}

fn execute(database: &Database, statements: &str) {
    match &mut connection(database) {
        AnyConnection::Sqlite(c) => c.batch_execute(statements).unwrap(),
        AnyConnection::Postgres(c) => c.batch_execute(statements).unwrap(),
    }
}

/// A database as it was after so many migrations, and a program for it.
async fn old(backend: Backend, stage: usize) -> (Database, SmtpSink, Program) {
    let (database, sink) = (Database::create(backend), SmtpSink::start().await);
    if let Some(folder) = database.folder() {
        std::fs::write(folder.join("unforget.db"), "").unwrap();
    }
    for text in &stages(backend)[..stage] {
        execute(&database, text);
    }
    let program = Program::new(&[
        ("DATABASE_URL", &database.url()),
        ("UNFORGET_MAIL__URL", &sink.url()),
        ("UNFORGET_PASSWORD__BCRYPT_COST", "10"),
        ("UNFORGET_LIMITS__ENABLED", "false"),
    ]);
    (database, sink, program)
}

/// Every table and column, every row of the tables of the first release, and the migrations that have run.
fn state(database: &Database) -> Vec<String> {
    let mut c = connection(database);
    let columns = match c {
        AnyConnection::Sqlite(_) => {
            "SELECT COALESCE(sql, '') AS line FROM sqlite_master ORDER BY name"
        }
        AnyConnection::Postgres(_) => {
            "SELECT table_name || '.' || column_name AS line FROM information_schema.columns WHERE table_schema = current_schema() ORDER BY 1"
        }
    };
    let mut state = lines(&mut c, columns);
    for query in [
        "SELECT version AS line FROM __diesel_schema_migrations ORDER BY 1",
        "SELECT id || scopes AS line FROM clients ORDER BY 1",
        "SELECT email || COALESCE(password_hash, '') || profile AS line FROM users ORDER BY 1",
        "SELECT kind || state || COALESCE(address_key, '') AS line FROM mails ORDER BY 1",
        "SELECT CAST(COUNT(*) AS TEXT) AS line FROM access_tokens",
        "SELECT CAST(COUNT(*) AS TEXT) AS line FROM reset_tokens WHERE used_at IS NULL",
    ] {
        state.extend(lines(&mut c, query));
    }
    state
}

/// What people had works as before: secrets, tokens, links, passwords, and mails that were owed.
async fn everything_works(sink: &SmtpSink, program: &Program, owed: usize) {
    let service = program.serve().await;
    let client = json!({"client_id": "old-app", "client_secret": SECRET});
    let fresh = service.token(&client).await;
    for token in [TOKEN, &fresh] {
        let checked = service
            .post("/v1/password/check", token, json!({"token": LINK}))
            .await;
        assert_eq!(checked.said(), "200 token_valid");
    }
    let verified = service
        .post(
            "/v1/password/verify",
            TOKEN,
            json!({"email": ANN, "password": OLD_PASSWORD}),
        )
        .await;
    assert_eq!(verified.said(), "200 password_verified");
    assert_eq!(verified.json()["user"]["profile"], json!({"plan": "gold"}));
    // The session still speaks for Ann: only the body is refused.
    let change = reqwest::Client::new().put(format!("{}/v1/password", service.base));
    let change = change.bearer_auth(SESSION).json(&json!({}));
    assert_eq!(
        Reply::of(change.send().await.unwrap()).await.said(),
        "400 invalid_request"
    );
    // An app that was switched off stays off.
    let off = reqwest::Client::new()
        .post(format!("{}/oauth/token", service.base))
        .basic_auth("off-app", Some(SECRET));
    assert_eq!(
        off.form(&[("grant_type", "client_credentials")])
            .send()
            .await
            .unwrap()
            .status(),
        401
    );

    let mails = sink.wait_for(owed, PATIENCE).await;
    let to = |address: &str| mails.iter().find(|mail| mail.to == [address]);
    assert!(
        to("Ann@example.com").is_some() || to(ANN).is_some(),
        "{mails:?}"
    );
    let link = to(BOB).unwrap().parse().token();
    for (email, link) in [(ANN, LINK), (BOB, &link)] {
        let body = json!({"email": email, "token": link, "password": "a new secret"});
        let reset = service.post("/v1/password/reset", &fresh, body).await;
        assert_eq!(reset.said(), "200 password_reset", "{email}");
    }
    let users: Vec<Value> = String::from_utf8(program.run(&["user", "list", "--json"]).stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(users.len(), 3);
}

both! {
    async fn d11_a_database_of_any_earlier_release_comes_along_with_all_that_worked(backend: Backend) {
        let stages = stages(backend).len();
        assert!(stages >= 2);
        for stage in 1..=stages {
            let (database, sink, program) = old(backend, stage).await;
            let owed = if stage == 1 { 2 } else { 3 };
            everything_works(&sink, &program, owed).await;
            if stage > 1 {
                assert!(sink.received().iter().any(|mail| mail.to == ["old-bob@example.com"]));
                let query = "SELECT CAST(failures AS TEXT) AS line FROM guesses WHERE address_key = 'eve@example.com'";
                assert_eq!(lines(&mut connection(&database), query), ["12"]);
            }
        }
    }

    async fn d11_a_migration_that_fails_leaves_the_old_state_and_runs_when_its_cause_is_gone(backend: Backend) {
        let (database, sink, program) = old(backend, 1).await;
        execute(&database, "CREATE TABLE audit (mine TEXT)"); // where the last migration wants its own
        let before = state(&database);
        for _ in 0..2 {
            let output = program.run(&["migrate"]);
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert_eq!((output.status.code(), stderr.lines().count()), (Some(1), 1), "{stderr}");
            assert!(stderr.contains("database_url: ") && stderr.contains("audit"), "{stderr}");
            assert_eq!(state(&database), before);
        }
        execute(&database, "DROP TABLE audit");
        everything_works(&sink, &program, 2).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d11_an_upgrade_on_a_full_disk_or_killed_at_any_write_leaves_the_old_state() {
    let writes = {
        let (faults, (_database, _sink, mut program)) =
            (Faults::new(), old(Backend::Sqlite, 1).await);
        faults.under(&mut program);
        assert!(program.run(&["migrate"]).status.success());
        faults.writes()
    };
    assert!(writes > 4, "{writes}");
    let (faults, (database, sink, mut program)) = (Faults::new(), old(Backend::Sqlite, 1).await);
    faults.under(&mut program);
    let before = state(&database);
    faults.fail_writes(ENOSPC);
    let output = program.run(&["migrate"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    faults.fail_writes(0);
    assert_eq!(state(&database), before);
    let step = usize::try_from(writes).unwrap() / 5 + 1;
    for number in (1..=writes).step_by(step) {
        faults.kill_at_write(number, true);
        let killed = program.run(&["migrate"]);
        faults.kill_nobody();
        if killed.status.success() {
            break; // the log was shorter this time
        }
        let now = state(&database);
        if now != before {
            assert!(
                program.json(&["migrate"])["ran"]
                    .as_array()
                    .unwrap()
                    .is_empty(),
                "half done at write {number}"
            );
            break; // it was done, and killed as it tidied up
        }
    }
    everything_works(&sink, &program, 2).await;
}
