//! A line to PostgreSQL that fails on command: it falls silent, swallows the answer to a COMMIT, refuses callers in the server's own
//! words (bar D05, D06).

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::unix;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What the line does from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// It works.
    Works,
    /// Nothing passes, in any direction, and nothing is closed.
    Silent,
    /// Connections are cut, and new ones told so: a state and a text, as PostgreSQL says it.
    Refuses(&'static str, &'static str),
}

/// A proxy before the server of a test; gone with its connections at the end.
pub(crate) struct Proxy {
    /// The database behind the line.
    pub(crate) url: String,
    line: Arc<watch::Sender<Line>>,
    swallow: Arc<Mutex<Option<Vec<u8>>>>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Before the database that a libpq URL with `host=` a folder names.
    pub(crate) async fn before(url: &str) -> Self {
        let parameter = |name: &str| {
            let (_, parameters) = url.split_once('?').unwrap();
            let found = parameters.split('&').find_map(|p| p.strip_prefix(name));
            found.unwrap().to_owned()
        };
        let socket = PathBuf::from(parameter("host=")).join(".s.PGSQL.5432");
        let name = url.split('?').next().unwrap().rsplit('/').next().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let line = Arc::new(watch::Sender::new(Line::Works));
        let swallow = Arc::<Mutex<Option<Vec<u8>>>>::default();
        let (orders, needle) = (Arc::clone(&line), Arc::clone(&swallow));
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let orders = orders.subscribe();
                tokio::spawn(serve(client, socket.clone(), orders, Arc::clone(&needle)));
            }
        });
        let user = parameter("user=");
        Self {
            url: format!("postgresql://{user}@127.0.0.1:{port}/{name}?sslmode=disable"),
            line,
            swallow,
            accepting,
        }
    }

    /// What the line does from now on. Connections that were silent stay so.
    pub(crate) fn set(&self, line: Line) {
        self.line.send_replace(line);
    }

    /// The next transaction whose parameters hold this text is committed, and nobody is told: its connection is silent from then on.
    pub(crate) fn swallow_commit_of(&self, text: &str) {
        *self.swallow.lock().unwrap() = Some(text.as_bytes().to_vec());
    }

    /// Whether that has happened.
    pub(crate) fn has_swallowed(&self) -> bool {
        self.swallow.lock().unwrap().is_none()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(
    client: TcpStream,
    socket: PathBuf,
    orders: watch::Receiver<Line>,
    needle: Arc<Mutex<Option<Vec<u8>>>>,
) {
    let (mut from_client, mut to_client) = client.into_split();
    let line = orders.borrow().clone();
    if let Line::Refuses(state, text) = line {
        let _startup = from_client.read(&mut [0; 1024]).await;
        let fields = format!("SFATAL\0VFATAL\0C{state}\0M{text}\0\0");
        let length = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
        let message = [b"E", length.as_slice(), fields.as_bytes()].concat();
        let _sent = to_client.write_all(&message).await;
        return;
    }
    let Ok(server) = UnixStream::connect(socket).await else {
        return;
    };
    let (from_server, to_server) = server.into_split();
    let mute = Arc::new(watch::Sender::new(false));
    let up = upwards(
        from_client,
        to_server,
        needle,
        Arc::clone(&mute),
        orders.clone(),
    );
    let down = downwards(from_server, to_client, mute.subscribe(), orders.clone());
    let cut = async {
        let mut orders = orders;
        let refuses = |line: &Line| matches!(line, Line::Refuses(..));
        let _gone = orders.wait_for(refuses).await;
    };
    tokio::select! { () = up => {} () = down => {} () = cut => {} }
}

/// Until the line has fallen silent once; whoever has heard that waits for ever.
async fn silence(mut orders: watch::Receiver<Line>) {
    let _silent = orders.wait_for(|line| *line == Line::Silent).await;
}

async fn upwards(
    mut client: OwnedReadHalf,
    mut server: unix::OwnedWriteHalf,
    needle: Arc<Mutex<Option<Vec<u8>>>>,
    mute: Arc<watch::Sender<bool>>,
    orders: watch::Receiver<Line>,
) {
    let mut bytes = [0; 16 * 1024];
    let mut named = false;
    let mut silent = std::pin::pin!(silence(orders));
    loop {
        let read = tokio::select! {
            read = client.read(&mut bytes) => read,
            () = &mut silent => std::future::pending().await,
        };
        let Ok(count @ 1..) = read else { return };
        let sent = &bytes[..count];
        let has = |wanted: &[u8]| sent.windows(wanted.len()).any(|part| part == wanted);
        if has(b"BEGIN\0") {
            named = false;
        }
        {
            let mut needle = needle.lock().unwrap();
            named |= needle.as_deref().is_some_and(has);
            if named && has(b"COMMIT\0") && needle.take().is_some() {
                mute.send_replace(true);
            }
        }
        if server.write_all(sent).await.is_err() {
            return;
        }
    }
}

async fn downwards(
    mut server: unix::OwnedReadHalf,
    mut client: OwnedWriteHalf,
    mute: watch::Receiver<bool>,
    orders: watch::Receiver<Line>,
) {
    let mut bytes = [0; 16 * 1024];
    let mut silent = std::pin::pin!(silence(orders));
    loop {
        let read = tokio::select! {
            read = server.read(&mut bytes) => read,
            () = &mut silent => std::future::pending().await,
        };
        let Ok(count @ 1..) = read else { return };
        if *mute.borrow() {
            std::future::pending::<()>().await;
        }
        if client.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
