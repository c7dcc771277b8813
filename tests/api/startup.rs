//! Everything that can be wrong when the program starts: it ends with 1, and one line that names the setting and the place (D13).

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};

use crate::helpers::{Backend, Database, PATIENCE, Program};
use crate::postgres::PrivateServer;

/// The one line with which a command ends. One that runs instead is ended.
pub(crate) fn refused(command: &mut Command) -> String {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let deadline = Instant::now() + 3 * PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("it runs: {command:?}: {:?}", child.wait_with_output());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let outcome = (output.status.code(), stderr.lines().count());
    assert_eq!(outcome, (Some(1), 1), "{command:?}: {stderr}");
    assert!(output.stdout.is_empty(), "{command:?}");
    assert!(stderr.starts_with("unforget: "), "{stderr}");
    assert!(!stderr.contains("geheim"), "{stderr}");
    stderr
}

/// A command that respects permissions, also where the tests are root.
pub(crate) fn humble(program: &Program, arguments: &[&str]) -> Command {
    let plain = program.command(arguments);
    if !is_root() {
        return plain;
    }
    let mut command = Command::new("setpriv");
    command
        .args([
            "--bounding-set",
            "-dac_override,-dac_read_search,-net_bind_service",
        ])
        .arg(plain.get_program())
        .args(plain.get_args())
        .current_dir(program.folder.path());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let uids = status.lines().find(|line| line.starts_with("Uid:"));
    uids.unwrap().split_whitespace().nth(2) == Some("0")
}

/// `serve` and `migrate` on this database must refuse it with these words, and name it.
fn database_is_refused(url: &str, words: &[&str]) {
    let program = Program::new(&[("DATABASE_URL", url), ("UNFORGET_LISTEN", "127.0.0.1:0")]);
    for command in ["serve", "migrate"] {
        let line = refused(&mut program.command(&[command]));
        for word in ["database_url: "].iter().chain(words) {
            assert!(line.contains(word), "{command}: {word}: {line}");
        }
    }
}

pub(crate) fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn d13_a_folder_or_file_that_may_not_be_written_is_named() {
    let home = tempfile::tempdir().unwrap();
    let closed = home.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    let url = format!("sqlite://{}/data/unforget.db", closed.display());
    let ready = format!("sqlite://{}/unforget.db", home.path().display());
    assert!(
        Program::new(&[("DATABASE_URL", &ready)])
            .run(&["migrate"])
            .status
            .success()
    );
    mode(&closed, 0o500);
    mode(&home.path().join("unforget.db"), 0o000);
    for (url, path) in [(&url, "closed/data/unforget.db"), (&ready, "/unforget.db")] {
        let program = Program::new(&[("DATABASE_URL", url), ("UNFORGET_LISTEN", "127.0.0.1:0")]);
        for command in ["serve", "migrate"] {
            let line = refused(&mut humble(&program, &[command]));
            assert!(
                line.contains("database_url: ") && line.contains(path),
                "{line}"
            );
        }
    }
    // Readable is not enough.
    mode(&home.path().join("unforget.db"), 0o400);
    let program = Program::new(&[("DATABASE_URL", &ready), ("UNFORGET_LISTEN", "127.0.0.1:0")]);
    let line = refused(&mut humble(&program, &["serve"]));
    assert!(
        line.contains("database_url: ") && line.contains("/unforget.db"),
        "{line}"
    );
    mode(&closed, 0o700);
}

#[test]
fn d13_a_place_that_cannot_hold_a_database_is_named() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name).display().to_string();
    std::fs::write(path("letter.txt"), "Dear database, ".repeat(100)).unwrap();
    let file = path("letter.txt");
    database_is_refused(
        &format!("sqlite://{file}"),
        &["/letter.txt", "file is not a database"],
    );
    database_is_refused(
        &format!("sqlite://{file}/x.db"),
        &["/letter.txt/x.db", "File exists"],
    );
    database_is_refused(
        "sqlite:///proc/unforget/x.db",
        &["/proc/unforget/x.db", "No such file"],
    );
    let folder = home.path().display().to_string();
    database_is_refused(&format!("sqlite://{folder}"), &[&folder, "nable to open"]);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1); // nothing was made in passing
}

#[test]
fn d13_a_database_of_another_program_is_refused_and_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("other.db");
    let mut other = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    other
        .batch_execute("CREATE TABLE songs (title TEXT); INSERT INTO songs VALUES ('Yesterday')")
        .unwrap();
    drop(other);
    let before = std::fs::read(&path).unwrap();
    let url = format!("sqlite://{}", path.display());
    database_is_refused(&url, &["other.db", "another program's"]);
    assert!(before == std::fs::read(&path).unwrap());
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);

    // Another one that uses the same library, and one on PostgreSQL whose tables stand where ours would.
    let mut other = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    let list = "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP); \
                INSERT INTO __diesel_schema_migrations (version) VALUES ('20190101000000')";
    other.batch_execute(list).unwrap();
    database_is_refused(&url, &["other.db", "another program's"]);
    let database = Database::create(Backend::Postgres);
    let mut other = diesel::PgConnection::establish(&database.url()).unwrap();
    other
        .batch_execute("CREATE TABLE users (nickname TEXT)")
        .unwrap();
    database_is_refused(&database.url(), &["another program's"]);
    other
        .batch_execute("ALTER TABLE users RENAME TO fans")
        .unwrap(); // it may live beside us
    let program = Program::new(&[("DATABASE_URL", &database.url())]);
    assert!(program.run(&["migrate"]).status.success());
}

#[test]
fn d13_a_postgres_that_does_not_let_us_in_is_named() {
    let server = PrivateServer::new();
    let url = server.url();
    assert!(
        Program::new(&[("DATABASE_URL", &url)])
            .run(&["migrate"])
            .status
            .success()
    );
    let with = |from: &str, to: &str| url.replace(from, to);
    database_is_refused(
        &with("/postgres?", "/nowhere?"),
        &["nowhere", "does not exist"],
    );
    database_is_refused(
        &with("user=postgres", "user=stranger&password=geheim"),
        &["stranger"],
    );
    let mut admin = diesel::PgConnection::establish(&url).unwrap();
    admin
        .batch_execute("CREATE ROLE app LOGIN PASSWORD 'right'")
        .unwrap();
    drop(admin);
    server.ask_for_passwords();
    database_is_refused(
        &with("user=postgres", "user=app&password=geheim"),
        &["app", "password authentication failed"],
    );
    server.stop();
    database_is_refused(&url, &["No such file or directory"]);
    database_is_refused(
        "postgres://u:geheim@127.0.0.1:1/x",
        &["127.0.0.1", "Connection refused"],
    );
}

#[test]
fn d13_an_address_that_cannot_be_listened_on_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    // 192.0.2.1 is for documentation: no machine has it.
    let mut cases = vec![(taken.as_str(), "in use"), ("192.0.2.1:8080", "assign")];
    let least = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    if least.is_ok_and(|port| port.trim().parse::<u16>().unwrap() > 81) {
        cases.push(("127.0.0.1:81", "Permission denied"));
    }
    for (address, reason) in cases {
        let program = Program::new(&[("UNFORGET_LISTEN", address)]);
        let line = refused(&mut humble(&program, &["serve"]));
        assert!(line.contains("listen: "), "{line}");
        assert!(line.contains(address) && line.contains(reason), "{line}");
    }
}

#[test]
fn d13_a_value_and_a_file_for_the_same_key_are_refused() {
    let file = |name: &str, text: &str, program: &Program| {
        std::fs::write(program.folder.path().join(name), text).unwrap();
    };
    for (plain, other) in [
        ("UNFORGET_MAIL__FROM", "UNFORGET_MAIL__FROM_FILE"),
        ("DATABASE_URL", "DATABASE_URL_FILE"),
        ("UNFORGET_DATABASE_URL", "UNFORGET_DATABASE_URL_FILE"),
    ] {
        let program = Program::new(&[(plain, "sqlite://a.db"), (other, "value.txt")]);
        file("value.txt", "sqlite://b.db", &program);
        let line = refused(&mut program.command(&["config"]));
        let words = format!("{plain} and {other} are both set");
        assert!(line.contains(&words), "{line}");
    }
    // Which database is meant is clear where the general name and our own differ.
    let program = Program::new(&[
        ("DATABASE_URL", "sqlite://a.db"),
        ("UNFORGET_DATABASE_URL_FILE", "value.txt"),
    ]);
    file("value.txt", "sqlite://b.db\n", &program);
    assert_eq!(program.json(&["config"])["database_url"], "sqlite://b.db");
}

#[test]
fn d13_a_file_that_cannot_be_read_is_named_and_a_secret_in_its_place_is_not() {
    let program = Program::new(&[("UNFORGET_MAIL__URL_FILE", "secrets/mail")]);
    let line = refused(&mut program.command(&["serve"]));
    assert!(
        line.contains("UNFORGET_MAIL__URL_FILE") && line.contains("secrets/mail: No such file"),
        "{line}"
    );
    std::fs::create_dir(program.folder.path().join("secrets")).unwrap();
    std::fs::write(program.folder.path().join("secrets/mail"), "file:out").unwrap();
    mode(&program.folder.path().join("secrets/mail"), 0o000);
    let line = refused(&mut humble(&program, &["serve"]));
    assert!(line.contains("secrets/mail: Permission denied"), "{line}");
    let program = Program::new(&[("UNFORGET_MAIL__URL_FILE", "smtp://u:geheim@mail.example")]);
    let line = refused(&mut program.command(&["serve"]));
    assert!(
        line.contains("UNFORGET_MAIL__URL_FILE must be the path of a file"),
        "{line}"
    );
    let program = Program::new(&[]);
    std::fs::create_dir(program.folder.path().join("unforget.toml")).unwrap();
    let line = refused(&mut program.command(&["serve"]));
    assert!(line.contains("unforget.toml: Is a directory"), "{line}");
}

#[test]
fn d13_mail_settings_and_lists_that_cannot_be_used_are_named() {
    for (name, value, words) in [
        (
            "UNFORGET_MAIL__URL",
            "mail.example:25",
            "mail.url (from UNFORGET_MAIL__URL)",
        ),
        (
            "UNFORGET_MAIL__URL",
            "smtps://u:geheim@",
            "mail.url (from UNFORGET_MAIL__URL)",
        ),
        (
            "UNFORGET_PASSWORD__BREACHED",
            "lists/none.txt",
            "password.breached: lists/none.txt: ",
        ),
        (
            "UNFORGET_METRICSLISTEN",
            "127.0.0.1:0",
            "is not a known key",
        ),
    ] {
        let program = Program::new(&[(name, value), ("UNFORGET_LISTEN", "127.0.0.1:0")]);
        let line = refused(&mut program.command(&["serve"]));
        assert!(line.contains(words), "{line}");
    }
}

/// Whoever starts with nothing configured gets no secret that others know.
#[test]
fn d13_there_is_no_default_secret() {
    let program = Program::new(&[]);
    assert!(program.run(&["migrate"]).status.success());
    assert_eq!(program.json(&["client", "list"]), serde_json::json!([]));
    assert!(program.run(&["user", "list", "--json"]).stdout.is_empty());
    let add = || program.json(&["client", "add", "Quotes", "--scope", "password:reset"]);
    assert_ne!(add()["client_secret"], add()["client_secret"]);
}
