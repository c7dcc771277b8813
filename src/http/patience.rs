//! A connection that takes its time is cut off (bar H08). Actix watches the head of a connection's first request and the rest
//! between requests. Watched here is what it does not: later heads, the rest of a body that nobody reads any more, and answers that
//! nobody fetches.

use std::cell::Cell;
use std::future::Future;
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::dev::ServiceRequest;
use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long a request's head may take to arrive.
pub(super) const HEAD: Duration = Duration::from_secs(5);
/// How long an answer may wait to be fetched, beyond what the kernel keeps of it.
const ANSWER: Duration = Duration::from_secs(10);
/// How many bytes of it a caller must fetch in a second: a mobile line at its worst does.
const LEAST_PACE: u64 = 4096;

/// What has become of a connection's requests, as the edge sees it.
#[derive(Debug, Clone, Default)]
pub(super) struct Requests(Rc<Seen>);

#[derive(Debug, Default)]
struct Seen {
    begun: Cell<u64>,
    running: Cell<u64>,
}

/// A request that is being handled.
pub(super) struct Handled(Option<Requests>);

/// A connection with limits to its patience.
pub(super) struct Patient {
    stream: TcpStream,
    requests: Requests,
    /// Bytes have come that belong to no request which is being handled.
    unclaimed: bool,
    /// How many requests there were when that was last looked at.
    begun: u64,
    /// When the request must be there that the unclaimed bytes belong to.
    head: Option<Pin<Box<Sleep>>>,
    /// When the answer must have gone out that the kernel does not take now.
    answer: Option<Pin<Box<Sleep>>>,
}

impl Requests {
    /// Says that a request was understood and is being handled, until what is returned is dropped.
    pub(super) fn handle(request: &ServiceRequest) -> Handled {
        let requests = request.conn_data::<Self>().cloned();
        if let Some(Self(seen)) = &requests {
            seen.begun.set(seen.begun.get() + 1);
            seen.running.set(seen.running.get() + 1);
        }
        Handled(requests)
    }
}

impl Drop for Handled {
    fn drop(&mut self) {
        if let Some(Requests(seen)) = &self.0 {
            seen.running.set(seen.running.get() - 1);
        }
    }
}

impl Patient {
    /// Watches a connection.
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            requests: Requests::default(),
            unclaimed: false,
            begun: 0,
            head: None,
            answer: None,
        }
    }

    /// Who calls.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.stream.peer_addr().ok()
    }

    /// Where the edge says what becomes of the requests.
    pub(super) fn requests(&self) -> Requests {
        self.requests.clone()
    }

    /// Whether a request is being handled; a new one has claimed what came before.
    fn handling(&mut self) -> bool {
        let Requests(seen) = &self.requests;
        if seen.begun.get() != self.begun {
            self.begun = seen.begun.get();
            (self.head, self.unclaimed) = (None, false);
        }
        seen.running.get() > 0
    }

    /// Whether the head, or what else follows an answer, has taken too long. Whoever handles a request has a limit of its own for the
    /// body.
    fn too_slow(&mut self, cx: &mut Context<'_>) -> bool {
        if self.handling() || !self.unclaimed {
            self.head = None;
            return false;
        }
        let timer = self.head.get_or_insert_with(|| Box::pin(sleep(HEAD)));
        timer.as_mut().poll(cx).is_ready()
    }

    /// What a write has come to, unless the answer has waited for too long. What is fetched buys time for the rest.
    fn written(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<Result<usize>>,
    ) -> Poll<Result<usize>> {
        if written.is_pending() {
            let timer = self.answer.get_or_insert_with(|| Box::pin(sleep(ANSWER)));
            ready!(timer.as_mut().poll(cx));
            // The kernel would go on for minutes to offer what nobody fetches.
            let _closed = self.stream.set_zero_linger();
            return Poll::Ready(Err(Error::from(ErrorKind::TimedOut)));
        }
        if let (Poll::Ready(Ok(taken)), Some(timer)) = (&written, &mut self.answer) {
            let earned = Duration::from_millis(1000 * *taken as u64 / LEAST_PACE);
            let until = timer.deadline() + earned;
            timer.as_mut().reset(until);
        }
        written
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        self.handling();
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_ready() {
            self.unclaimed |= buffer.filled().len() > before;
        } else if self.too_slow(cx) {
            return Poll::Ready(Ok(())); // as if the caller had hung up
        }
        read
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Actix flushes when all of an answer has been taken.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.answer = None;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
