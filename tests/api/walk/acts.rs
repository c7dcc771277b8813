//! What the walker does: each act returns what was said, and what the model foretells.

use rand::seq::IndexedRandom;
use serde_json::json;

use super::{Person, Walk};
use crate::accounts::{CHANGE, USERS, path_of};
use crate::helpers::OLD_PASSWORD;

impl Walk {
    pub(super) async fn remind(&mut self, who: usize) -> (String, String) {
        let before = self.app.sink.received().len();
        let reply = self.app.remind(&self.token, self.people[who].email).await;
        self.app.quiet().await;
        let mails = self.app.sink.received();
        if self.people[who].disabled {
            assert_eq!(mails.len(), before, "{:#?}", self.trail);
        } else {
            let link = mails[before].parse().token();
            let person = &mut self.people[who];
            person.live_links.push(link);
            if person.live_links.len() > 3 {
                let oldest = person.live_links.remove(0);
                person.dead_links.push(oldest);
            }
        }
        (reply.said(), "200 reminder_sent".to_owned())
    }

    pub(super) async fn check(&mut self) -> (String, String) {
        let link = self.any_link();
        let live = self.people.iter().any(|p| p.live_links.contains(&link));
        let expected = if live {
            "200 token_valid"
        } else {
            "400 wrong_token"
        };
        (
            self.app.check(&self.token, &link).await.said(),
            expected.to_owned(),
        )
    }

    pub(super) async fn reset(&mut self, who: usize) -> (String, String) {
        let (link, (password, good)) = (self.any_link(), self.new_password());
        let said = self
            .app
            .reset(&self.token, self.people[who].email, &link, &password)
            .await
            .said();
        if good && self.people[1 - who].live_links.contains(&link) {
            self.trail.push("a link of another".to_owned());
        } else if good && self.people[who].dead_links.contains(&link) {
            self.trail.push("a dead link".to_owned());
        }
        let expected = if !good {
            "400 wrong_password"
        } else if self.people[who].live_links.contains(&link) {
            self.people[who].set(&password, false);
            "200 password_reset"
        } else {
            "400 wrong_token"
        };
        (said, expected.to_owned())
    }

    /// By the app.
    pub(super) async fn change(&mut self, who: usize) -> (String, String) {
        let ((old, right), (new, good)) = (self.claimed(who), self.new_password());
        let email = self.people[who].email;
        let said = self.app.change(&self.token, email, &old, &new).await.said();
        (said, self.changed(who, &new, good, right))
    }

    /// By a user's token: a live one, or the one that died last.
    pub(super) async fn change_own(&mut self, who: usize) -> (String, String) {
        let ((old, right), (new, good)) = (self.claimed(who), self.new_password());
        let dead = self.one_in(3);
        if !dead && !self.people[who].disabled {
            let person = &self.people[who];
            let session = self
                .app
                .user_token(&self.token, person.email, &person.password);
            let session = session.await;
            self.people[who].live_sessions.push(session);
        }
        let person = &self.people[who];
        let session = match dead {
            true => person.dead_sessions.last(),
            false => person.live_sessions.last(),
        };
        let Some(session) = session else {
            return self.check().await;
        };
        // The address of the other user changes nothing.
        let other = self.people[1 - who].email;
        let body = json!({"email": other, "old_password": old, "password": new});
        let said = self.app.send("PUT", CHANGE, session, body).await.said();
        if !dead {
            return (said, self.changed(who, &new, good, right));
        }
        if good && right {
            self.trail.push("a dead session".to_owned());
        }
        (said, "401 invalid_token".to_owned())
    }

    /// What is foretold of a change, and what it makes true.
    fn changed(&mut self, who: usize, new: &str, good: bool, right: bool) -> String {
        let foretold = match (good, right) {
            (false, _) => "400 wrong_password",
            (_, false) => "400 wrong_credentials",
            _ => {
                self.people[who].set(new, false);
                "200 password_updated"
            }
        };
        foretold.to_owned()
    }

    pub(super) async fn prove(&mut self, who: usize) -> (String, String) {
        let (claimed, right) = self.claimed(who);
        let signs_in = self.one_in(2);
        let email = self.people[who].email;
        let reply = match signs_in {
            true => self.app.session(&self.token, email, &claimed).await,
            false => self.app.verify(&self.token, email, &claimed).await,
        };
        let expected = match (right, signs_in) {
            (false, _) => "400 wrong_credentials",
            (true, true) => {
                let session = reply.json()["access_token"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                self.people[who].live_sessions.push(session);
                "201 session_created"
            }
            (true, false) => "200 password_verified",
        };
        (reply.said(), expected.to_owned())
    }

    pub(super) async fn admin_set(&mut self, who: usize) -> (String, String) {
        let (password, good) = self.new_password();
        let person = &self.people[who];
        let callers = [&self.admin, &self.token]
            .into_iter()
            .chain(&person.live_sessions)
            .chain(&person.live_links);
        let callers: Vec<_> = callers.cloned().collect();
        let caller = callers.choose(&mut self.dice).cloned().unwrap_or_default();
        let said = self
            .app
            .admin_set(&caller, self.people[who].id, &password)
            .await
            .said();
        let expected = if caller == self.admin && good {
            self.people[who].set(&password, true);
            "200 password_updated"
        } else if caller == self.admin {
            "400 wrong_password"
        } else if caller.starts_with("uf_at_") {
            "403 insufficient_scope"
        } else {
            "401 invalid_token"
        };
        (said, expected.to_owned())
    }

    pub(super) async fn switch(&mut self, who: usize) -> (String, String) {
        let off = !self.people[who].disabled;
        let reply = self
            .app
            .patch(&self.admin, self.people[who].id, json!({"disabled": off}))
            .await;
        self.people[who].disabled = off;
        if off {
            self.people[who].end_access();
        }
        (reply.said(), "200 user_updated".to_owned())
    }

    pub(super) async fn recreate(&mut self, who: usize) -> (String, String) {
        let person = &mut self.people[who];
        assert_eq!(
            self.app
                .bare("DELETE", &path_of(person.id), &self.admin)
                .await
                .status,
            200
        );
        let body = json!({"email": person.email, "password": OLD_PASSWORD});
        let reply = self.app.post(USERS, &self.admin, body).await;
        person.id = reply.json()["user"]["id"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        person.disabled = false;
        person.set(OLD_PASSWORD, false);
        (reply.said(), "201 user_created".to_owned())
    }

    pub(super) async fn outlive_links(&mut self) -> (String, String) {
        self.app.advance(3700);
        self.people.iter_mut().for_each(Person::end_links);
        (String::new(), String::new())
    }
}
