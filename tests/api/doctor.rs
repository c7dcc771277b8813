//! `unforget doctor`: it finds what is broken, says what to do, never hangs, and tells no secret.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::sql_types::Text;
use diesel::{Connection, PgConnection, RunQueryDsl};
use serde_json::Value;

use crate::both;
use crate::helpers::{Backend, Database, Program};
use crate::smtp::{Behaviour, SmtpSink, Stage, TlsMode};

/// What it found: the exit code, and each check's level and text.
pub(crate) struct Found {
    pub(crate) code: Option<i32>,
    json: Value,
    stderr: String,
}

impl Found {
    pub(crate) fn by(program: &Program) -> Self {
        let output = program.run(&["doctor", "--json"]);
        let text = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(
            !text.contains("geheim") && !stderr.contains("geheim"),
            "{text}{stderr}"
        );
        let json: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{stderr}"));
        let found = Self {
            code: output.status.code(),
            json,
            stderr,
        };
        let broken = found.checks().iter().any(|check| check["level"] == "error");
        assert_eq!(found.code, Some(i32::from(broken)), "{}", found.json);
        assert_eq!(found.json["ok"], !broken);
        assert_eq!(
            found.stderr.lines().count(),
            usize::from(broken),
            "{}",
            found.stderr
        );
        for check in found.checks() {
            assert_eq!(
                check["text"].as_str().unwrap().lines().count(),
                1,
                "{check}"
            );
        }
        found
    }

    fn checks(&self) -> &[Value] {
        self.json["checks"].as_array().unwrap()
    }

    /// The level and the text of one check.
    fn check(&self, name: &str) -> (&str, &str) {
        let found = self.checks().iter().find(|check| check["check"] == name);
        let found = found.unwrap_or_else(|| panic!("{name}: {}", self.json));
        (
            found["level"].as_str().unwrap(),
            found["text"].as_str().unwrap(),
        )
    }

    /// One check must have ended so, and say this.
    pub(crate) fn says(&self, name: &str, level: &str, words: &str) {
        let (found, text) = self.check(name);
        assert_eq!(found, level, "{name}: {text}");
        assert!(text.contains(words), "{name}: {words}: {text}");
    }
}

/// A service as it should be, but for its mail server, which is a test's.
pub(crate) fn program(database: &Database, mail_url: &str) -> Program {
    Program::new(&[
        ("DATABASE_URL", &database.url()),
        ("UNFORGET_MAIL__URL", mail_url),
        ("UNFORGET_MAIL__TIMEOUT", "2s"),
        ("UNFORGET_PUBLIC_URL", "https://recover.example"),
        ("UNFORGET_HTTP__TRUSTED_PROXIES", "10.0.0.0/8"),
        ("UNFORGET_PASSWORD__BCRYPT_COST", "10"),
    ])
}

/// Lets the program trust the sink's CA.
fn trust(program: &mut Program, sink: &SmtpSink) {
    std::fs::write(program.folder.path().join("ca.pem"), sink.ca_pem()).unwrap();
    program.set("SSL_CERT_FILE", "ca.pem");
}

both! {
    async fn doctor_finds_a_healthy_service_healthy_while_it_runs(backend: Backend) {
        let (database, sink) = (Database::create(backend), SmtpSink::start_tls(TlsMode::StartTls).await);
        let mut program = program(&database, &sink.url_as("post", "geheim"));
        trust(&mut program, &sink);
        let fresh = Found::by(&program);
        fresh.says("database", "warning", if backend == Backend::Sqlite { "not there yet" } else { "waits for migrations" });
        let client = program.json(&["client", "add", "Page", "--scope", "password:remind"]);
        program.set("UNFORGET_PAGE__CLIENT", client["client_id"].as_str().unwrap());
        let _service = program.serve().await;
        let found = Found::by(&program);
        assert_eq!(found.code, Some(0), "{}", found.json);
        for name in ["configuration", "public_url", "trusted_proxies", "limits", "database", "clock", "mail", "page_client"] {
            assert_eq!(found.check(name).0, "ok", "{name}: {}", found.json);
        }
        if backend == Backend::Sqlite {
            found.says("database_files", "ok", "only their owner");
            assert!(found.check("disk").1.contains("MiB are free"));
        } else {
            found.says("database", "ok", "max_connections");
        }
        found.says("password_hash", found.check("password_hash").0, "cost 10 takes");
        // It has logged in, and sent nothing.
        assert_eq!(sink.credentials(), vec![("post".to_owned(), "geheim".to_owned()); 2]);
        assert!(sink.offered().is_empty() && !sink.commands().iter().any(|line| line.starts_with("MAIL")));
        let text = String::from_utf8(program.run(&["doctor"]).stdout).unwrap();
        assert_eq!(text.lines().count(), found.checks().len(), "{text}");
        assert!(text.lines().all(|line| line.starts_with("ok") || line.starts_with("warning")), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_names_all_that_is_broken_and_does_not_hang() {
    let sink = SmtpSink::start().await;
    sink.behave(Behaviour::stall(Stage::Banner));
    // A server that takes connections and says nothing: neither database nor mail.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let program = Program::new(&[
        (
            "DATABASE_URL",
            &format!("postgres://app:geheim@127.0.0.1:{port}/x"),
        ),
        ("UNFORGET_MAIL__URL", &sink.url()),
        ("UNFORGET_MAIL__TIMEOUT", "2s"),
        ("UNFORGET_HTTP__TRUSTED_PROXIES", "0.0.0.0/0"),
        ("UNFORGET_LIMITS__ENABLED", "false"),
        ("UNFORGET_PASSWORD__BREACHED", "no/such/list"),
    ]);
    let began = Instant::now();
    let found = Found::by(&program);
    assert!(
        began.elapsed() < Duration::from_secs(60),
        "{:?}",
        began.elapsed()
    );
    found.says("database", "error", "127.0.0.1");
    found.says("mail", "error", "no answer within 2 s");
    found.says("public_url", "warning", "this machine only");
    found.says("trusted_proxies", "error", "any address");
    found.says("limits", "warning", "any rate");
    found.says("breached_passwords", "error", "no/such/list");
    for name in ["database", "mail", "trusted_proxies", "breached_passwords"] {
        assert!(found.stderr.contains(name), "{}", found.stderr);
    }
    let program = Program::new(&[
        ("UNFORGET_LISTEN", "nowhere"),
        ("UNFORGET_MAIL__URL", "smtp://u:geheim@"),
    ]);
    let found = Found::by(&program);
    found.says("configuration", "error", "listen (from UNFORGET_LISTEN)");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_knows_a_mail_server_that_refuses_us_from_one_that_is_not_there() {
    let (database, sink) = (
        Database::create(Backend::Sqlite),
        SmtpSink::start_tls(TlsMode::StartTls).await,
    );
    let mut program = program(&database, &sink.url_as("post", "geheim"));
    trust(&mut program, &sink);
    sink.behave(Behaviour {
        auth_reply: Some("535 5.7.8 no".into()),
        ..Behaviour::default()
    });
    Found::by(&program).says("mail", "error", "535 5.7.8");
    sink.stop();
    Found::by(&program).says("mail", "error", "no connection");
    program.set("UNFORGET_MAIL__URL", "file:out");
    Found::by(&program).says("mail", "warning", "nobody gets any");
    program.set("UNFORGET_MAIL__URL", "file:/proc/none");
    Found::by(&program).says("mail", "error", "the mail folder");
}

#[test]
fn doctor_finds_damage_open_files_and_a_missing_client() {
    let database = Database::create(Backend::Sqlite);
    let mut program = program(&database, "file:out");
    assert!(program.run(&["migrate"]).status.success());
    let file = database.folder().unwrap().join("unforget.db");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    program.set("UNFORGET_PAGE__CLIENT", "nobody");
    program.set("UNFORGET_CONTRACTS__INTERSLICE_CLIENT", "nobody");
    let found = Found::by(&program);
    found.says("database_files", "error", "chmod 600");
    found.says("page_client", "error", "no such client");
    found.says("interslice_client", "error", "no such client");
    let bytes = std::fs::read(&file).unwrap();
    let damaged = [&bytes[..8192], &[0xA5; 8192], &bytes[16384..]].concat();
    std::fs::write(&file, damaged).unwrap();
    assert_eq!(Found::by(&program).check("database").0, "error");
    std::fs::write(&file, "Dear database, ".repeat(100)).unwrap();
    Found::by(&program).says("database", "error", "not a database");
}

#[test]
fn doctor_finds_a_postgres_that_takes_no_writes_or_too_few_connections() {
    let database = Database::create(Backend::Postgres);
    let mut program = program(&database, "file:out");
    assert!(program.run(&["migrate"]).status.success());
    let mut admin = PgConnection::establish(&database.url()).unwrap();
    let name = database
        .url()
        .split('?')
        .next()
        .unwrap()
        .rsplit('/')
        .next()
        .unwrap()
        .to_owned();
    let read_only =
        |on: &str| format!("ALTER DATABASE {name} SET default_transaction_read_only = {on}");
    admin.batch_execute(&read_only("on")).unwrap();
    Found::by(&program).says("database", "error", "takes no writes");
    admin
        .batch_execute(&format!(
            "SET default_transaction_read_only = off; {}",
            read_only("off")
        ))
        .unwrap();
    // Ten are for others, and a node has one for tokens besides.
    let most = diesel::dsl::sql::<Text>("SELECT current_setting('max_connections')");
    let most: String = most.get_result(&mut admin).unwrap();
    let all = most.parse::<u32>().unwrap() - 10;
    program.set("UNFORGET_DATABASE_PARALLEL", &all.to_string());
    Found::by(&program).says("database", "error", "enough for 0 nodes");
}
