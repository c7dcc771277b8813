//! Backups while the service runs, and what has to die when one comes back (D12).

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use diesel::sql_types::{BigInt, Text};
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query};
use serde_json::{Value, json};

use crate::both;
use crate::helpers::{
    APP, Backend, Database, OLD_PASSWORD, PATIENCE, Program, Reply, Service, a_second_later,
};
use crate::postgres::{finish, tool};
use crate::smtp::SmtpSink;

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";

fn program(database: &Database, sink: &SmtpSink) -> Program {
    Program::new(&[
        ("DATABASE_URL", &database.url()),
        ("UNFORGET_MAIL__URL", &sink.url()),
        ("UNFORGET_PASSWORD__BCRYPT_COST", "10"),
        ("UNFORGET_LIMITS__ENABLED", "false"),
    ])
}

/// What a copy says of itself: SQLite's check, and how many tokens are in it.
fn look_into(copy: &Path) -> (String, i64) {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = Text)]
        checked: String,
        #[diesel(sql_type = BigInt)]
        tokens: i64,
    }
    let query = "SELECT integrity_check AS checked, (SELECT COUNT(*) FROM access_tokens) AS tokens FROM pragma_integrity_check";
    let mut copy = SqliteConnection::establish(copy.to_str().unwrap()).unwrap();
    let found: Found = sql_query(query).get_result(&mut copy).unwrap();
    (found.checked, found.tokens)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d12_a_backup_under_load_is_whole_private_and_has_all_that_was_answered() {
    let (database, sink) = (Database::create(Backend::Sqlite), SmtpSink::start().await);
    let program = program(&database, &sink);
    let client = program.json(&["client", "add", "Quotes", "--scope", APP]);
    let service = Arc::new(program.serve().await);
    let (stop, issued) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (service, client) = (Arc::clone(&service), client.clone());
            let (stop, issued) = (Arc::clone(&stop), Arc::clone(&issued));
            tokio::spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    service.token(&client).await;
                    issued.fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let copy = program.folder.path().join("copy.db");
    for force in [&[][..], &["--force"]] {
        crate::recovery::eventually("tokens are issued", || issued.load(Ordering::SeqCst) > 20)
            .await;
        let before = issued.load(Ordering::SeqCst);
        let arguments = [&["backup", "copy.db", "--json"], force].concat();
        let command = || program.run(&arguments);
        let output = tokio::task::block_in_place(command);
        assert!(output.status.success(), "{output:?}");
        let (checked, tokens) = look_into(&copy);
        assert_eq!(checked, "ok");
        assert!(
            tokens >= i64::try_from(before).unwrap(),
            "{tokens} of {before}"
        );
        assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    stop.store(true, Ordering::SeqCst);
    for caller in callers {
        caller.await.unwrap();
    }
    let written = std::fs::read(&copy).unwrap();
    let output = program.run(&["backup", "copy.db"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr.contains("copy.db is there already; --force"),
        "{stderr}"
    );
    assert_eq!(std::fs::read(&copy).unwrap(), written);
    let files = std::fs::read_dir(program.folder.path()).unwrap();
    let names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
    assert!(
        !names
            .iter()
            .any(|name| name.to_string_lossy().contains("partial")),
        "{names:?}"
    );
}

#[test]
fn d12_a_backup_that_cannot_be_made_leaves_nothing_and_says_why() {
    let database = Database::create(Backend::Sqlite);
    let mut program = Program::new(&[("DATABASE_URL", &database.url())]);
    let refused = |program: &Program, arguments: &[&str], words: &str| {
        let output = program.run(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        let outcome = (output.status.code(), stderr.lines().count());
        assert_eq!(outcome, (Some(1), 1), "{stderr}");
        assert!(stderr.contains(words), "{words}: {stderr}");
    };
    refused(&program, &["backup", "copy.db"], "there is no such file");
    assert!(program.run(&["migrate"]).status.success());
    refused(&program, &["backup", "no/such/copy.db"], "no/such/copy.db");
    refused(
        &program,
        &["backup", "/dev/null", "--force"],
        "/dev/null is no file",
    );
    let itself = database.folder().unwrap().join("unforget.db");
    refused(
        &program,
        &["backup", itself.to_str().unwrap(), "--force"],
        "the database itself",
    );
    assert_eq!(std::fs::read_dir(program.folder.path()).unwrap().count(), 0);
    // As on a full disk: no file may grow beyond this, which is enough for what reading the database needs.
    let backup = program.command(&["backup", "copy.db"]);
    let mut small = Command::new("sh");
    small.args(["-c", "trap '' XFSZ; ulimit -f 160; exec \"$@\"", "sh"]);
    small.arg(backup.get_program()).args(backup.get_args());
    let output = program.equip(small).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), stderr.lines().count()),
        (Some(1), 1),
        "{stderr}"
    );
    assert!(
        stderr.starts_with("unforget: cannot write copy.db: "),
        "{stderr}"
    );
    assert_eq!(std::fs::read_dir(program.folder.path()).unwrap().count(), 0);
    // A page that was overwritten is found before the copy gets its name.
    let bytes = std::fs::read(&itself).unwrap();
    std::fs::write(
        &itself,
        [&bytes[..8192], &[0xA5; 4096], &bytes[12288..]].concat(),
    )
    .unwrap();
    let output = program.run(&["backup", "copy.db"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(std::fs::read_dir(program.folder.path()).unwrap().count(), 0);

    program.set(
        "DATABASE_URL",
        "postgres://app:geheim@db.example/unforget?sslmode=require",
    );
    let words = "pg_dump --format=custom --file='copy.db' 'postgres://app@db.example/unforget?sslmode=require'";
    refused(&program, &["backup", "copy.db"], words);
}

/// A page that nothing but SQLite's own check reads: without that, the command would say that all was ended.
#[test]
fn d12_revoke_all_refuses_a_damaged_database_and_backup_says_how_to_restore() {
    #[derive(QueryableByName)]
    struct Page {
        #[diesel(sql_type = BigInt)]
        rootpage: i64,
    }
    let database = Database::create(Backend::Sqlite);
    let program = Program::new(&[("DATABASE_URL", &database.url())]);
    assert!(program.run(&["migrate"]).status.success());
    let said = String::from_utf8(program.run(&["backup", "copy.db"]).stdout).unwrap();
    assert!(said.contains("delete the -wal and -shm"), "{said}");
    let whole = program.json(&["revoke-all", "--yes"]);
    assert_eq!(whole["access_tokens"], 0);
    let file = database.folder().unwrap().join("unforget.db");
    let mut c = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    let query = "SELECT rootpage FROM sqlite_master WHERE name = 'own_keys'";
    let page: Page = sql_query(query).get_result(&mut c).unwrap();
    drop(c);
    let mut bytes = std::fs::read(&file).unwrap();
    let end = usize::try_from(page.rootpage).unwrap() * 4096;
    bytes[end - 4096..end].fill(0xA5);
    std::fs::write(&file, bytes).unwrap();
    let output = program.run(&["revoke-all", "--yes"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    let outcome = (output.status.code(), stderr.lines().count());
    assert_eq!(outcome, (Some(1), 1), "{stderr}");
    assert!(stderr.contains("the file is damaged"), "{stderr}");
    let audit = program.run(&["audit", "--act", "access.end", "--json"]);
    let rows = String::from_utf8(audit.stdout).unwrap();
    assert_eq!(rows.lines().count(), 1, "{rows}"); // the first one's
}

/// The service with its users, its mail and what callers hold of it.
struct Rig {
    database: Database,
    sink: SmtpSink,
    program: Program,
    client: Value,
}

impl Rig {
    async fn start(backend: Backend) -> Self {
        let (database, sink) = (Database::create(backend), SmtpSink::start().await);
        let program = program(&database, &sink);
        let scopes = "password:remind password:reset sessions:create clients:write";
        let client = program.json(&["client", "add", "Quotes", "--scope", scopes]);
        for email in [ANN, BOB] {
            let add =
                program.run_with_input(&["user", "add", email, "--password-stdin"], OLD_PASSWORD);
            assert!(add.status.success(), "{add:?}");
        }
        Self {
            database,
            sink,
            program,
            client,
        }
    }

    fn copy(&self) -> String {
        self.program
            .folder
            .path()
            .join("copy")
            .display()
            .to_string()
    }

    fn back_up(&self) {
        match &self.database {
            Database::Sqlite(_) => {
                self.program.json(&["backup", &self.copy()]);
            }
            Database::Postgres(_) => finish(
                tool("pg_dump")
                    .args([
                        "--format=custom",
                        "--file",
                        &self.copy(),
                        &self.database.url(),
                    ])
                    .current_dir("/"),
            ),
        }
    }

    /// Brings the copy back. Nobody uses the database.
    fn restore(&self) {
        match self.database.folder() {
            Some(folder) => {
                for end in ["-wal", "-shm"] {
                    let _gone = std::fs::remove_file(folder.join(format!("unforget.db{end}")));
                }
                std::fs::copy(self.copy(), folder.join("unforget.db")).unwrap();
            }
            None => finish(
                tool("pg_restore")
                    .args([
                        "--clean",
                        "--if-exists",
                        "--dbname",
                        &self.database.url(),
                        &self.copy(),
                    ])
                    .current_dir("/"),
            ),
        }
    }
}

async fn get(service: &Service, path: &str, token: &str) -> u16 {
    let request = reqwest::Client::new().get(format!("{}{path}", service.base));
    Reply::of(request.bearer_auth(token).send().await.unwrap())
        .await
        .status
}

both! {
    async fn d12_what_ended_after_a_backup_is_dead_after_restore_and_revoke_all(backend: Backend) {
        let rig = Rig::start(backend).await;
        let mut service = rig.program.serve().await;
        let token = service.token(&rig.client).await;
        let call = async |service: &Service, path: &str, body: Value| service.post(path, &token, body).await;
        assert_eq!(call(&service, "/v1/password/remind", json!({"email": ANN})).await.status, 200);
        let link = rig.sink.wait_for(1, PATIENCE).await[0].parse().token();
        let session = call(&service, "/v1/sessions", json!({"email": ANN, "password": OLD_PASSWORD})).await;
        let session = session.json()["access_token"].as_str().unwrap().to_owned();
        let registered = call(&service, "/oauth/register", json!({"client_name": "Other", "scope": "password:reset"})).await;
        let registered = registered.json();
        let manage = registered["registration_access_token"].as_str().unwrap();
        let place = format!("/oauth/register/{}", registered["client_id"].as_str().unwrap());
        assert_eq!(get(&service, &place, manage).await, 200);
        // Bob's mail waits when the copy is made.
        rig.sink.stop();
        assert_eq!(call(&service, "/v1/password/remind", json!({"email": BOB})).await.status, 200);
        tokio::task::block_in_place(|| rig.back_up());

        let body = json!({"email": ANN, "token": link, "password": "a new secret"});
        assert_eq!(call(&service, "/v1/password/reset", body).await.said(), "200 password_reset");
        service.kill();
        tokio::task::block_in_place(|| rig.restore());
        let service = rig.program.serve().await;
        // So it would be without the command: the link that was used lives again, and so does the session that it ended.
        let checked = call(&service, "/v1/password/check", json!({"token": link})).await;
        assert_eq!(checked.said(), "200 token_valid");
        let as_user = async || {
            let put = reqwest::Client::new().put(format!("{}/v1/password", service.base));
            Reply::of(put.bearer_auth(&session).json(&json!({"old_password": "wrong"})).send().await.unwrap()).await.status
        };
        assert_ne!(as_user().await, 401);

        let none = rig.program.run(&["revoke-all"]);
        assert_eq!(none.status.code(), Some(2), "{none:?}"); // not without --yes
        let ended = rig.program.json(&["revoke-all", "--yes"]);
        assert_eq!((&ended["reset_mails"], &ended["registration_tokens"]), (&json!(1), &json!(1)), "{ended}");
        // Two when the copy was made just while the mail that waited was tried.
        assert!([1, 2].contains(&ended["reset_links"].as_u64().unwrap()), "{ended}");
        assert!(ended["access_tokens"].as_u64().unwrap() >= 2, "{ended}");
        a_second_later().await;
        assert_eq!(as_user().await, 401);
        // It stands, also when it could not be told; a number of one is a singular.
        service.token(&rig.client).await;
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = rig.program.command(&["revoke-all", "--yes"]);
        let untold = command.stdout(full).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        let stderr = String::from_utf8(untold.stderr).unwrap();
        assert_eq!((untold.status.code(), stderr.lines().count()), (Some(1), 1), "{stderr}");
        assert!(stderr.contains("every token and link was ended, but"), "{stderr}");
        service.token(&rig.client).await;
        let text = String::from_utf8(rig.program.run(&["revoke-all", "--yes"]).stdout).unwrap();
        assert!(text.starts_with("Ended 1 access token, 0 reset links, 0 reset mails that waited and 0 registration tokens."), "{text}");
        assert_eq!(get(&service, &place, manage).await, 401);
        assert_eq!(call(&service, "/v1/password/check", json!({"token": link})).await.status, 401);
        // The app's secret stays, and with a new token the link is still dead.
        let token = service.token(&rig.client).await;
        let checked = service.post("/v1/password/check", &token, json!({"token": link})).await;
        assert_eq!(checked.said(), "400 wrong_token");
        let body = json!({"email": ANN, "token": link, "password": "a new secret"});
        assert_eq!(service.post("/v1/password/reset", &token, body).await.said(), "400 wrong_token");
        // Nor does the mail that waited go out, and what is asked for from now on works.
        rig.sink.resume().await;
        let asked = service.post("/v1/password/remind", &token, json!({"email": "carl@example.com"})).await;
        assert_eq!(asked.status, 200);
        rig.program.run_with_input(&["user", "add", "dora@example.com", "--password-stdin"], OLD_PASSWORD);
        assert_eq!(service.post("/v1/password/remind", &token, json!({"email": "dora@example.com"})).await.status, 200);
        let mails = rig.sink.wait_for(2, PATIENCE).await;
        assert_eq!(mails[1].to, ["dora@example.com"]);
        let again = json!({"token": mails[1].parse().token()});
        assert_eq!(service.post("/v1/password/check", &token, again).await.said(), "200 token_valid");
        let listed = rig.program.json(&["mail", "list"]);
        let waits = listed.as_array().unwrap().iter().any(|mail| mail["state"] == "queued");
        assert!(!waits && rig.sink.received().iter().all(|mail| mail.to != [BOB]), "{listed}");
        let audit = rig.program.run(&["audit", "--act", "access.end", "--json"]);
        let rows = String::from_utf8(audit.stdout).unwrap();
        assert_eq!(rows.lines().count(), 3, "{rows}");
        assert!(rows.contains("\"operator\""), "{rows}");
    }
}
