//! A scripted SMTP server for tests: takes mail, or fails at whatever stage it is told to, and remembers every byte.
//!
//! It lives on a thread of its own, so a test that blocks its runtime does not slow it, and `stop` is over when it returns.
#![expect(
    clippy::expect_used,
    reason = "a rig that cannot be set up ends its test"
)]

mod behaviour;
mod envelope;
mod received;
mod selftest;
mod session;
mod shared;
mod tls;
mod wire;

use std::{
    net::{Ipv4Addr, TcpListener},
    sync::{Arc, Mutex},
    thread::JoinHandle,
    time::Duration,
};

use tokio::{net::TcpSocket, sync::oneshot};

pub(crate) use behaviour::{Behaviour, DropAt, Fault, Stage};
pub(crate) use received::{Mail, Received, assert_clean_line_endings};
pub(crate) use tls::{Identity, Tls, TlsMode};

use shared::Shared;

/// A mail server on the loopback that does what the test says. Dropping it stops it.
pub(crate) struct SmtpSink {
    port: u16,
    shared: Arc<Shared>,
    state: Mutex<State>,
}

enum State {
    Running {
        stop: oneshot::Sender<()>,
        thread: JoinHandle<()>,
    },
    /// Bound but not listening: connects are refused, and nobody else is given the port.
    Stopped { _reserved: Option<TcpSocket> },
}

impl SmtpSink {
    /// A sink without TLS, on a port of its own.
    pub(crate) async fn start() -> Self {
        Self::launch(0, None).await
    }

    /// A sink without TLS on a port that was used before. See [`SmtpSink::resume`] to bring back the same sink.
    pub(crate) async fn start_on(port: u16) -> Self {
        Self::launch(port, None).await
    }

    /// A sink with a good certificate for `localhost` from a CA of its own ([`SmtpSink::ca_pem`]).
    pub(crate) async fn start_tls(mode: TlsMode) -> Self {
        Self::start_tls_as(mode, Identity::Localhost).await
    }

    /// A sink that shows the certificate `identity`.
    pub(crate) async fn start_tls_as(mode: TlsMode, identity: Identity) -> Self {
        Self::launch(0, Some(Tls::new(mode, identity))).await
    }

    async fn launch(port: u16, tls: Option<Tls>) -> Self {
        let listener = bind(port).await;
        let port = listener.local_addr().expect("a bound address").port();
        let shared = Arc::new(Shared::new(tls));
        let state = Mutex::new(run(listener, Arc::clone(&shared)));
        Self {
            port,
            shared,
            state,
        }
    }

    /// Closes the listener and every connection at once. From here on connects are refused; what was recorded stays.
    pub(crate) fn stop(&self) {
        let mut state = self.state.lock().expect("the sink's state");
        let stopped = State::Stopped { _reserved: None };
        if let State::Running { stop, thread } = std::mem::replace(&mut *state, stopped) {
            drop(stop);
            // Its panic, if any, is already in the test's output; a second one in a drop would abort.
            let _ = thread.join();
            *state = State::Stopped {
                _reserved: reserve(self.port),
            };
        }
    }

    /// Comes back after `stop`: same port, same certificate, same behaviour, same records.
    pub(crate) async fn resume(&self) {
        self.stop();
        *self.state.lock().expect("the sink's state") = State::Stopped { _reserved: None };
        let listener = bind(self.port).await;
        *self.state.lock().expect("the sink's state") = run(listener, Arc::clone(&self.shared));
    }

    /// The port it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The value for the setting `mail.url`.
    pub(crate) fn url(&self) -> String {
        self.url_of("")
    }

    /// The same with credentials. They are put into the URL as they are, so percent-encode what needs it.
    pub(crate) fn url_as(&self, user: &str, password: &str) -> String {
        self.url_of(&format!("{user}:{password}@"))
    }

    fn url_of(&self, login: &str) -> String {
        let (scheme, host) = match self.shared.tls.as_ref().map(|tls| tls.mode) {
            None => ("smtp+plain", "127.0.0.1"),
            Some(TlsMode::Implicit) => ("smtps", "localhost"),
            Some(TlsMode::StartTls | TlsMode::Stripped | TlsMode::Injecting) => {
                ("smtp", "localhost")
            }
        };
        format!("{scheme}://{login}{host}:{}", self.port)
    }

    /// The certificate that a client has to trust, as PEM.
    pub(crate) fn ca_pem(&self) -> &str {
        let tls = self.shared.tls.as_ref();
        &tls.expect("only a sink with TLS has a CA").ca_pem
    }

    /// From the next reply on, do this. `Behaviour::default()` is a good server.
    pub(crate) fn behave(&self, behaviour: Behaviour) {
        self.shared.log().behaviour = behaviour;
    }

    /// Whether EHLO offers SMTPUTF8 (it does at first). Without it, non-ASCII addresses are refused.
    pub(crate) fn offer_smtputf8(&self, offer: bool) {
        self.shared.log().smtputf8 = offer;
    }

    /// The messages that were accepted, oldest first.
    pub(crate) fn received(&self) -> Vec<Received> {
        let log = self.shared.log();
        log.offered.iter().filter(|m| m.accepted).cloned().collect()
    }

    /// Every message that came through to its final dot, also those then refused or left without an answer.
    pub(crate) fn offered(&self) -> Vec<Received> {
        self.shared.log().offered.clone()
    }

    /// The accepted messages, as soon as there are `count`.
    pub(crate) async fn wait_for(&self, count: usize, limit: Duration) -> Vec<Received> {
        let mut arrived = self.shared.arrived.subscribe();
        let enough = arrived.wait_for(|accepted| *accepted >= count);
        if tokio::time::timeout(limit, enough).await.is_err() {
            panic!(
                "waited {limit:?} for {count} mails, but {} came; {} connections, commands: {:#?}",
                self.received().len(),
                self.connections(),
                self.commands()
            );
        }
        self.received()
    }

    /// The command lines of all sessions, in order of arrival.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.shared.log().commands.clone()
    }

    /// The user names and passwords that clients have shown, refused ones too.
    pub(crate) fn credentials(&self) -> Vec<(String, String)> {
        self.shared.log().credentials.clone()
    }

    /// How often a fault of the present behaviour has struck.
    pub(crate) fn struck(&self) -> usize {
        self.shared.log().behaviour.struck
    }

    /// How often somebody connected.
    pub(crate) fn connections(&self) -> usize {
        self.shared.log().connections
    }

    /// How often a message got as far as its first RCPT, whatever the answer was.
    pub(crate) fn attempts(&self) -> usize {
        self.shared.log().attempts
    }

    /// The highest number of sessions that were open at the same time.
    pub(crate) fn max_parallel(&self) -> usize {
        self.shared.log().max_parallel
    }
}

impl Drop for SmtpSink {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(listener: TcpListener, shared: Arc<Shared>) -> State {
    let (stop, stopped) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime for the sink");
    let thread = std::thread::spawn(move || {
        // Dropping the runtime at the end closes the listener and every session's socket.
        runtime.block_on(async {
            tokio::select! {
                () = session::accept(listener, shared) => {}
                _ = stopped => {}
            }
        });
    });
    State::Running { stop, thread }
}

/// A listener; for a given port it waits until whoever has it lets go.
async fn bind(port: u16) -> TcpListener {
    let mut tries = 0;
    loop {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => {
                listener.set_nonblocking(true).expect("a socket option");
                return listener;
            }
            Err(error) if tries == 200 => panic!("cannot listen on port {port}: {error}"),
            Err(_) => tries += 1,
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

fn reserve(port: u16) -> Option<TcpSocket> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.set_reuseaddr(true).ok()?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into()).ok()?;
    Some(socket)
}
