//! Whether what must look the same also takes the same time: known and unknown addresses, foreign tokens and garbage.
//!
//! The measuring tests are run by `scripts/bench timing`, in release and on a quiet machine; the statistics behind them are
//! tested always.

/// Measuring tests, for both databases.
macro_rules! measured {
    ($($(#[$doc:meta])* $name:ident = |$label:ident, $backend:ident| $run:expr;)+) => {$(
        $(#[$doc])*
        mod $name {
            use super::*;
            async fn run($backend: Backend) {
                let $label = &format!("{} on {:?}", stringify!($name), $backend);
                $run.await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "run by scripts/bench timing"]
            async fn sqlite() { run(Backend::Sqlite).await }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "run by scripts/bench timing"]
            async fn postgres() { run(Backend::Postgres).await }
        }
    )+};
}

mod passwords;
mod statistics;

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use unforget::domain::{EmailAddress, PlainToken, ResetToken, User};
use unforget::storage::users;

use crate::helpers::{APP, Backend, TestApp};
use crate::recovery::{REMIND, RESET};
use crate::smtp::{Behaviour, Stage};
use statistics::{Dice, Finding};

const PAIRS: usize = 2000;
const WARM_UP: usize = 200;
const EACH: usize = PAIRS + WARM_UP;
/// How long a connection may be left alone.
const IDLE: Duration = Duration::from_secs(2);

/// A connection that stays open, and when it was last used.
struct Line(TcpStream, Instant);

impl Line {
    fn open(base: &str) -> Self {
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
            self.ask(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n");
        }
    }

    /// Sends a request and reads the whole answer; the seconds from the one to the other, and the answer.
    fn ask(&mut self, request: &[u8]) -> (f64, String) {
        let started = Instant::now();
        self.0.write_all(request).unwrap();
        let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
        while !is_whole(&answer) {
            let count = self.0.read(&mut buffer).unwrap();
            assert_ne!(count, 0, "the connection was closed");
            answer.extend_from_slice(&buffer[..count]);
        }
        self.1 = Instant::now();
        (
            started.elapsed().as_secs_f64(),
            String::from_utf8(answer).unwrap(),
        )
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
struct Arm {
    asks: Vec<Vec<Vec<u8>>>,
    answer: &'static str,
}

/// Runs all arms interleaved at random, each on a connection of its own, and takes so many times of each after the warm-up.
fn measure<const ARMS: usize>(
    base: &str,
    arms: [Arm; ARMS],
    warm_up: usize,
    times_each: usize,
) -> [Vec<f64>; ARMS] {
    let mut dice = Dice(u64::from(std::process::id()));
    let mut lines = [(); ARMS].map(|()| Line::open(base));
    let mut times = [(); ARMS].map(|()| Vec::new());
    let mut asked = [0; ARMS];
    for round in [warm_up, times_each] {
        times = [(); ARMS].map(|()| Vec::new());
        // Not pair by pair: then each would follow the other more often than itself, and feel what it leaves behind.
        let mut order: Vec<_> = (0..ARMS).flat_map(|arm| vec![arm; round]).collect();
        dice.shuffle(&mut order);
        for arm in order {
            let steps = &arms[arm].asks[asked[arm]];
            asked[arm] += 1;
            lines[arm].keep(base);
            let answers: Vec<_> = steps
                .iter()
                .map(|request| lines[arm].ask(request))
                .collect();
            let (seconds, answer) = answers.last().unwrap();
            assert!(answer.contains(arms[arm].answer), "{answer}");
            times[arm].push(*seconds);
        }
    }
    times
}

fn report(name: &str, samples: &[Vec<f64>; 2]) {
    let finding = Finding::of(samples);
    let [a, b] = finding.medians.map(|seconds| seconds * 1e3);
    eprintln!(
        "{name}: medians {a:.3} ms and {b:.3} ms, p = {:.4}",
        finding.p
    );
    assert!(finding.is_harmless(), "{name}: {finding:?}");
}

fn request(path: &str, token: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut body = String::new();
    for (name, value) in fields {
        write!(
            body,
            "{name}={}&",
            value.replace('@', "%40").replace(' ', "+")
        )
        .unwrap();
    }
    format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A service with this many users, made without hashing anything.
async fn service(backend: Backend, count: usize) -> TestApp {
    let app = TestApp::start_with(backend, |settings| settings.recovery.per_hour = 100_000).await;
    let now = app.clock.now();
    let user = move |number: usize| User {
        id: uuid::Uuid::from_u128(number as u128 + 1),
        email: EmailAddress::parse(&known(number)).unwrap(),
        password_hash: None,
        locale: None,
        profile: serde_json::Map::new(),
        created_at: now,
        password_changed_at: None,
        password_must_change: false,
        disabled_at: None,
    };
    let insert = app
        .flows
        .storage
        .write(move |c| (0..count).try_for_each(|number| users::insert(c, &user(number))));
    insert.await.unwrap();
    app
}

fn known(number: usize) -> String {
    format!("user{number:05}@known.example")
}

fn unknown(number: usize) -> String {
    format!("user{number:05}@other.example")
}

/// Known against unknown addresses, each asked for `times` in a row, of which the last one counts.
async fn remind(name: &str, backend: Backend, times: usize, mail_server: Behaviour) {
    let app = service(backend, EACH).await;
    app.sink.behave(mail_server);
    let token = app.token(APP).await;
    let arm = |email: fn(usize) -> String| Arm {
        asks: (0..EACH)
            .map(|number| vec![request(REMIND, &token, &[("email", &email(number))]); times])
            .collect(),
        answer: "reminder_sent",
    };
    let (base, arms) = (app.base.clone(), [arm(known), arm(unknown)]);
    let samples = tokio::task::spawn_blocking(move || measure(&base, arms, WARM_UP, PAIRS))
        .await
        .unwrap();
    report(name, &samples);
}

/// One user's token with another's address, against tokens of the right form that nobody has.
async fn foreign_token(name: &str, backend: Backend) {
    let app = service(backend, 2).await;
    let token = app.token(APP).await;
    let link = app.mailed_token(&token, &known(0)).await;
    let garbage = |number: usize| {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        PlainToken::<ResetToken>::from_random(bytes)
            .expose()
            .to_owned()
    };
    let ask = |link: &str| {
        vec![request(
            RESET,
            &token,
            &[
                ("email", &known(1)),
                ("token", link),
                ("password", "a new secret"),
            ],
        )]
    };
    let arm = |asks| Arm {
        asks,
        answer: "wrong_token",
    };
    let arms = [
        arm((0..EACH).map(|_| ask(&link)).collect()),
        arm((0..EACH).map(|number| ask(&garbage(number))).collect()),
    ];
    let base = app.base.clone();
    let samples = tokio::task::spawn_blocking(move || measure(&base, arms, WARM_UP, PAIRS))
        .await
        .unwrap();
    report(name, &samples);
}

measured! {
    f02_reminding_takes_the_same_time_for_known_and_unknown_addresses =
        |name, backend| remind(name, backend, 1, Behaviour::default());
    f02_so_it_does_the_second_time_in_a_row = |name, backend| remind(name, backend, 2, Behaviour::default());
    f02_so_it_does_while_the_mail_server_is_silent =
        |name, backend| remind(name, backend, 1, Behaviour::stall(Stage::Dot));
    f15_a_foreign_token_takes_the_same_time_as_garbage = |name, backend| foreign_token(name, backend);
}
