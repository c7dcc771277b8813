//! Three nodes: real processes on one PostgreSQL, behind haproxy with the configuration that docs/scaling.md tells people to use.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use unforget::clock::Clock;
use unforget::domain::{EmailAddress, Password};
use unforget::flows::clients::NewClient;
use unforget::flows::users::NewUser;
use unforget::flows::{By, Flows};
use unforget::server;

use crate::helpers::{
    Backend, Database, OLD_PASSWORD, PATIENCE, Program, Reply, Service, TestClient, settings,
};
use crate::smtp::SmtpSink;

/// For tests that are not about limits.
pub(crate) const UNLIMITED: &[(&str, &str)] = &[("UNFORGET_LIMITS__ENABLED", "false")];

/// The nodes, what they share, and the proxy before them.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    /// Where haproxy listens.
    pub(crate) base: String,
    /// Flows of our own on the same database, to fill it.
    pub(crate) flows: Flows,
    pub(crate) sink: SmtpSink,
    _proxy: Proxy,
    _database: Database,
}

/// One of them.
pub(crate) struct Node {
    pub(crate) program: Program,
    pub(crate) service: Service,
    address: SocketAddr,
}

impl Node {
    /// Starts it again where it was.
    pub(crate) async fn start(&mut self) {
        self.service = self.program.serve_at(self.address).await;
    }

    /// How many calls it has answered, but for those of machines that watch.
    pub(crate) fn answered(&self) -> usize {
        let log = self.program.log();
        log.lines()
            .filter(|line| line.contains("/v1/") || line.contains("/oauth/"))
            .count()
    }
}

/// haproxy; killed at the end.
struct Proxy(Child);

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

impl Proxy {
    fn start(listen: SocketAddr, nodes: &[SocketAddr]) -> Self {
        // Debian keeps it off the PATH of users.
        let program = ["/usr/sbin/haproxy", "/usr/local/sbin/haproxy"];
        let program = program
            .into_iter()
            .find(|path| Path::new(path).exists())
            .unwrap_or("haproxy");
        let mut command = Command::new(program);
        command.args([
            "-db",
            "-q",
            "-f",
            concat!(env!("CARGO_MANIFEST_DIR"), "/examples/haproxy.cfg"),
        ]);
        command
            .env("LISTEN", listen.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        for (number, node) in (1..).zip(nodes) {
            command.env(format!("NODE_{number}"), node.to_string());
        }
        match command.spawn() {
            Ok(child) => Self(child),
            Err(error) => panic!("haproxy cannot be run ({error}): scripts/test installs it"),
        }
    }
}

impl Cluster {
    /// Three nodes with this in their configuration, all ready and known to be so to haproxy.
    pub(crate) async fn start(environment: &[(&str, &str)]) -> Self {
        let (database, sink) = (Database::create(Backend::Postgres), SmtpSink::start().await);
        // An address of its own in the loopback network: while a node is down, nobody else takes its port.
        let [.., a, b, c] = RandomState::new().build_hasher().finish().to_ne_bytes();
        let host = Ipv4Addr::new(127, a.max(1), b, c.clamp(1, 254));
        let free = || TcpListener::bind((host, 0)).unwrap();
        let free = [free(), free(), free(), free()].map(|listener| listener.local_addr().unwrap());
        let [front, addresses @ ..] = free;
        let programs = addresses.map(|_| {
            let mut program = Program::new(&[
                ("DATABASE_URL", &database.url()),
                ("UNFORGET_DATABASE_PARALLEL", "4"),
                ("UNFORGET_WORKERS", "2"),
                ("UNFORGET_MAIL__URL", &sink.url()),
                ("UNFORGET_PASSWORD__BCRYPT_COST", "10"),
                ("UNFORGET_HTTP__TRUSTED_PROXIES", "127.0.0.1"),
                ("UNFORGET_HTTP__DRAIN", "6s"),
            ]);
            environment
                .iter()
                .for_each(|(name, value)| program.set(name, value));
            program
        });
        // Together: the first one to get there brings the database up to date.
        let starts = programs
            .into_iter()
            .zip(addresses)
            .map(|(program, address)| async move {
                let service = program.serve_at(address).await;
                Node {
                    program,
                    service,
                    address,
                }
            });
        let nodes = futures_util::future::join_all(starts).await;
        let flows = server::flows(&settings(&database.url(), &sink.url()), Clock::System).unwrap();
        let cluster = Self {
            _proxy: Proxy::start(front, &addresses),
            base: format!("http://{front}"),
            nodes,
            flows,
            sink,
            _database: database,
        };
        cluster.wait_for_proxy().await;
        cluster
    }

    async fn wait_for_proxy(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let live = reqwest::get(format!("{}/health/live", self.base)).await;
            if live.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            assert!(Instant::now() < deadline, "haproxy finds no node");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn client(&self, scopes: &str) -> TestClient {
        let new = NewClient::new("Quotes".parse().unwrap(), scopes.parse().unwrap());
        let (client, secret) = self.flows.add_client(By::Operator, new).await.unwrap();
        TestClient {
            id: client.id.to_string(),
            secret: secret.unwrap().expose().to_owned(),
        }
    }

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

    /// Where the nodes themselves listen.
    pub(crate) fn bases(&self) -> Vec<String> {
        self.nodes
            .iter()
            .map(|node| node.service.base.clone())
            .collect()
    }
}

/// Asks a node for a token.
pub(crate) async fn ask(
    http: &reqwest::Client,
    base: &str,
    client: &TestClient,
) -> reqwest::Result<Reply> {
    let request = http
        .post(format!("{base}/oauth/token"))
        .basic_auth(&client.id, Some(&client.secret));
    read(request.form(&[("grant_type", "client_credentials")])).await
}

/// Calls a node with a token.
pub(crate) async fn post(
    http: &reqwest::Client,
    url: String,
    token: &str,
    body: Value,
) -> reqwest::Result<Reply> {
    read(http.post(url).bearer_auth(token).json(&body)).await
}

/// The whole answer; an error when it was cut off.
async fn read(request: reqwest::RequestBuilder) -> reqwest::Result<Reply> {
    let answer = request.send().await?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Ok(Reply {
        status,
        headers,
        text: answer.text().await?,
    })
}

/// No node is there at all: what is then said is haproxy's own, and reads like a node's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn haproxy_alone_says_503_in_json_with_when_to_come_back() {
    let [.., a, b, c] = RandomState::new().build_hasher().finish().to_ne_bytes();
    let host = Ipv4Addr::new(127, a.max(1), b, c.clamp(1, 254));
    let at = |port| SocketAddr::from((host, port));
    let _proxy = Proxy::start(at(8000), &[at(8081), at(8082), at(8083)]);
    let (http, deadline) = (reqwest::Client::new(), Instant::now() + PATIENCE);
    let url = format!("http://{}/v1/password/remind", at(8000));
    let reply = loop {
        if let Ok(reply) = read(http.post(&url)).await {
            break reply;
        }
        assert!(Instant::now() < deadline, "haproxy does not answer");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(reply.said(), "503 unavailable", "{reply:?}");
    assert_eq!(reply.header("retry-after"), "1");
    assert!(reply.json()["error"].is_string(), "{reply:?}");
}
