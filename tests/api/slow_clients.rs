//! A thousand callers who take their time (bar H08), each in a way of its own: all are cut off, and nobody else waits for them.
#![expect(clippy::print_stdout, reason = "what was measured")]

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use unforget::descriptors;

use crate::helpers::{PATIENCE, Program, Service};
use crate::process::Latencies;

/// Between two octets of somebody slow.
const PAUSE: Duration = Duration::from_millis(400);
/// When even the most patient limit, ten seconds, must be over, on a machine that has much else to do.
const LIMIT: Duration = Duration::from_secs(60);

/// How somebody is slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slow {
    /// Says nothing.
    Idle,
    /// Says nothing more after an answer.
    IdleAfterAnswer,
    /// Sends a head octet by octet.
    Head,
    /// The same, after an answer on the same connection.
    LaterHead,
    /// Sends a body octet by octet.
    Body,
    /// Sends a body in chunks, though it was refused already.
    RefusedBody,
    /// Asks for large answers and fetches none.
    Reading,
}

const WAYS: [Slow; 7] = [
    Slow::Idle,
    Slow::IdleAfterAnswer,
    Slow::Head,
    Slow::LaterHead,
    Slow::Body,
    Slow::RefusedBody,
    Slow::Reading,
];

impl Slow {
    /// What is sent at once.
    fn first(self, token: &str) -> String {
        let live = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";
        let post =
            "POST /v1/password/remind HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
        match self {
            Self::Idle => String::new(),
            Self::IdleAfterAnswer => live.to_owned(),
            Self::Head => "GET /health/live HTTP/1.1\r\nHost: x\r\nX-A: ".to_owned(),
            Self::LaterHead => format!("{live}GET /health/live HTTP/1.1\r\nHost: x\r\nX-A: "),
            Self::Body => {
                format!("{post}Authorization: Bearer {token}\r\nContent-Length: 9999\r\n\r\n{{")
            }
            Self::RefusedBody => format!("{post}Transfer-Encoding: chunked\r\n\r\n"),
            Self::Reading => {
                "GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n".repeat(16)
            }
        }
    }

    /// What is sent now and then, for ever.
    fn drip(self) -> Option<&'static [u8]> {
        match self {
            Self::Head | Self::LaterHead => Some(b"a"),
            Self::Body => Some(b" "),
            Self::RefusedBody => Some(b"1\r\n \r\n"),
            Self::Idle | Self::IdleAfterAnswer | Self::Reading => None,
        }
    }

    /// Is slow until the server has had enough, and says for how long.
    async fn call(self, address: &str, token: &str) -> Duration {
        let begun = Instant::now();
        let stream = if self == Self::Reading {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_recv_buffer_size(4096).unwrap();
            socket.connect(address.parse().unwrap()).await.unwrap()
        } else {
            TcpStream::connect(address).await.unwrap()
        };
        let (mut from, mut to) = stream.into_split();
        let _closed = to.write_all(self.first(token).as_bytes()).await;
        let slow = async {
            while let Some(drip) = self.drip() {
                tokio::time::sleep(PAUSE).await;
                if to.write_all(drip).await.is_err() {
                    return;
                }
            }
            if self == Self::Reading {
                // Whoever reads nothing learns of the end from the next write.
                while to.write_all(b" ").await.is_ok() {
                    tokio::time::sleep(PAUSE).await;
                }
                return;
            }
            std::future::pending().await
        };
        let end = async {
            let mut answer = [0; 1024];
            if self == Self::Reading {
                std::future::pending::<()>().await;
            }
            while matches!(from.read(&mut answer).await, Ok(1..)) {}
        };
        let over = async {
            tokio::select! { () = slow => {} () = end => {} }
        };
        let ended = tokio::time::timeout(LIMIT, over).await;
        assert!(ended.is_ok(), "{self:?} is never cut off");
        begun.elapsed()
    }
}

async fn start() -> (Program, Service, String) {
    let program = Program::new(&[("UNFORGET_LIMITS__ENABLED", "false")]);
    let client = program.json(&["client", "add", "Quotes", "--scope", "password:remind"]);
    let service = program.serve().await;
    let token = service.token(&client).await;
    (program, service, token)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h08_a_thousand_slow_callers_are_cut_off_and_nobody_waits_for_them() {
    // As many as this process and the service may have connections for.
    let callers = descriptors::take_all() / 2;
    let callers = callers.saturating_sub(100).min(1000);
    assert!(callers >= 300, "the test needs descriptors");
    let (_program, service, token) = start().await;
    let (idle, memory) = (service.descriptors(), service.memory());
    let address = service.base.trim_start_matches("http://").to_owned();
    let slow = join_all((0..callers).map(|number| {
        let (address, token, way) = (address.clone(), token.clone(), WAYS[number % WAYS.len()]);
        tokio::spawn(async move { (way, way.call(&address, &token).await) })
    }));
    let others = async {
        let mut all = Vec::new();
        let mut most = 0;
        while all.len() < 100 {
            let begun = Instant::now();
            let health = reqwest::get(format!("{}/health/live", service.base)).await;
            assert_eq!(health.unwrap().status(), 200);
            all.push(begun.elapsed());
            most = most.max(service.descriptors());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let body = json!({"email": "ann@example.com"});
        let reply = service.post("/v1/password/remind", &token, body).await;
        assert_eq!(reply.said(), "200 reminder_sent");
        (Latencies::of(all), most)
    };
    let (slow, (health, most)) = tokio::join!(slow, others);
    let slow: Vec<_> = slow.into_iter().map(Result::unwrap).collect();
    for way in WAYS {
        let longest = slow.iter().filter(|(other, _)| *other == way);
        let longest = longest.map(|(_, duration)| *duration).max().unwrap();
        println!("{way:?}: {longest:.1?}");
    }
    println!(
        "health {health}; {most} descriptors; {} KiB more",
        service.memory().saturating_sub(memory)
    );
    assert!(most > idle + callers / 2, "they were not all there: {most}");
    assert!(health.percentile(50) < Duration::from_secs(1), "{health}");
    // Nothing of them is left.
    let deadline = Instant::now() + PATIENCE;
    while service.descriptors() > idle + 10 {
        assert!(Instant::now() < deadline, "{} left", service.descriptors());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h08_who_keeps_fetching_an_answer_gets_all_of_it_however_long_it_takes() {
    const TIMES: usize = 16; // more than the kernel keeps for a caller
    let (_program, service, _) = start().await;
    let path = "/docs/swagger-ui-bundle.js";
    let once = reqwest::get(format!("{}{path}", service.base)).await;
    let length = once.unwrap().bytes().await.unwrap().len();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let address = service.base.trim_start_matches("http://").parse();
    let mut stream = socket.connect(address.unwrap()).await.unwrap();
    let ask = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: identity\r\n\r\n");
    stream
        .write_all(ask.repeat(TIMES).as_bytes())
        .await
        .unwrap();
    let (begun, mut fetched, mut buffer) = (Instant::now(), 0, vec![0; 8192]);
    while fetched < TIMES * length {
        fetched += match stream.read(&mut buffer).await {
            Ok(count @ 1..) => count,
            ended => panic!("{ended:?} after {fetched} bytes, {:.1?}", begun.elapsed()),
        };
        // Longer than anybody who fetches nothing is waited for; then the rest, at once.
        if begun.elapsed() < Duration::from_secs(13) {
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }
}
