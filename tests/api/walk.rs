//! A walk through every order of calls (bar F28): random ones, right and wrong, of two users, each answer foretold by a small model.
//! No order sets a password without a live mailed token, the old password, or an administrator's scope. An order that does is cut down
//! to the shortest one that still does, and printed.

mod acts;
mod model;
mod order;
mod sessions;

use std::collections::BTreeSet;

use chrono::TimeDelta;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use crate::accounts::{ADMIN, FULL_APP};
use crate::both;
use crate::helpers::{Backend, TestApp, TestClient, rounds};
use model::{Person, SESSION_LIFETIME};
use order::{Act, Who, orders};

/// What a walk must have met: one that never succeeds, or never tries what must not, would prove nothing.
const MET: [&str; 14] = [
    "200 password_reset",
    "200 password_updated",
    "200 password_verified",
    "200 token_valid",
    "200 user_deleted",
    "200 user_updated",
    "201 session_created",
    "201 user_created",
    "403 insufficient_scope",
    "409 user_exists",
    "a dead link",
    "a dead session",
    "a link of another",
    "a revoked session",
];

/// Where the walks are made, and what they have met so far.
struct Ground {
    app: TestApp,
    client: TestClient,
    token: String,
    admin: String,
    met: BTreeSet<String>,
    walks: usize,
}

impl Ground {
    async fn new(backend: Backend) -> Self {
        let app = TestApp::start_with(backend, |settings| {
            settings.recovery.cooldown = TimeDelta::zero();
            settings.recovery.per_hour = 100_000;
            settings.session_lifetime = TimeDelta::seconds(SESSION_LIFETIME);
        })
        .await;
        // The clock goes far in many rounds.
        let long = |new: &mut unforget::flows::clients::NewClient| {
            new.token_lifetime = Some(TimeDelta::days(36_500));
        };
        let client = app.client_with(FULL_APP, long).await;
        let admin = app.client_with(ADMIN, long).await;
        Self {
            token: app.token_of(&client).await,
            admin: app.token_of(&admin).await,
            client,
            app,
            met: BTreeSet::new(),
            walks: 0,
        }
    }
}

/// One order of calls, and what must be true so far.
struct Walk<'a> {
    ground: &'a mut Ground,
    people: [Person; 2],
    /// How much time the walk has let pass, in seconds.
    passed: i64,
    steps: usize,
}

impl<'a> Walk<'a> {
    async fn start(ground: &'a mut Ground) -> Self {
        ground.walks += 1;
        let number = ground.walks;
        let people = [
            Person::new(&ground.app, &format!("ann{number}")).await,
            Person::new(&ground.app, &format!("bob{number}")).await,
        ];
        Self {
            ground,
            people,
            passed: 0,
            steps: 0,
        }
    }

    fn person(&mut self, who: Who) -> &mut Person {
        &mut self.people[who as usize]
    }

    /// Makes all calls; says where the service and the model part.
    async fn make(mut self, order: &[Act]) -> Result<(), String> {
        for act in order {
            self.steps += 1;
            self.ground.app.quiet().await;
            let (said, foretold) = self.step(act).await;
            if said != foretold {
                return Err(format!("{act:?}: {said}, but foretold was {foretold}"));
            }
            self.ground.met.insert(said);
            for who in [Who::Ann, Who::Bob] {
                self.compare(who)
                    .await
                    .map_err(|what| format!("after {act:?}: {what}"))?;
            }
        }
        self.compare_secrets().await
    }
}

async fn walk(backend: Backend) {
    let mut ground = Ground::new(backend).await;
    let config = Config {
        cases: u32::try_from(rounds(16)).unwrap(),
        max_shrink_iters: 300,
        failure_persistence: None,
        ..Config::default()
    };
    // The same walks each time; more of them when there are more rounds.
    let dice = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let runtime = tokio::runtime::Handle::current();
    let walked = tokio::task::block_in_place(|| {
        let ground = std::cell::RefCell::new(&mut ground);
        TestRunner::new_with_rng(config, dice).run(&orders(), |order| {
            let mut ground = ground.borrow_mut();
            runtime
                .block_on(async { Walk::start(&mut ground).await.make(&order).await })
                .map_err(TestCaseError::fail)
        })
    });
    if let Err(error) = walked {
        panic!("{error}");
    }
    for word in MET {
        assert!(
            ground.met.contains(word),
            "never: {word}; but {:?}",
            ground.met
        );
    }
}

both! {
    async fn f28_no_order_of_calls_sets_a_password_without_a_right_to(backend: Backend) {
        walk(backend).await;
    }
}
