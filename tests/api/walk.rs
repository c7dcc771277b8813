//! A walk through every order of calls (bar F28): random ones, right and wrong, of two users, each answer foretold by a small
//! model. No order sets a password without a live mailed token, the old password, or an administrator's scope.

mod acts;

use chrono::TimeDelta;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use crate::accounts::{ADMIN, ANN, BOB, FULL_APP};
use crate::both;
use crate::helpers::{Backend, OLD_PASSWORD, TestApp};
use crate::recovery::user_ref;

const STEPS: usize = 300;

/// What must be true of a user.
struct Person {
    email: &'static str,
    id: uuid::Uuid,
    password: String,
    must_change: bool,
    disabled: bool,
    live_links: Vec<String>,
    dead_links: Vec<String>,
    live_sessions: Vec<String>,
    dead_sessions: Vec<String>,
}

impl Person {
    async fn new(app: &TestApp, email: &'static str) -> Self {
        Self {
            email,
            id: app.user(email).await,
            password: OLD_PASSWORD.to_owned(),
            must_change: false,
            disabled: false,
            live_links: Vec::new(),
            dead_links: Vec::new(),
            live_sessions: Vec::new(),
            dead_sessions: Vec::new(),
        }
    }

    fn end_links(&mut self) {
        self.dead_links.append(&mut self.live_links);
    }

    fn end_access(&mut self) {
        self.end_links();
        self.dead_sessions.append(&mut self.live_sessions);
    }

    fn set(&mut self, password: &str, must_change: bool) {
        password.clone_into(&mut self.password);
        self.must_change = must_change;
        self.end_access();
    }
}

/// The walker: a service, two people, dice, and what was done.
struct Walk {
    app: TestApp,
    dice: StdRng,
    people: [Person; 2],
    token: String,
    admin: String,
    trail: Vec<String>,
}

impl Walk {
    async fn start(app: TestApp, seed: u64) -> Self {
        let long = |new: &mut unforget::flows::clients::NewClient| {
            new.token_lifetime = Some(TimeDelta::days(365));
        };
        let (client, admin) = (
            app.client_with(FULL_APP, long).await,
            app.client_with(ADMIN, long).await,
        );
        Self {
            token: app.token_of(&client).await,
            admin: app.token_of(&admin).await,
            people: [Person::new(&app, ANN).await, Person::new(&app, BOB).await],
            dice: StdRng::seed_from_u64(seed),
            trail: Vec::new(),
            app,
        }
    }

    fn one_in(&mut self, chances: u32) -> bool {
        self.dice.random_ratio(1, chances)
    }

    /// A new password, and whether the policy takes it.
    fn new_password(&mut self) -> (String, bool) {
        match self.dice.random_range(0..6) {
            0 => ("short".to_owned(), false),
            1 => ("a new\0secret".to_owned(), false),
            _ => (format!("secret number {}", self.trail.len()), true),
        }
    }

    /// What somebody says the password is, and whether it is that of `who`.
    fn claimed(&mut self, who: usize) -> (String, bool) {
        let claimed = match self.dice.random_range(0..4) {
            0 => self.people[1 - who].password.clone(),
            1 => format!("{}x", self.people[who].password),
            _ => self.people[who].password.clone(),
        };
        let right = claimed == self.people[who].password && !self.people[who].disabled;
        (claimed, right)
    }

    /// A link, of whomever it is: often a live one, else a dead one, or what is none.
    fn any_link(&mut self) -> String {
        let kind = self.dice.random_range(0..6);
        let people = self.people.iter();
        let all: Vec<_> = match kind {
            0..2 => people.flat_map(|p| &p.dead_links).cloned().collect(),
            2 => people.flat_map(|p| &p.live_sessions).cloned().collect(),
            _ => people.flat_map(|p| &p.live_links).cloned().collect(),
        };
        let made_up = || "uf_rt_made_up".to_owned();
        all.choose(&mut self.dice).cloned().unwrap_or_else(made_up)
    }

    async fn step(&mut self) {
        let who = self.dice.random_range(0..2);
        let act = self.dice.random_range(0..26);
        self.trail.push(format!("{act} on {who}"));
        self.app.quiet().await;
        let (said, expected) = match act {
            0..6 => self.remind(who).await,
            6..8 => self.check().await,
            8..13 => self.reset(who).await,
            13..15 => self.change(who).await,
            15..18 => self.change_own(who).await,
            18..21 => self.prove(who).await,
            21..23 => self.admin_set(who).await,
            23 => self.switch(who).await,
            24 => self.recreate(who).await,
            _ if self.one_in(3) => self.outlive_links().await,
            _ => self.check().await,
        };
        assert_eq!(said, expected, "{:#?}", self.trail);
        for person in &self.people {
            let stored = self
                .app
                .flows
                .find_user(user_ref(person.email))
                .await
                .unwrap()
                .unwrap();
            let hash = stored.password_hash.as_ref().unwrap();
            let facts = (
                stored.id,
                stored.disabled_at.is_some(),
                stored.password_must_change,
            );
            assert_eq!(
                facts,
                (person.id, person.disabled, person.must_change),
                "{:#?}",
                self.trail
            );
            assert!(
                bcrypt::verify(&person.password, hash.as_str()).unwrap(),
                "{:#?}",
                self.trail
            );
            // Guessing has tests of its own.
            self.app.let_fail(person.email, 0).await;
        }
        self.trail.push(said);
    }
}

async fn walk(backend: Backend, seed: u64) {
    let app = TestApp::start_with(backend, |settings| {
        settings.recovery.cooldown = TimeDelta::zero();
        settings.recovery.per_hour = 100_000;
        settings.session_lifetime = TimeDelta::days(365);
    })
    .await;
    let mut walk = Walk::start(app, seed).await;
    for _ in 0..STEPS {
        walk.step().await;
    }
    // A walk that never succeeds, or never tries what must not, would prove nothing.
    for word in [
        "password_reset",
        "password_updated",
        "token_valid",
        "session_created",
        "password_verified",
        "a link of another",
        "a dead link",
        "a dead session",
    ] {
        assert!(
            walk.trail.iter().any(|step| step.ends_with(word)),
            "never: {word}"
        );
    }
}

both! {
    async fn f28_no_order_of_calls_sets_a_password_without_a_right_to(backend: Backend) {
        walk(backend, 7).await;
    }
}
