//! The rig: a service under a mixed load, what each of its callers is to do, and what they wrote down of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use unforget::clock::Clock;
use unforget::domain::Instant;
use unforget::server;

use super::deed::{Deed, Keys, Kind, Outcome};
use crate::accounts::{ADMIN, FULL_APP};
use crate::helpers::{Backend, PATIENCE, Service};
use crate::register::ADMIN as REGISTRAR;
use crate::site::Site;
use crate::smtp::Behaviour;

/// How many deeds of each kind a round has.
const EACH: usize = 2;
/// How many callers share them.
const CALLERS: usize = 4;
/// A crash comes after all answers or at most so many, and then at most so many milliseconds later.
const ANSWERS: usize = 20;
const LATEST: u64 = 300;

/// What was done, and what came of it.
pub(super) type Ledger = Vec<(Deed, Outcome)>;

/// A site under fire.
pub(super) struct Rig {
    pub(super) site: Site,
    /// Running, or `None` just after it was killed.
    pub(super) service: Option<Service>,
    pub(super) dice: StdRng,
    pub(super) keys: Keys,
    /// Tokens that have ended, and must never work again.
    pub(super) dead: Vec<String>,
    /// Users, and the hash that each had when the ledger was last held against it.
    pub(super) settled: Vec<(String, Option<String>)>,
    /// How often which kind of deed ended how.
    pub(super) seen: BTreeMap<String, usize>,
    /// When the round began, for the audit.
    pub(super) since: Instant,
    pub(super) made: usize,
    fired: usize,
}

/// The seed of this run: that of `TEST_SEED`, or a new one. It is printed when the test fails.
pub(super) fn seed() -> u64 {
    let seed = std::env::var("TEST_SEED").map_or_else(
        |_| u64::from_be_bytes(unforget::entropy::bytes()),
        |text| text.parse().unwrap(),
    );
    eprintln!("again with TEST_SEED={seed}");
    seed
}

impl Rig {
    pub(super) async fn start(backend: Backend) -> Self {
        Self::on(Site::start(backend).await).await
    }

    /// On a site that is there.
    pub(super) async fn on(site: Site) -> Self {
        let service = site.program.serve().await;
        let keys = Keys {
            app: site.token(&service, FULL_APP).await,
            admin: site.token(&service, ADMIN).await,
            registrar: site.token(&service, REGISTRAR).await,
            client: site.client(FULL_APP).await,
        };
        Self {
            since: site.flows.clock.now(),
            site,
            service: Some(service),
            dice: StdRng::seed_from_u64(seed()),
            keys,
            dead: Vec::new(),
            seen: BTreeMap::new(),
            made: 0,
            fired: 0,
            settled: Vec::new(),
        }
    }

    pub(super) fn base(&self) -> String {
        self.service.as_ref().unwrap().base.clone()
    }

    /// Starts the service again, on the same database.
    pub(super) async fn restart(&mut self) {
        self.service = Some(self.site.program.serve().await);
    }

    /// Begins a round: from now on the audit is read, and tokens are counted, for there is a new client that fetches them.
    pub(super) async fn begin(&mut self) {
        self.keys.client = self.site.client(FULL_APP).await;
        self.since = self.site.flows.clock.now();
    }

    /// Lets some callers work through all deeds, in an order that the dice choose, until one of theirs has no answer; and calls the crash
    /// when the dice say: after some answers, for a machine may be slow, and then at any moment.
    pub(super) async fn fire(&mut self, crash: impl AsyncFnOnce(&mut Self)) -> Ledger {
        self.begin().await;
        let mut deeds = Vec::new();
        for kind in Kind::ALL {
            deeds.extend(self.things(kind, EACH).await);
        }
        deeds.shuffle(&mut self.dice);
        // Slow enough that a crash often comes in the midst of a mail.
        self.post(Duration::from_millis(15));
        let (base, keys, answered) = (self.base(), self.keys.clone(), AtomicUsize::new(0));
        let (at, by, count) = (&base, &keys, &answered);
        let callers = deeds.chunks(deeds.len() / CALLERS).map(|own| async move {
            let (http, mut ledger) = (reqwest::Client::new(), Ledger::new());
            for deed in own {
                let outcome = deed.call(&http, at, by).await;
                count.fetch_add(1, Ordering::SeqCst);
                ledger.push((deed.clone(), outcome));
                if matches!(ledger.last(), Some((_, Outcome::Unknown))) {
                    break;
                }
            }
            ledger
        });
        // Now and then all is answered before, and only mails are cut off.
        let answers = match self.fired % 5 {
            0 => deeds.len(),
            _ => self.dice.random_range(0..ANSWERS),
        };
        self.fired += 1;
        let moment = Duration::from_millis(self.dice.random_range(0..LATEST));
        let end = async {
            let deadline = tokio::time::Instant::now() + 3 * PATIENCE;
            while answered.load(Ordering::SeqCst) < answers {
                assert!(tokio::time::Instant::now() < deadline, "too few answers");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            tokio::time::sleep(moment).await;
            crash(self).await;
        };
        let (ledgers, ()) = tokio::join!(join_all(callers), end);
        self.post(Duration::ZERO);
        ledgers.into_iter().flatten().collect()
    }

    /// How long the mail server takes for each of its answers.
    fn post(&self, delay: Duration) {
        self.site.sink.behave(Behaviour {
            delay,
            ..Behaviour::default()
        });
    }

    /// Sends what is still owed: the service with its clock ahead, so that no lease of a dead process holds it back.
    pub(super) async fn deliver_all(&mut self) {
        self.service = None;
        let clock = Clock::shifted();
        clock.advance(TimeDelta::minutes(2));
        let running = server::start(&self.site.settings, clock).unwrap();
        self.site.quiet().await;
        running.stop().await;
    }

    /// Notes how a deed ended.
    pub(super) fn note(&mut self, deed: &Deed, outcome: &Outcome) {
        let how = match outcome {
            Outcome::Acknowledged(_) => "acknowledged",
            Outcome::Refused(_) => "refused",
            Outcome::Unknown => "unknown",
        };
        *self
            .seen
            .entry(format!("{:?} {how}", deed.kind()))
            .or_default() += 1;
        *self.seen.entry(how.to_owned()).or_default() += 1;
    }
}
