//! Which commands make a database, which bring one up to date, and what each needs: no more rights and files than its work does.

use diesel::connection::SimpleConnection;
use diesel::sql_types::BigInt;
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, sql_query};
use serde_json::json;
use unforget::storage::AnyConnection;

use crate::both;
use crate::doctor::Found;
use crate::helpers::{APP, Backend, Database, OLD_PASSWORD, PATIENCE, Program};
use crate::postgres::PrivateServer;
use crate::smtp::SmtpSink;

/// Commands that look after what is there.
const TENDING: [&[&str]; 17] = [
    &["client", "list"],
    &["client", "show", "uf_cl_nobody"],
    &["client", "rotate", "uf_cl_nobody"],
    &["client", "disable", "uf_cl_nobody"],
    &["client", "enable", "uf_cl_nobody"],
    &["client", "delete", "uf_cl_nobody"],
    &["user", "list"],
    &["user", "show", "ann@example.com"],
    &["user", "export"],
    &["user", "disable", "ann@example.com"],
    &["user", "enable", "ann@example.com"],
    &["user", "delete", "ann@example.com"],
    &["mail", "list"],
    &["mail", "retry", "00000000-0000-7000-8000-000000000000"],
    &["audit"],
    &["purge"],
    &["revoke-all", "--yes"],
];
/// Commands that may be the first on a new machine.
const FIRST: [&[&str]; 4] = [
    &["client", "add", "Quotes", "--scope", "password:reset"],
    &["client", "apply", "apps.toml"],
    &["user", "add", "ann@example.com"],
    &["user", "import", "users.jsonl"],
];

/// The one line with which a command is refused.
fn refusal(program: &Program, command: &[&str]) -> String {
    let output = program.run(command);
    let stderr = String::from_utf8(output.stderr).unwrap();
    let outcome = (output.status.code(), stderr.lines().count());
    assert_eq!(outcome, (Some(1), 1), "{command:?}: {stderr}");
    stderr
}

/// How many rows a query counts.
fn count(c: &mut AnyConnection, what: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Counted {
        #[diesel(sql_type = BigInt)]
        rows: i64,
    }
    let query = format!("SELECT COUNT(*) AS rows FROM {what}");
    let counted: Counted = match c {
        AnyConnection::Sqlite(c) => sql_query(query).get_result(c).unwrap(),
        AnyConnection::Postgres(c) => sql_query(query).get_result(c).unwrap(),
    };
    counted.rows
}

fn connection(database: &Database) -> AnyConnection {
    AnyConnection::open(&database.url().parse().unwrap()).unwrap()
}

both! {
    async fn d13_commands_that_look_after_things_make_no_database(backend: Backend) {
        let database = Database::create(backend);
        let program = Program::new(&[("DATABASE_URL", &database.url())]);
        for command in TENDING {
            let line = refusal(&program, command);
            match database.folder() {
                Some(folder) => {
                    let words = format!("there is no database at {}; `unforget migrate`", folder.join("unforget.db").display());
                    assert!(line.contains(&words), "{command:?}: {line}");
                    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0, "{command:?}");
                }
                None => assert!(line.contains("run `unforget migrate`"), "{command:?}: {line}"),
            }
        }
        program.run(&["doctor"]);
        match database.folder() {
            Some(folder) => assert_eq!(std::fs::read_dir(folder).unwrap().count(), 0),
            None => assert_eq!(count(&mut connection(&database), "pg_tables WHERE schemaname = 'public'"), 0),
        }
    }

    async fn d11_only_serve_and_migrate_bring_an_old_database_up_to_date(backend: Backend) {
        const LIST: &str = "__diesel_schema_migrations";
        let database = Database::create(backend);
        let program = Program::new(&[("DATABASE_URL", &database.url())]);
        assert!(program.run(&["migrate"]).status.success());
        let mut c = connection(&database);
        c.batch_execute(&format!("DELETE FROM {LIST} WHERE version = (SELECT MAX(version) FROM {LIST})")).unwrap();
        let left = count(&mut c, LIST);
        std::fs::write(program.folder.path().join("apps.toml"), "").unwrap();
        std::fs::write(program.folder.path().join("users.jsonl"), "").unwrap();
        for command in TENDING.iter().chain(&FIRST) {
            let line = refusal(&program, command);
            assert!(line.contains("run `unforget migrate`"), "{command:?}: {line}");
        }
        assert_eq!(count(&mut c, LIST), left);
        assert_eq!(count(&mut c, "clients") + count(&mut c, "users"), 0);
    }

    async fn d13_the_first_command_on_a_new_machine_makes_the_database_unless_told_not_to(backend: Backend) {
        for command in FIRST {
            let database = Database::create(backend);
            let mut program = Program::new(&[("DATABASE_URL", &database.url())]);
            let app = "[[clients]]\nname = \"Quotes\"\nscopes = [\"password:reset\"]\n";
            std::fs::write(program.folder.path().join("apps.toml"), app).unwrap();
            std::fs::write(program.folder.path().join("users.jsonl"), "{\"email\": \"ann@example.com\", \"password_hash\": null}\n").unwrap();
            program.set("UNFORGET_AUTO_MIGRATE", "false");
            assert!(refusal(&program, command).contains("`unforget migrate`"));
            program.set("UNFORGET_AUTO_MIGRATE", "true");
            let output = program.run(command);
            assert!(output.status.success(), "{command:?}: {output:?}");
            let mut c = connection(&database);
            assert_eq!(count(&mut c, "clients") + count(&mut c, "users"), 1, "{command:?}");
        }
    }

    async fn p10_a_list_of_breached_passwords_that_is_gone_stops_only_what_judges_passwords(backend: Backend) {
        let database = Database::create(backend);
        let mut program = Program::new(&[("DATABASE_URL", &database.url())]);
        program.set("UNFORGET_PASSWORD__BREACHED", "lists/gone.txt");
        let added = program.json(&["client", "add", "Quotes", "--scope", APP]);
        let id = added["client_id"].as_str().unwrap();
        for command in [&["client", "disable", id][..], &["revoke-all", "--yes"], &["purge"], &["mail", "list"], &["audit"], &["user", "list"]] {
            let output = program.run(command);
            assert!(output.status.success(), "{command:?}: {output:?}");
        }
        program.set("UNFORGET_LISTEN", "127.0.0.1:0");
        for command in [&["user", "add", "ann@example.com"][..], &["serve"]] {
            let line = refusal(&program, command);
            assert!(line.contains("password.breached: lists/gone.txt: "), "{line}");
        }
    }
}

/// The owner of the tables migrates; who serves may use them and no more, and the list of migrations is only read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d11_a_role_that_owns_nothing_serves_what_another_has_migrated() {
    let (server, sink) = (PrivateServer::new(), SmtpSink::start().await);
    let owner = Program::new(&[("DATABASE_URL", &server.url())]);
    assert!(owner.run(&["migrate"]).status.success());
    let mut admin = PgConnection::establish(&server.url()).unwrap();
    admin
        .batch_execute(
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC; CREATE ROLE app LOGIN; \
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app; \
             REVOKE INSERT, UPDATE, DELETE ON __diesel_schema_migrations FROM app",
        )
        .unwrap();
    let url = server.url().replace("user=postgres", "user=app");
    let program = Program::new(&[
        ("DATABASE_URL", &url),
        ("UNFORGET_AUTO_MIGRATE", "false"),
        ("UNFORGET_MAIL__URL", &sink.url()),
        ("UNFORGET_PASSWORD__BCRYPT_COST", "10"),
    ]);
    let client = program.json(&["client", "add", "Quotes", "--scope", APP]);
    let ann = ["user", "add", "ann@example.com", "--password-stdin"];
    assert!(program.run_with_input(&ann, OLD_PASSWORD).status.success());
    let service = program.serve().await;
    let token = service.token(&client).await;
    let call = async |path: &str, body| service.post(path, &token, body).await;
    let asked = call("/v1/password/remind", json!({"email": "ann@example.com"}));
    assert_eq!(asked.await.status, 200);
    let link = sink.wait_for(1, PATIENCE).await[0].parse().token();
    let body = json!({"email": "ann@example.com", "token": link, "password": "a new secret"});
    let reset = call("/v1/password/reset", body).await;
    assert_eq!(reset.said(), "200 password_reset");
    assert!(program.run(&["purge"]).status.success());

    Found::by(&program).says("database", "ok", "up to date");
    for right in ["SELECT", "INSERT", "UPDATE", "DELETE"] {
        let taken = format!("REVOKE {right} ON limits FROM app");
        admin.batch_execute(&taken).unwrap();
        let words = format!("no right to {right} in the table limits");
        Found::by(&program).says("database", "error", &words);
        let given = format!("GRANT {right} ON limits TO app");
        admin.batch_execute(&given).unwrap();
    }
}
