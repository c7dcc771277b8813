//! The rig: a service under a mixed load, what each of its callers is to do, and what they wrote down of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use unforget::clock::Clock;
use unforget::domain::audit::Origin;
use unforget::domain::{EmailAddress, Instant, Password};
use unforget::flows::Actor;
use unforget::server;

use super::deed::{Deed, Keys, Kind, Outcome};
use crate::accounts::{ADMIN, FULL_APP};
use crate::helpers::{Backend, OLD_PASSWORD, PATIENCE, Service};
use crate::keys::Key;
use crate::recovery::REMIND;
use crate::register::{ADMIN as REGISTRAR, PATH as REGISTER};
use crate::site::{Account, Site};

/// How many deeds of each kind a round has.
const EACH: usize = 2;
/// How many callers share them.
const CALLERS: usize = 4;
/// A crash comes after at most so many answers, and then at most so many milliseconds later.
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
    made: usize,
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

    /// As many deeds of a kind, with what they are to be done to.
    pub(super) async fn things(&mut self, kind: Kind, count: usize) -> Vec<Deed> {
        self.made += 1;
        let prefix = format!("{kind:?}.{}.", self.made).to_lowercase();
        let accounts = match kind {
            Kind::AddUser | Kind::Register | Kind::Rotate => Vec::new(),
            Kind::Unregister | Kind::Issue | Kind::Revoke => Vec::new(),
            _ => self.site.accounts(&prefix, count).await,
        };
        let links = match kind {
            Kind::Reset => self.links(&accounts).await,
            _ => HashMap::new(),
        };
        let mut deeds = Vec::new();
        for number in 0..count {
            let Account { id, email } = accounts.get(number).cloned().unwrap_or(Account {
                id: uuid::Uuid::nil(),
                email: format!("{prefix}{number}@example.com"),
            });
            deeds.push(match kind {
                Kind::Remind => Deed::Remind { email },
                Kind::Reset => {
                    let link = links[&email].clone();
                    Deed::Reset { email, link }
                }
                Kind::Change => {
                    let session = self.session(&email).await;
                    Deed::Change { email, session }
                }
                Kind::Guess => Deed::Guess { email },
                Kind::AdminSet => Deed::AdminSet { email, id },
                Kind::AddUser => Deed::AddUser { email },
                Kind::AddTaken => Deed::AddTaken { email, id },
                Kind::MoveUser => {
                    let to = format!("new-{email}");
                    Deed::MoveUser { email, id, to }
                }
                Kind::DeleteUser => Deed::DeleteUser { email, id },
                Kind::Register => Deed::Register { name: email },
                Kind::Rotate => {
                    let id = self.registered(true).await;
                    Deed::Rotate { id }
                }
                Kind::Unregister => {
                    let id = self.registered(false).await;
                    Deed::Unregister { id }
                }
                Kind::Issue => Deed::Issue,
                Kind::Revoke => {
                    let token = self.issued().await;
                    Deed::Revoke { token }
                }
            });
        }
        deeds
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
        let answers = self.dice.random_range(0..ANSWERS);
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
        ledgers.into_iter().flatten().collect()
    }

    /// The links in the mails to these users.
    async fn links(&self, accounts: &[Account]) -> HashMap<String, String> {
        for account in accounts {
            let body = json!({"email": account.email});
            let reply = self.service.as_ref().unwrap();
            let reply = reply.post(REMIND, &self.keys.app, body).await;
            assert_eq!(reply.status, 200, "{reply:?}");
        }
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let wanted = |email: &String| accounts.iter().any(|account| account.email == *email);
        loop {
            let mails = self.site.sink.received().into_iter();
            let own = mails.filter(|mail| wanted(&mail.to[0]));
            let links: HashMap<_, _> = own
                .map(|mail| (mail.to[0].clone(), mail.parse().token()))
                .collect();
            if links.len() == accounts.len() {
                return links;
            }
            assert!(tokio::time::Instant::now() < deadline, "{links:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn issued(&self) -> String {
        let client = &self.keys.client;
        let shown = json!({"client_id": client.id, "client_secret": client.secret});
        self.service.as_ref().unwrap().token(&shown).await
    }

    /// A client that signs, or has a secret.
    async fn registered(&self, signs: bool) -> String {
        let mut body = json!({"client_name": "A", "scope": "password:reset"});
        if signs {
            body["token_endpoint_auth_method"] = json!("private_key_jwt");
            body["jwks"] = json!({"keys": [Key::es256().jwk()]});
        }
        let service = self.service.as_ref().unwrap();
        let made = service.post(REGISTER, &self.keys.registrar, body).await;
        assert_eq!(made.status, 201, "{made:?}");
        made.json()["client_id"].as_str().unwrap().to_owned()
    }

    /// A user token. Made by our own flows, whose hashes are cheap.
    async fn session(&self, email: &str) -> String {
        let actor = Actor {
            client_id: self.keys.client.client_id(),
            may_know_users: false,
            jkt: None,
            origin: Origin::default(),
        };
        let email = EmailAddress::parse(email).unwrap();
        let credentials = Some((email, Password::parse(OLD_PASSWORD).unwrap()));
        let made = self.site.flows.create_session(actor, credentials).await;
        made.unwrap().0.token.expose().to_owned()
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
