//! Connecting to a server that may have several addresses: one that does not answer must not hide the others (RFC 5321 section
//! 5.1).

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

/// Connects to the first of these addresses that answers. Each but the last is given up after `patience`.
pub(super) async fn connect(addresses: &[SocketAddr], patience: Duration) -> Result<TcpStream> {
    let Some((last, others)) = addresses.split_last() else {
        return Err(Error::new(ErrorKind::NotFound, "it has no address"));
    };
    for address in others {
        if let Ok(Ok(socket)) = timeout(patience, open(*address)).await {
            return Ok(socket);
        }
    }
    open(*last).await
}

async fn open(address: SocketAddr) -> Result<TcpStream> {
    let socket = TcpStream::connect(address).await?;
    // A mail is several small writes, each of which would wait until the server's system has acknowledged the one before: 40 ms on
    // Linux, and nothing else happens meanwhile.
    socket.set_nodelay(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::{TcpListener, TcpSocket};

    /// Longer than any test may take.
    const LONG: Duration = Duration::from_secs(600);

    async fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// Bound, so that nobody else has it, but not listening.
    fn refusing() -> (TcpSocket, SocketAddr) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    }

    /// Listening, with a queue that is full: whoever connects hears nothing.
    async fn silent() -> (TcpListener, Vec<TcpStream>, SocketAddr) {
        let (socket, address) = refusing();
        let listener = socket.listen(1).unwrap();
        let mut queue = Vec::new();
        while let Ok(Ok(stream)) =
            timeout(Duration::from_secs(1), TcpStream::connect(address)).await
        {
            queue.push(stream);
        }
        (listener, queue, address)
    }

    #[tokio::test]
    async fn e09_an_address_that_refuses_or_says_nothing_does_not_hide_the_next_one() {
        let (_closed, refusing) = refusing();
        let (_full, _queue, silent) = silent().await;
        let (_open, good) = listener().await;
        for addresses in [
            [refusing, refusing, good],
            [silent, refusing, good],
            [refusing, silent, good],
        ] {
            let connecting = connect(&addresses, Duration::from_millis(200));
            let socket = timeout(LONG, connecting).await.unwrap().unwrap();
            assert_eq!(socket.peer_addr().unwrap(), good);
        }
    }

    #[tokio::test]
    async fn the_first_address_that_answers_is_used_and_sends_without_delay() {
        let ((_first, first), (_second, second)) = (listener().await, listener().await);
        let socket = connect(&[first, second], LONG).await.unwrap();
        assert_eq!(socket.peer_addr().unwrap(), first);
        assert!(socket.nodelay().unwrap());
    }

    #[tokio::test]
    async fn the_last_address_says_why_there_is_no_connection() {
        let (_closed, refusing) = refusing();
        let refused = connect(&[refusing, refusing], LONG).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        assert!(connect(&[], LONG).await.is_err());
    }
}
