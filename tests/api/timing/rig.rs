//! The rig: arms that ask in an order at random, each on a connection that stays open, and the time of each answer.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::statistics::{Dice, Finding};
use super::{Effort, Findings, confirm};
use crate::helpers::{Backend, TestApp};

/// How long a connection may be left alone.
const IDLE: Duration = Duration::from_secs(2);

/// A connection that stays open, and when it was last used.
pub(super) struct Line(TcpStream, Instant);

impl Line {
    pub(super) fn open(base: &str) -> Self {
        let stream = TcpStream::connect(base.trim_start_matches("http://")).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        Self(stream, Instant::now())
    }

    /// Opens it anew before the service closes it for being idle.
    fn keep(&mut self, base: &str) {
        if self.1.elapsed() > IDLE {
            *self = Self::open(base);
            self.ask(HEALTH, Duration::ZERO);
        }
    }

    /// Sends a request and reads the whole answer; the seconds from the one to the other, and the answer. What is planted is
    /// waited for before the last byte is sent: the service cannot answer sooner.
    pub(super) fn ask(&mut self, request: &[u8], planted: Duration) -> (f64, String) {
        if let Ok(answered) = self.try_to_ask(request, planted) {
            return answered;
        }
        // We were kept from asking for so long that the service took the connection for an idle one.
        *self = Self::open(&self.0.peer_addr().unwrap().to_string());
        self.try_to_ask(request, planted).unwrap()
    }

    fn try_to_ask(&mut self, request: &[u8], planted: Duration) -> io::Result<(f64, String)> {
        let started = Instant::now();
        if planted.is_zero() {
            self.0.write_all(request)?;
        } else {
            let (most, last) = request.split_at(request.len() - 1);
            self.0.write_all(most)?;
            std::thread::sleep(planted);
            self.0.write_all(last)?;
        }
        let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
        while !is_whole(&answer) {
            let count = self.0.read(&mut buffer)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            answer.extend_from_slice(&buffer[..count]);
        }
        self.1 = Instant::now();
        let taken = started.elapsed().as_secs_f64();
        Ok((taken, String::from_utf8(answer).unwrap()))
    }
}

fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let mut lengths = head.lines().filter_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("content-length: ")?
            .parse()
            .ok()
    });
    lengths.next() == Some(body.len())
}

/// What one arm of a comparison sends: each time some requests to prepare, and the one whose time is taken.
pub(super) struct Arm {
    pub(super) name: String,
    pub(super) asks: Vec<Vec<Vec<u8>>>,
    pub(super) answer: &'static str,
    /// A leak that the rig must find.
    pub(super) planted: Duration,
}

impl Arm {
    pub(super) fn new(
        name: impl Into<String>,
        answer: &'static str,
        asks: impl IntoIterator<Item = Vec<Vec<u8>>>,
    ) -> Self {
        Self {
            name: name.into(),
            asks: asks.into_iter().collect(),
            answer,
            planted: Duration::ZERO,
        }
    }

    /// An arm that sends the same request each time.
    pub(super) fn same(
        name: impl Into<String>,
        answer: &'static str,
        request: Vec<u8>,
        (warm_up, times): (usize, usize),
    ) -> Self {
        Self::new(name, answer, vec![vec![request]; warm_up + times])
    }
}

/// Compares every other arm with the first.
pub(super) async fn compare(app: &TestApp, arms: Vec<Arm>, counts: (usize, usize)) -> Findings {
    let base = app.base.clone();
    let names: Vec<_> = arms.iter().skip(1).map(|arm| arm.name.clone()).collect();
    let run = tokio::task::spawn_blocking(move || measure(&base, &arms, counts));
    let mut times = run.await.unwrap().into_iter();
    let first = times.next().unwrap();
    let findings = times.map(|other| Finding::of(&[first.clone(), other]));
    names.into_iter().zip(findings).collect()
}

/// Runs all arms interleaved at random, each on a connection of its own, and takes so many times of each after the warm-up.
fn measure(base: &str, arms: &[Arm], (warm_up, times_each): (usize, usize)) -> Vec<Vec<f64>> {
    let mut dice = Dice(u64::from(std::process::id()));
    let mut lines: Vec<_> = arms.iter().map(|_| Line::open(base)).collect();
    let mut asked = vec![0; arms.len()];
    let mut times = Vec::new();
    for round in [warm_up, times_each] {
        times = vec![Vec::new(); arms.len()];
        // Not pair by pair: then each would follow the other more often than itself, and feel what it leaves behind.
        let mut order: Vec<_> = (0..arms.len()).flat_map(|arm| vec![arm; round]).collect();
        dice.shuffle(&mut order);
        for at in order {
            let (arm, line) = (&arms[at], &mut lines[at]);
            let (counted, before) = arm.asks[asked[at]].split_last().unwrap();
            asked[at] += 1;
            line.keep(base);
            for request in before {
                line.ask(request, Duration::ZERO);
            }
            let (seconds, answer) = line.ask(counted, arm.planted);
            assert!(answer.contains(arm.answer), "{}: {answer}", arm.name);
            times[at].push(seconds);
        }
    }
    times
}

const HEALTH: &[u8] = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n";

/// A form, with this `Authorization` unless it is empty.
pub(super) fn form(path: &str, authorization: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut body = String::new();
    for (name, value) in fields {
        write!(
            body,
            "{name}={}&",
            value.replace('@', "%40").replace(' ', "+")
        )
        .unwrap();
    }
    let authorization = match authorization {
        "" => String::new(),
        value => format!("Authorization: {value}\r\n"),
    };
    format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\n{authorization}Content-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A form of somebody with a token.
pub(super) fn request(path: &str, token: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    form(path, &format!("Bearer {token}"), fields)
}

/// Two arms that are alike, and one with a planted leak.
async fn planted(app: &TestApp, leak: Duration, counts: (usize, usize)) -> Findings {
    let arm = |name| Arm::same(name, "200 OK", HEALTH.to_vec(), counts);
    let mut leaky = arm("planted");
    leaky.planted = leak;
    compare(app, vec![arm("first"), arm("alike"), leaky], counts).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f02_the_rig_finds_two_milliseconds_planted_in_real_answers_and_nothing_between_equals() {
    let app = TestApp::start(Backend::Sqlite).await;
    for (effort, leak, counts) in [
        (Effort::Full, Duration::from_millis(2), (20, 200)),
        (Effort::Glance, Duration::from_millis(5), (10, 100)),
    ] {
        // Equals may seem to differ once on a busy machine; what is planted is there every time.
        confirm("equals", effort, async || {
            let mut findings = planted(&app, leak, counts).await;
            let (_, found) = findings.pop().unwrap();
            assert!(effort.is_leak(&found), "{effort:?}: {found:?}");
            findings
        })
        .await;
    }
}
