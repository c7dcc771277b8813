//! The bytes of one SMTP connection: lines, messages and replies, in the clear or in TLS.

use std::{
    io::{Error, Result},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsAcceptor;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(super) struct Wire {
    stream: Box<dyn Stream>,
    /// Read, but not yet asked for.
    ahead: Vec<u8>,
}

impl Wire {
    pub(super) fn new(socket: TcpStream) -> Self {
        // Otherwise Nagle's algorithm would add 40 ms here and there to what tests measure.
        let _ = socket.set_nodelay(true);
        Self {
            stream: Box::new(socket),
            ahead: Vec::new(),
        }
    }

    /// Goes on in TLS. What was sent in the clear but not read yet is thrown away (RFC 3207 section 4.2).
    pub(super) async fn encrypt(self, acceptor: &TlsAcceptor) -> Result<Self> {
        Ok(Self {
            stream: Box::new(acceptor.accept(self.stream).await?),
            ahead: Vec::new(),
        })
    }

    /// One line, without its end.
    pub(super) async fn line(&mut self) -> Result<String> {
        let line = self.until(b"\r\n").await?;
        Ok(String::from_utf8_lossy(&line[..line.len() - 2]).into_owned())
    }

    /// One message with its closing dot. Only CRLF ends a line here, whatever a smuggler may try.
    pub(super) async fn message(&mut self) -> Result<Vec<u8>> {
        // The line end of DATA itself counts: an empty message is a dot alone.
        self.ahead.splice(0..0, *b"\r\n");
        let message = self.until(b"\r\n.\r\n").await?;
        Ok(message[2..].to_vec())
    }

    async fn until(&mut self, end: &[u8]) -> Result<Vec<u8>> {
        let mut searched = 0;
        loop {
            let mut windows = self.ahead[searched..].windows(end.len());
            if let Some(at) = windows.position(|window| window == end) {
                let rest = self.ahead.split_off(searched + at + end.len());
                return Ok(std::mem::replace(&mut self.ahead, rest));
            }
            searched = self.ahead.len().saturating_sub(end.len() - 1);
            if self.stream.read_buf(&mut self.ahead).await? == 0 {
                return Err(Error::other("the client went away"));
            }
        }
    }

    pub(super) async fn say(&mut self, reply: &str, delay: Duration) -> Result<()> {
        tokio::time::sleep(delay).await;
        // One write: two would reach the client apart.
        let line = format!("{reply}\r\n");
        self.stream.write_all(line.as_bytes()).await?;
        self.stream.flush().await
    }

    /// Listens without a word until the client gives up, and then ends the session with an error.
    pub(super) async fn silence(&mut self) -> Result<()> {
        let mut ignored = [0; 4096];
        while self.stream.read(&mut ignored).await? > 0 {}
        Err(Error::other("the client gave up"))
    }
}
