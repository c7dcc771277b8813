//! A connection that hands on one line at a time, so that nothing can be read ahead of its turn.
//!
//! Whoever sits between us and the server can append bytes to the plain answer to STARTTLS. A reader that takes all there is
//! would keep them, and believe after the handshake that the server said them inside TLS (RFC 3207 section 6, bar E13). Here
//! they stay behind the line that was asked for, and the handshake is what finds them: they are no TLS, so it fails.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The most that a server may say at one go. Extensions and certificates take a few thousand bytes; a reply without end would keep
/// us reading it (bar E12).
const MOST: usize = 32 * 1024;
/// The same in lines, which lettre reads anew with each one that comes.
const MOST_LINES: usize = 250;

/// A TCP connection, read line by line.
#[derive(Debug)]
pub(super) struct LineByLine {
    socket: TcpStream,
    /// Come from the network, but not asked for yet.
    ahead: Vec<u8>,
    /// How much has come since we last said something, in octets and in lines.
    heard: (usize, usize),
}

impl LineByLine {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            ahead: Vec::new(),
            heard: (0, 0),
        }
    }
}

impl AsyncTokioStream for LineByLine {
    fn peer_addr(&self) -> Result<SocketAddr> {
        self.socket.peer_addr()
    }
}

impl AsyncRead for LineByLine {
    /// Gives at most up to the end of the first line. What is inside TLS gets cut at places without a meaning, which does no harm.
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let this = self.get_mut();
        if this.ahead.is_empty() {
            let mut space = [0; 4096];
            let mut space = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut this.socket).poll_read(context, &mut space))?;
            this.ahead.extend_from_slice(space.filled());
            let ends = this.ahead.iter().filter(|byte| **byte == b'\n');
            this.heard.0 += this.ahead.len();
            this.heard.1 += ends.count();
            if this.heard.0 > MOST || this.heard.1 > MOST_LINES {
                let endless = Error::new(ErrorKind::InvalidData, "a reply without end");
                return Poll::Ready(Err(endless));
            }
        }
        let end = this.ahead.iter().position(|byte| *byte == b'\n');
        let line = end.map_or(this.ahead.len(), |at| at + 1);
        let line = line.min(buffer.remaining());
        buffer.put_slice(&this.ahead[..line]);
        this.ahead.drain(..line);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for LineByLine {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        let this = self.get_mut();
        this.heard = (0, 0);
        Pin::new(&mut this.socket).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(context)
    }
}
