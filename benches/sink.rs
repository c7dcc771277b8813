//! A mail server for `scripts/bench`: takes whatever comes, in as many sessions as come, and keeps nothing but the links' tokens.
//!
//! It greets nobody before a line arrives on its standard input, so that the queue can be filled first. It ends when it has taken
//! `COUNT` mails, and prints how long that took as JSON, and how long all but one took.

use std::fs::File;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Parser;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A mail server that takes whatever comes.
#[derive(Parser)]
struct Arguments {
    /// Where it listens
    address: SocketAddr,
    /// It ends after so many mails
    count: usize,
    /// The first session waits so many milliseconds before it takes a mail
    #[arg(long, default_value_t = 0)]
    slow: u64,
    /// Where a line with the address and the token of each mail is written
    #[arg(long)]
    tokens: Option<PathBuf>,
}

/// What all sessions share.
struct Sink {
    opened: watch::Receiver<bool>,
    sessions: AtomicUsize,
    taken: watch::Sender<usize>,
    slowly_taken: AtomicUsize,
    slow: Duration,
    tokens: Option<Mutex<io::BufWriter<File>>>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let listener = TcpListener::bind(arguments.address).await?;
    let (open, opened) = watch::channel(false);
    let file = arguments.tokens.map(File::create).transpose()?;
    let sink = Arc::new(Sink {
        opened,
        sessions: AtomicUsize::new(0),
        taken: watch::channel(0).0,
        slowly_taken: AtomicUsize::new(0),
        slow: Duration::from_millis(arguments.slow),
        tokens: file.map(|file| Mutex::new(io::BufWriter::new(file))),
    });
    tokio::spawn(accept(listener, Arc::clone(&sink)));

    // Not tokio's standard input: a read of its thread could not be given up at the end.
    let (told, word) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || told.send(io::stdin().read_line(&mut String::new()).is_ok()));
    let _told = word.await;
    let started = Instant::now();
    let _opened = open.send(true);
    let mut taken = sink.taken.subscribe();
    let mut until = async |count: usize| {
        let come = taken.wait_for(|taken| *taken >= count).await;
        come.map_err(io::Error::other)?;
        Ok::<_, io::Error>(started.elapsed().as_secs_f64())
    };
    // The last one may be that of the slow session, which says nothing about the others.
    let but_one = until(arguments.count.saturating_sub(1)).await?;
    let seconds = until(arguments.count).await?;
    if let Some(tokens) = &sink.tokens {
        let mut tokens = tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.flush()?;
    }
    writeln!(
        io::stdout(),
        r#"{{"mails":{},"seconds":{seconds:.4},"but_one":{but_one:.4},"sessions":{},"by_the_slow_one":{}}}"#,
        arguments.count,
        sink.sessions.load(Ordering::Relaxed),
        sink.slowly_taken.load(Ordering::Relaxed),
    )
}

async fn accept(listener: TcpListener, sink: Arc<Sink>) {
    while let Ok((stream, _)) = listener.accept().await {
        let sink = Arc::clone(&sink);
        // A session that fails is the service's to mend: the mail comes again.
        tokio::spawn(async move { sink.serve(stream).await });
    }
}

impl Sink {
    async fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut slow = false;
        let mut stream = BufReader::new(stream);
        let mut opened = self.opened.clone();
        let open = opened.wait_for(|open| *open).await;
        drop(open.map_err(io::Error::other)?);
        stream.write_all(b"220 sink\r\n").await?;
        let mut line = String::new();
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let word = line.get(..4).unwrap_or_default().to_ascii_uppercase();
            let reply: &[u8] = match word.as_str() {
                "EHLO" => {
                    let number = self.sessions.fetch_add(1, Ordering::Relaxed);
                    slow = number == 0 && !self.slow.is_zero();
                    b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"
                }
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").await?;
                    let mail = read_mail(&mut stream).await?;
                    if slow {
                        tokio::time::sleep(self.slow).await;
                        self.slowly_taken.fetch_add(1, Ordering::Relaxed);
                    }
                    self.keep(&mail)?;
                    stream.write_all(b"250 taken\r\n").await?;
                    self.taken.send_modify(|taken| *taken += 1);
                    continue;
                }
                "QUIT" => return stream.write_all(b"221 bye\r\n").await,
                _ => b"250 ok\r\n",
            };
            stream.write_all(reply).await?;
        }
    }

    fn keep(&self, mail: &str) -> io::Result<()> {
        let Some(tokens) = &self.tokens else {
            return Ok(());
        };
        let whole = mail.replace("=\r\n", ""); // quoted-printable folds long lines
        let to = whole.lines().find_map(|line| line.strip_prefix("To: "));
        let token = whole.find("uf_rt_").map(|at| &whole[at..]);
        let is_of_it = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let token = token.and_then(|text| text.split(|c| !is_of_it(c)).next());
        match to.zip(token) {
            Some((to, token)) => {
                let mut tokens = tokens.lock().unwrap_or_else(PoisonError::into_inner);
                writeln!(tokens, "{to} {token}")
            }
            None => Ok(()),
        }
    }
}

/// Up to the line that is a point (RFC 5321 section 4.1.1.4).
async fn read_mail(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut mail = Vec::with_capacity(8 * 1024);
    loop {
        let line = mail.len();
        if stream.read_until(b'\n', &mut mail).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if mail[line..] == *b".\r\n" {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&mail).into_owned())
}
