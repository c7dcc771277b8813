//! The model: what must be true of a user, and how that is compared with what is stored and what is answered.

use super::Walk;
use super::order::Who;
use crate::helpers::{OLD_PASSWORD, TestApp};
use crate::recovery::user_ref;

/// How long a user token lives, in seconds.
pub(super) const SESSION_LIFETIME: i64 = 12 * 3600;

/// What must be true of a user.
pub(super) struct Person {
    /// How the address begins.
    pub(super) name: String,
    pub(super) email: String,
    /// The last one that there was.
    pub(super) id: uuid::Uuid,
    pub(super) exists: bool,
    pub(super) password: String,
    pub(super) must_change: bool,
    pub(super) disabled: bool,
    pub(super) live_links: Vec<String>,
    pub(super) dead_links: Vec<String>,
    /// With the time of birth.
    pub(super) live_sessions: Vec<(String, i64)>,
    pub(super) dead_sessions: Vec<String>,
}

impl Person {
    pub(super) async fn new(app: &TestApp, name: &str) -> Self {
        let email = format!("{name}@example.com");
        Self {
            name: name.to_owned(),
            id: app.user(&email).await,
            email,
            exists: true,
            password: OLD_PASSWORD.to_owned(),
            must_change: false,
            disabled: false,
            live_links: Vec::new(),
            dead_links: Vec::new(),
            live_sessions: Vec::new(),
            dead_sessions: Vec::new(),
        }
    }

    /// Whether a right password is taken.
    pub(super) fn is_active(&self) -> bool {
        self.exists && !self.disabled
    }

    pub(super) fn end_links(&mut self) {
        self.dead_links.append(&mut self.live_links);
    }

    pub(super) fn end_access(&mut self) {
        self.end_links();
        let ended = self.live_sessions.drain(..).map(|(session, _)| session);
        self.dead_sessions.extend(ended);
    }

    pub(super) fn set(&mut self, password: &str, must_change: bool) {
        password.clone_into(&mut self.password);
        self.must_change = must_change;
        self.end_access();
    }

    /// A link that was mailed: the newest three live.
    pub(super) fn got(&mut self, link: String) {
        self.live_links.push(link);
        if self.live_links.len() > 3 {
            let oldest = self.live_links.remove(0);
            self.dead_links.push(oldest);
        }
    }

    /// Time has passed, enough to outlive every link.
    pub(super) fn grow_old(&mut self, now: i64) {
        self.end_links();
        let (live, ended) = std::mem::take(&mut self.live_sessions)
            .into_iter()
            .partition(|(_, born)| born + SESSION_LIFETIME > now);
        self.live_sessions = live;
        let ended: Vec<_> = ended;
        self.dead_sessions
            .extend(ended.into_iter().map(|(session, _)| session));
    }
}

/// An error that names what differs.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, is: T, foretold: T) -> Result<(), String> {
    match is == foretold {
        true => Ok(()),
        false => Err(format!("{what}: {is:?}, but foretold was {foretold:?}")),
    }
}

impl Walk<'_> {
    /// Whether what is stored of a user is what the model says.
    pub(super) async fn compare(&mut self, who: Who) -> Result<(), String> {
        let person = &self.people[who as usize];
        let app = &self.ground.app;
        let stored = app.flows.find_user(user_ref(&person.email)).await.unwrap();
        same("exists", stored.is_some(), person.exists)?;
        if let Some(stored) = stored {
            same("id", stored.id, person.id)?;
            same("disabled", stored.disabled_at.is_some(), person.disabled)?;
            let must_change = stored.password_must_change;
            same("must change", must_change, person.must_change)?;
            let hash = stored.password_hash.unwrap();
            let holds = bcrypt::verify(&person.password, hash.as_str()).unwrap();
            same("the password holds", holds, true)?;
        }
        // Guessing has tests of its own.
        app.let_fail(&person.email, 0).await;
        Ok(())
    }

    /// Whether every link and every user token is as alive as the model says.
    pub(super) async fn compare_secrets(&self) -> Result<(), String> {
        let app = &self.ground.app;
        for person in &self.people {
            let links = |links: &[String], said: &'static str| {
                let links = links.to_vec();
                async move {
                    for link in links {
                        let checked = app.check(&self.ground.token, &link).await;
                        same("a link", checked.said().as_str(), said)?;
                    }
                    Ok::<_, String>(())
                }
            };
            links(&person.live_links, "200 token_valid").await?;
            links(&person.dead_links, "400 wrong_token").await?;
            for (session, _) in &person.live_sessions {
                same("a live session speaks", app.speaks(session).await, true)?;
            }
            for session in &person.dead_sessions {
                same("a dead session speaks", app.speaks(session).await, false)?;
            }
        }
        Ok(())
    }
}
