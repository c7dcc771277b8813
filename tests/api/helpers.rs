//! A whole service for one test: the real server on a port of its own, a fresh database, a mail server that records, a clock
//! in the test's hand. And the real binary as a process, for what only a process can show.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use unforget::clock::Clock;
use unforget::config::{AuditSettings, MailSettings, Settings};
use unforget::domain::recovery::RecoveryRules;
use unforget::domain::{ClientId, DatabaseUrl, EmailAddress, Password, PasswordPolicy};
use unforget::flows::clients::{ClientChange, NewClient};
use unforget::flows::users::{NewUser, UserRef};
use unforget::flows::{By, Flows};
use unforget::server::{self, Running};

use crate::postgres::TestDatabase;
use crate::smtp::{Received, SmtpSink};

/// How long a test waits for what happens beside it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The password that test users start with.
pub(crate) const OLD_PASSWORD: &str = "the old secret";
/// The scopes of an ordinary app.
pub(crate) const APP: &str = "password:remind password:reset";

/// Runs each test on both databases: `both! { async fn name(app: TestApp) { .. } }`, or with `(backend: Backend)`.
#[macro_export]
macro_rules! both {
    ($($(#[$meta:meta])* async fn $name:ident($backend:ident: Backend) $body:block)+) => {$(
        $(#[$meta])*
        mod $name {
            use super::*;
            async fn run($backend: Backend) $body
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() { Box::pin(run(Backend::Sqlite)).await }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() { Box::pin(run(Backend::Postgres)).await }
        }
    )+};
    ($($(#[$meta:meta])* async fn $name:ident($app:ident: TestApp) $body:block)+) => {
        $crate::both! {$(
            $(#[$meta])*
            async fn $name(backend: Backend) {
                let $app: TestApp = TestApp::start(backend).await;
                $body
            }
        )+}
    };
}

/// How often a rig does what it does: as often as `TEST_ROUNDS` says, or as is usual.
pub(crate) fn rounds(usual: usize) -> usize {
    std::env::var("TEST_ROUNDS").map_or(usual, |text| text.parse().unwrap())
}

/// Which database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    Sqlite,
    Postgres,
}

/// A fresh database, deleted at the end.
pub(crate) enum Database {
    Sqlite(tempfile::TempDir),
    Postgres(TestDatabase),
}

impl Database {
    pub(crate) fn create(backend: Backend) -> Self {
        match backend {
            Backend::Sqlite => Self::Sqlite(tempfile::tempdir().unwrap()),
            Backend::Postgres => Self::Postgres(TestDatabase::create()),
        }
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => {
                format!("sqlite://{}", folder.path().join("unforget.db").display())
            }
            Self::Postgres(database) => database.url.clone(),
        }
    }

    /// The folder of the SQLite file and its WAL.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        match self {
            Self::Sqlite(folder) => Some(folder.path().to_owned()),
            Self::Postgres(_) => None,
        }
    }
}

/// Waits for longer than a node takes to see what another process has changed of tokens, clients and links (docs/scaling.md).
pub(crate) async fn a_second_later() {
    tokio::time::sleep(Duration::from_millis(1050)).await;
}

/// Settings for a test: no limits, cheap hashes, the rest as by default.
pub(crate) fn settings(database_url: &str, mail_url: &str) -> Settings {
    Settings {
        listen: "127.0.0.1:0".parse().unwrap(),
        public_url: "https://unforget.example".to_owned(),
        database_url: database_url.parse::<DatabaseUrl>().unwrap(),
        database_parallel: 4,
        mail: MailSettings {
            url: mail_url.parse().unwrap(),
            from: "Unforget <no-reply@unforget.example>".parse().unwrap(),
            timeout: Duration::from_secs(2),
            parallel: 4,
            max_queued: 100_000,
        },
        token_lifetime: TimeDelta::hours(1),
        dpop_nonce: false,
        session_lifetime: TimeDelta::hours(12),
        interslice_client: None,
        recovery: RecoveryRules {
            lifetime: TimeDelta::hours(1),
            cooldown: TimeDelta::seconds(60),
            per_hour: 5,
        },
        policy: PasswordPolicy {
            min_length: 6,
            max_length: 1024,
            blocklist: false,
        },
        breached: None,
        bcrypt_cost: 4,
        limits: None,
        trusted_proxies: Vec::new(),
        drain: Duration::ZERO,
        cors_origins: Vec::new(),
        page_client: None,
        audit: AuditSettings::default(),
        metrics_listen: None,
        collector: None,
        auto_migrate: true,
        workers: 2,
        shown: Vec::new(),
    }
}

/// A running service with all that a test needs.
pub(crate) struct TestApp {
    pub(crate) base: String,
    pub(crate) flows: Flows,
    pub(crate) clock: Clock,
    pub(crate) sink: SmtpSink,
    pub(crate) database: Database,
    pub(crate) settings: Settings,
    http: reqwest::Client,
    running: Option<Running>,
}

/// A registered client, with its secret.
#[derive(Debug, Clone)]
pub(crate) struct TestClient {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl TestClient {
    /// The id, as the flows take it.
    pub(crate) fn client_id(&self) -> ClientId {
        ClientId::new(self.id.as_str())
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    /// The body, which must be JSON and say so.
    pub(crate) fn json(&self) -> Value {
        let types = ["application/json", "application/json; charset=utf-8"];
        assert!(types.contains(&self.header("content-type")), "{self:?}");
        serde_json::from_str(&self.text).unwrap()
    }

    /// A header's value; empty when there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// Status code and `status` word in one, such as `400 wrong_token`.
    pub(crate) fn said(&self) -> String {
        let json: Value = serde_json::from_str(&self.text).unwrap_or_default();
        format!(
            "{} {}",
            self.status,
            json["status"]
                .as_str()
                .or(json["error"].as_str())
                .unwrap_or("?")
        )
    }

    /// The body without what differs from call to call.
    pub(crate) fn body_without_id(&self) -> Value {
        let mut json = self.json();
        if let Some(object) = json.as_object_mut() {
            object.remove("request_id");
        }
        json
    }
}

impl TestApp {
    pub(crate) async fn start(backend: Backend) -> Self {
        Self::start_with(backend, |_| {}).await
    }

    /// Starts with settings that the test changes first.
    pub(crate) async fn start_with(backend: Backend, change: impl FnOnce(&mut Settings)) -> Self {
        let sink = SmtpSink::start().await;
        let database = Database::create(backend);
        let mut settings = settings(&database.url(), &sink.url());
        change(&mut settings);
        let clock = Clock::shifted();
        let running = server::start(&settings, clock.clone()).unwrap();
        Self {
            base: format!("http://{}", running.address),
            flows: running.flows.clone(),
            clock,
            sink,
            database,
            settings,
            http: reqwest::Client::new(),
            running: Some(running),
        }
    }

    /// A second service on the same database and clock, as on another machine.
    pub(crate) fn second(&self) -> (Running, String) {
        let running = server::start(&self.settings, self.clock.clone()).unwrap();
        let base = format!("http://{}", running.address);
        (running, base)
    }

    /// Where its metrics are; the test's settings must say that there are any.
    pub(crate) fn metrics_address(&self) -> std::net::SocketAddr {
        self.running.as_ref().unwrap().metrics_address.unwrap()
    }

    /// Stops the service as SIGTERM does.
    pub(crate) async fn stop(&mut self) {
        self.running.take().unwrap().stop().await;
    }

    /// Lets time pass, and the worker look.
    pub(crate) fn advance(&self, seconds: i64) {
        self.clock.advance(TimeDelta::seconds(seconds));
        self.flows.mail_queued.notify_one();
    }

    pub(crate) async fn client(&self, scopes: &str) -> TestClient {
        self.client_with(scopes, |_| {}).await
    }

    pub(crate) async fn client_with(
        &self,
        scopes: &str,
        change: impl FnOnce(&mut NewClient),
    ) -> TestClient {
        let mut new = NewClient::new("Teen Quotes".parse().unwrap(), scopes.parse().unwrap());
        let link = "https://quotes.example/reset?token={token}";
        new.reset_url = Some(link.parse().unwrap());
        change(&mut new);
        let (client, secret) = self.flows.add_client(By::Operator, new).await.unwrap();
        TestClient {
            id: client.id.to_string(),
            secret: secret.map_or_else(String::new, |secret| secret.expose().to_owned()),
        }
    }

    /// Takes scopes from a client: it keeps these.
    pub(crate) async fn narrow(&self, client: &TestClient, scopes: &str) {
        let change = ClientChange {
            scopes: Some(scopes.parse().unwrap()),
            ..ClientChange::default()
        };
        let changed = self
            .flows
            .change_client(By::Operator, client.client_id(), change);
        assert!(changed.await.unwrap().is_some());
    }

    /// A user with the old password.
    pub(crate) async fn user(&self, email: &str) -> uuid::Uuid {
        let new = NewUser {
            email: EmailAddress::parse(email).unwrap(),
            password: Some(Ok(Password::parse(OLD_PASSWORD).unwrap().into())),
            password_hash: None,
            locale: None,
            profile: serde_json::Map::new(),
        };
        self.flows.add_user(By::Operator, new).await.unwrap().id
    }

    /// Asks for a token as a client does; the client must get one.
    pub(crate) async fn token_of(&self, client: &TestClient) -> String {
        let reply = self
            .token_request(client, &[("grant_type", "client_credentials")])
            .await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// A token of a new client with these scopes.
    pub(crate) async fn token(&self, scopes: &str) -> String {
        let client = self.client(scopes).await;
        self.token_of(&client).await
    }

    /// `POST /oauth/token` with HTTP Basic and these parameters.
    pub(crate) async fn token_request(
        &self,
        client: &TestClient,
        parameters: &[(&str, &str)],
    ) -> Reply {
        let request = self
            .http
            .post(format!("{}/oauth/token", self.base))
            .basic_auth(&client.id, Some(&client.secret));
        Reply::of(request.form(parameters).send().await.unwrap()).await
    }

    /// What the requests of the test are sent with.
    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// A request to be completed by the test.
    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.http
            .request(method.parse().unwrap(), format!("{}{path}", self.base))
    }

    /// `POST` with a bearer token and a JSON body.
    pub(crate) async fn post(&self, path: &str, token: &str, body: Value) -> Reply {
        Reply::of(
            self.request("POST", path)
                .bearer_auth(token)
                .json(&body)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    /// `POST` with a bearer token and a form.
    pub(crate) async fn post_form(
        &self,
        path: &str,
        token: &str,
        fields: &[(&str, &str)],
    ) -> Reply {
        Reply::of(
            self.request("POST", path)
                .bearer_auth(token)
                .form(fields)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn remind(&self, token: &str, email: &str) -> Reply {
        self.post("/v1/password/remind", token, json!({"email": email}))
            .await
    }

    pub(crate) async fn check(&self, token: &str, reset_token: &str) -> Reply {
        self.post("/v1/password/check", token, json!({"token": reset_token}))
            .await
    }

    pub(crate) async fn reset(
        &self,
        token: &str,
        email: &str,
        reset_token: &str,
        password: &str,
    ) -> Reply {
        let body = json!({"email": email, "token": reset_token, "password": password});
        self.post("/v1/password/reset", token, body).await
    }

    /// Waits until the sink has this many mails in all.
    pub(crate) async fn mails(&self, count: usize) -> Vec<Received> {
        self.sink.wait_for(count, PATIENCE).await
    }

    /// Asks for a reset mail and returns the token in it. The address must belong to a user and not be in its cool-down.
    pub(crate) async fn mailed_token(&self, token: &str, email: &str) -> String {
        let before = self.sink.received().len();
        assert_eq!(self.remind(token, email).await.said(), "200 reminder_sent");
        self.mails(before + 1).await[before].parse().token()
    }

    /// Waits until no mail waits any more.
    pub(crate) async fn quiet(&self) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while self
            .flows
            .storage
            .read(unforget::storage::mails::count_queued)
            .await
            .unwrap()
            > 0
        {
            assert!(tokio::time::Instant::now() < deadline, "mails still wait");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Whether the user's stored hash is of this password.
    pub(crate) async fn password_is(&self, email: &str, password: &str) -> bool {
        let key = EmailAddress::parse(email).unwrap().key();
        let user = self
            .flows
            .find_user(UserRef::Email(key))
            .await
            .unwrap()
            .unwrap();
        let hash = user.password_hash.unwrap();
        bcrypt::verify(password, hash.as_str()).unwrap()
    }

    /// Sends bytes as they are on a connection of their own and reads to its end (or until nothing comes for 3 s).
    pub(crate) fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.base.trim_start_matches("http://")).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(3)))
            .unwrap();
        let _refused_midway = stream.write_all(bytes);
        let mut answer = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            answer.extend_from_slice(&buffer[..count]);
        }
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// The real binary, as an operator runs it.
pub(crate) struct Program {
    pub(crate) folder: tempfile::TempDir,
    environment: Vec<(String, String)>,
}

impl Program {
    /// A program whose configuration is these variables alone, in an empty folder.
    pub(crate) fn new(environment: &[(&str, &str)]) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            environment: environment
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        }
    }

    /// Adds a variable to the configuration.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_unforget"));
        command.args(arguments);
        self.equip(command)
    }

    /// `serve` by a shell that says something else first, such as `ulimit -n 64`.
    pub(crate) fn serve_after(&self, first: &str) -> Command {
        let mut shell = Command::new("sh");
        let then = format!("{first} && exec \"$0\" serve");
        shell.args(["-c", &then, env!("CARGO_BIN_EXE_unforget")]);
        self.equip(shell)
    }

    /// Gives a command this folder and this configuration.
    pub(crate) fn equip(&self, mut command: Command) -> Command {
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars()
            .filter(|(name, _)| name.starts_with("UNFORGET_") || name == "DATABASE_URL")
        {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().cloned());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command with this standard input.
    pub(crate) fn run_with_input(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.command(arguments);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        child.wait_with_output().unwrap()
    }

    /// Runs a command that must succeed and print JSON.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Starts `serve` on a free port and waits until it is ready. Its log goes to `serve.log` in the folder.
    pub(crate) async fn serve(&self) -> Service {
        self.serve_by(self.command(&["serve"])).await
    }

    /// The same, at this address.
    pub(crate) async fn serve_at(&self, address: std::net::SocketAddr) -> Service {
        self.start_at(self.command(&["serve"]), self.log_file(), address, None)
            .await
    }

    /// The same by a command of the test's own.
    pub(crate) async fn serve_by(&self, command: Command) -> Service {
        self.serve_into(command, self.log_file()).await
    }

    /// The same, with its log elsewhere.
    pub(crate) async fn serve_into(&self, command: Command, log: Stdio) -> Service {
        // Bound but not listening, so that nobody else is given the port meanwhile.
        let reserved = tokio::net::TcpSocket::new_v4().unwrap();
        reserved.set_reuseaddr(true).unwrap();
        reserved.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = reserved.local_addr().unwrap();
        self.start_at(command, log, address, Some(reserved)).await
    }

    fn log_file(&self) -> Stdio {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("serve.log"));
        log.unwrap().into()
    }

    async fn start_at(
        &self,
        mut command: Command,
        log: Stdio,
        address: std::net::SocketAddr,
        reserved: Option<tokio::net::TcpSocket>,
    ) -> Service {
        command
            .env("UNFORGET_LISTEN", address.to_string())
            .stdout(Stdio::null())
            .stderr(log);
        let service = Service {
            child: command.spawn().unwrap(),
            base: format!("http://{address}"),
            _reserved: reserved,
        };
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let ready = reqwest::get(format!("{}/health/ready", service.base)).await;
            if ready.is_ok_and(|r| r.status().is_success()) {
                return service;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "serve does not get ready: {}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What `/metrics` shows to whom it accepts this; the configuration must say that it is shown, on any port.
    pub(crate) fn metrics(&self, accept: &str) -> String {
        let log = self.log();
        let (_, address) = log.rsplit_once("\"metrics\":\"").unwrap();
        let address = address.split('"').next().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        let request = format!(
            "GET /metrics HTTP/1.1\r\nHost: {address}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        body.to_owned()
    }

    /// What `serve` has logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("serve.log")).unwrap_or_default()
    }
}

/// A running `serve`; killed at the end.
pub(crate) struct Service {
    child: Child,
    pub(crate) base: String,
    _reserved: Option<tokio::net::TcpSocket>,
}

impl Service {
    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// kill -9
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and the exit code.
    pub(crate) fn terminate(&mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(
            // The shell's own: a bare machine has no other.
            Command::new("sh")
                .args(["-c", &format!("kill -TERM {id}")])
                .status()
                .unwrap()
                .success()
        );
        self.child.wait().unwrap().code()
    }

    /// `POST` with a bearer token and a JSON body.
    pub(crate) async fn post(&self, path: &str, token: &str, body: Value) -> Reply {
        let request = reqwest::Client::new()
            .post(format!("{}{path}", self.base))
            .bearer_auth(token)
            .json(&body);
        Reply::of(request.send().await.unwrap()).await
    }

    /// Asks for a token as a client does.
    pub(crate) async fn token(&self, client: &Value) -> String {
        let text = |key: &str| client[key].as_str().unwrap().to_owned();
        let request = reqwest::Client::new().post(format!("{}/oauth/token", self.base));
        let request = request.basic_auth(text("client_id"), Some(text("client_secret")));
        let reply = Reply::of(
            request
                .form(&[("grant_type", "client_credentials")])
                .send()
                .await
                .unwrap(),
        )
        .await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["access_token"].as_str().unwrap().to_owned()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}
