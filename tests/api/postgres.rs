//! PostgreSQL for tests: a fresh database on the suite's server, or a whole server for a test that must break it.
#![expect(
    clippy::expect_used,
    reason = "a rig that cannot be set up ends its test"
)]

use std::{
    env, fs,
    hash::{BuildHasher, Hasher, RandomState},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
};

use diesel::{Connection, PgConnection, RunQueryDsl, sql_query};
use tempfile::TempDir;

/// A database of its own for one test, dropped with its connections when the guard goes.
pub(crate) struct TestDatabase {
    /// A libpq URL; all of its rights are there.
    pub(crate) url: String,
    name: String,
    server: String,
}

impl TestDatabase {
    /// A new, empty database on the server of the environment variable `TEST_DATABASE_URL`.
    pub(crate) fn create() -> Self {
        let server = env::var("TEST_DATABASE_URL").expect(
            "PostgreSQL tests need TEST_DATABASE_URL: run scripts/test, which starts a server of its own",
        );
        Self::create_on(&server)
    }

    /// A new, empty database on the server that `server` names, as a superuser's URL.
    pub(crate) fn create_on(server: &str) -> Self {
        let name = unique_name();
        // Not template1: a copy of it fails as soon as anybody is connected to it.
        run(
            server,
            &format!("CREATE DATABASE {name} TEMPLATE template0"),
        )
        .expect("a new database");
        Self {
            url: with_database(server, &name),
            name,
            server: server.to_owned(),
        }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // The server may be down by intention, and it takes its databases with it.
        let _ = run(&self.server, &drop);
    }
}

/// A PostgreSQL server for one test: no port, no safety of the disk, gone with its data when the guard goes.
pub(crate) struct PrivateServer {
    home: TempDir,
    binaries: PathBuf,
    as_postgres: bool,
}

impl PrivateServer {
    /// Makes a cluster and starts it.
    pub(crate) fn new() -> Self {
        let server = Self::unmade();
        let data = server.home().join("data");
        let mut initdb = server.command("initdb");
        initdb.arg("-D").arg(data).args(["-U", "postgres"]);
        initdb.args(["-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
        finish(&mut initdb);
        server.start();
        server
    }

    /// A hot standby: a copy of this server that follows it, and without which no commit is acknowledged from now on.
    pub(crate) fn standby(&self) -> Self {
        let standby = Self::unmade();
        let mut copy = standby.command("pg_basebackup");
        copy.arg("-h")
            .arg(self.home())
            .args(["-U", "postgres", "-D"]);
        copy.arg(standby.home().join("data"));
        finish(copy.args(["-R", "-X", "stream", "-c", "fast", "--no-sync"]));
        standby.start();
        let states = |state: &str| {
            let asked = format!("SELECT 1 / count(*) FROM pg_stat_replication WHERE {state}");
            for _ in 0..400 {
                if run(&self.url(), &asked).is_ok() {
                    return;
                }
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            panic!("the standby does not get to {state}");
        };
        states("state = 'streaming'");
        self.set("synchronous_standby_names = '*'");
        states("sync_state = 'sync'");
        standby
    }

    /// Makes a standby the server that takes writes.
    pub(crate) fn promote(&self) {
        finish(self.control("promote").args(["-w", "-t", "60"]));
    }

    /// Changes a setting of the running server.
    pub(crate) fn set(&self, setting: &str) {
        run(&self.url(), &format!("ALTER SYSTEM SET {setting}")).expect("a setting");
        run(&self.url(), "SELECT pg_reload_conf()").expect("a reload");
    }

    fn unmade() -> Self {
        // Not TMPDIR: the path of a Unix socket has at most 107 bytes.
        let home = TempDir::with_prefix_in("ufpg", "/tmp").expect("a folder under /tmp");
        let owner = fs::metadata(home.path()).expect("the new folder").uid();
        let server = Self {
            home,
            binaries: binaries(),
            as_postgres: owner == 0, // We are root, and initdb refuses to be root.
        };
        if server.as_postgres {
            finish(Command::new("chown").arg("postgres").arg(server.home()));
        }
        server
    }

    /// Starts it again after [`PrivateServer::stop`].
    pub(crate) fn start(&self) {
        // fsync guards against a dead machine only. synchronous_commit stays on: without it, `stop` would forget
        // commits that the service was told of.
        let options = format!(
            "-c listen_addresses='' -c unix_socket_directories='{}' -c max_connections=100 -c fsync=off",
            self.home().display()
        );
        let mut start = self.control("start");
        start.args(["-w", "-t", "60", "-o", &options]);
        start.arg("-l").arg(self.home().join("log"));
        finish(&mut start);
    }

    /// Takes it down as a crash would: connections are cut, nobody is waited for, and it recovers from its log.
    pub(crate) fn stop(&self) {
        finish(self.control("stop").args(["-w", "-m", "immediate"]));
    }

    /// From now on nobody comes in without a password.
    pub(crate) fn ask_for_passwords(&self) {
        let access = self.home().join("data/pg_hba.conf");
        fs::write(access, "local all all scram-sha-256\n").expect("who may come in");
        finish(&mut self.control("reload"));
    }

    /// Down and up again.
    pub(crate) fn restart(&self) {
        self.stop();
        self.start();
    }

    /// Its superuser's URL, good for [`TestDatabase::create_on`]. The same after each start.
    pub(crate) fn url(&self) -> String {
        format!(
            "postgresql:///postgres?host={}&user=postgres",
            self.home().display()
        )
    }

    fn home(&self) -> &Path {
        self.home.path()
    }

    fn control(&self, action: &str) -> Command {
        let mut control = self.command("pg_ctl");
        control.arg(action).arg("-D").arg(self.home().join("data"));
        control
    }

    fn command(&self, program: &str) -> Command {
        let program = self.binaries.join(program);
        let mut command = if self.as_postgres {
            let mut setpriv = Command::new("setpriv");
            setpriv.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
            setpriv.arg(program);
            setpriv
        } else {
            Command::new(program)
        };
        // The folder of the test may be closed to the user postgres, and the locale of the machine may not exist.
        command.current_dir("/").env("LC_ALL", "C");
        command
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        // The test may have stopped it itself.
        let _ = self
            .control("stop")
            .args(["-w", "-m", "immediate"])
            .output();
    }
}

/// A program that belongs to the server, such as pg_dump.
pub(crate) fn tool(name: &str) -> Command {
    let mut tool = Command::new(binaries().join(name));
    tool.env("LC_ALL", "C");
    tool
}

/// Runs a command to its end and panics with what it said if it failed.
pub(crate) fn finish(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The folder with initdb and pg_ctl: where pg_config says, or where Debian keeps them, or on the PATH.
fn binaries() -> PathBuf {
    let configured = Command::new("pg_config").arg("--bindir").output();
    let configured = configured.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let mut places = vec![PathBuf::from(configured.unwrap_or_default().trim_end())];
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut versions: Vec<_> = versions.flatten().map(|entry| entry.path()).collect();
    versions.sort();
    places.extend(versions.iter().rev().map(|version| version.join("bin")));
    places.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    places
        .into_iter()
        .find(|place| place.join("initdb").is_file() && place.join("pg_ctl").is_file())
        .expect("the PostgreSQL server (initdb, pg_ctl) is not installed: scripts/test installs it")
}

fn run(url: &str, statement: &str) -> Result<(), Box<dyn std::error::Error>> {
    sql_query(statement).execute(&mut PgConnection::establish(url)?)?;
    Ok(())
}

/// Unique among tests, test processes, and what an earlier, killed run has left on the same server.
fn unique_name() -> String {
    // Each RandomState has keys of its own, so this is the standard library's random number.
    format!(
        "unforget_test_{:016x}",
        RandomState::new().build_hasher().finish()
    )
}

/// The same server, another database.
fn with_database(url: &str, name: &str) -> String {
    let (address, query) = match url.split_once('?') {
        Some((address, query)) => (address, format!("?{query}")),
        None => (url, String::new()),
    };
    let host = address.find("://").map_or(0, |at| at + 3);
    let end = address[host..]
        .find('/')
        .map_or(address.len(), |at| host + at);
    format!("{}/{name}{query}", &address[..end])
}

#[test]
fn the_private_server_comes_back_with_its_data_after_a_crash() {
    let server = PrivateServer::new();
    let database = TestDatabase::create_on(&server.url());
    run(&database.url, "CREATE TABLE kept (id INT)").expect("a table");
    server.restart();
    run(&database.url, "INSERT INTO kept VALUES (1)").expect("the table is still there");
    server.stop();
    assert!(run(&database.url, "SELECT 1").is_err());
    server.start();
    drop(database);
}

#[test]
fn each_test_database_is_new_and_gone_afterwards() {
    let first = TestDatabase::create();
    let second = TestDatabase::create();
    run(&first.url, "CREATE TABLE only_here (id INT)").expect("a table");
    run(&second.url, "CREATE TABLE only_here (id INT)").expect("the same table elsewhere");
    let url = first.url.clone();
    let mut busy = PgConnection::establish(&url).expect("a connection");
    drop(first);
    assert!(sql_query("SELECT 1").execute(&mut busy).is_err());
    assert!(run(&url, "SELECT 1").is_err());
    let other = "postgres://u:p@h:5/old?sslmode=require";
    let named = [other, "postgres://h", "postgresql:///old"].map(|url| with_database(url, "new"));
    assert_eq!(named[0], "postgres://u:p@h:5/new?sslmode=require");
    assert_eq!(named[1..], ["postgres://h/new", "postgresql:///new"]);
}
