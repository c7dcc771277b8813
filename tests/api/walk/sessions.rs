//! What the walker does with passwords that somebody says to know, and with what is got for them.

use serde_json::json;

use super::Walk;
use super::acts::Said;
use super::order::{New, Old, Who};
use crate::accounts::CHANGE;
use crate::helpers::Reply;

impl Walk<'_> {
    /// By the app.
    pub(super) async fn change(&mut self, who: Who, old: Old, new: New) -> Said {
        let ((old, right), (new, good)) = (self.claimed(who, old), self.new_password(new));
        let email = self.people[who as usize].email.clone();
        let (app, token) = (&self.ground.app, &self.ground.token);
        let said = app.change(token, &email, &old, &new).await.said();
        (said, self.changed(who, &new, good, right))
    }

    /// By a live token of the user. The address of the other user, which the body has, changes nothing.
    pub(super) async fn change_own(&mut self, who: Who, old: Old, new: New) -> Said {
        let ((old, right), (new, good)) = (self.claimed(who, old), self.new_password(new));
        let Some((session, _)) = self.people[who as usize].live_sessions.last().cloned() else {
            return self.verify(who, Old::Right).await;
        };
        let said = self.send_change(&session, who, &old, &new).await;
        (said, self.changed(who, &new, good, right))
    }

    /// By a token of the user that has ended, with everything else as it should be.
    pub(super) async fn change_by_dead_session(&mut self, who: Who, new: New) -> Said {
        let ((old, right), (new, good)) = (self.claimed(who, Old::Right), self.new_password(new));
        let Some(session) = self.people[who as usize].dead_sessions.last().cloned() else {
            return self.verify(who, Old::Wrong).await;
        };
        if right && good {
            self.ground.met.insert("a dead session".to_owned());
        }
        let said = self.send_change(&session, who, &old, &new).await;
        (said, "401 invalid_token".to_owned())
    }

    async fn send_change(&self, session: &str, who: Who, old: &str, new: &str) -> String {
        let other = &self.people[who.other() as usize].email;
        let body = json!({"email": other, "old_password": old, "password": new});
        let sent = self.ground.app.send("PUT", CHANGE, session, body);
        sent.await.said()
    }

    /// What is foretold of a change, and what it makes true.
    fn changed(&mut self, who: Who, new: &str, good: bool, right: bool) -> String {
        let foretold = match (good, right) {
            (false, _) => "400 wrong_password",
            (_, false) => "400 wrong_credentials",
            _ => {
                self.person(who).set(new, false);
                "200 password_updated"
            }
        };
        foretold.to_owned()
    }

    pub(super) async fn verify(&mut self, who: Who, old: Old) -> Said {
        let (claimed, right) = self.claimed(who, old);
        let (ground, email) = (&self.ground, &self.people[who as usize].email);
        let reply = ground.app.verify(&ground.token, email, &claimed).await;
        let foretold = match right {
            true => "200 password_verified",
            false => "400 wrong_credentials",
        };
        (reply.said(), foretold.to_owned())
    }

    pub(super) async fn sign_in(&mut self, who: Who, old: Old) -> Said {
        let (claimed, right) = self.claimed(who, old);
        let (ground, email) = (&self.ground, &self.people[who as usize].email);
        let reply = ground.app.session(&ground.token, email, &claimed).await;
        if !right {
            return (reply.said(), "400 wrong_credentials".to_owned());
        }
        if let Some(session) = reply.json()["access_token"].as_str() {
            let born = self.passed;
            let person = self.person(who);
            person.live_sessions.push((session.to_owned(), born));
        }
        (reply.said(), "201 session_created".to_owned())
    }

    /// By the client that has it; another client is told the same, and nothing happens (RFC 7009 section 2.2).
    pub(super) async fn revoke(&mut self, who: Who, own: bool) -> Said {
        let Some((session, _)) = self.people[who as usize].live_sessions.last().cloned() else {
            return (String::new(), String::new());
        };
        let client = match own {
            true => self.ground.client.clone(),
            false => self.ground.app.client("password:reset").await,
        };
        let request = self.ground.app.request("POST", "/oauth/revoke");
        let request = request.basic_auth(&client.id, Some(&client.secret));
        let reply = request.form(&[("token", &session)]).send().await.unwrap();
        let reply = Reply::of(reply).await;
        if own {
            let person = self.person(who);
            person.live_sessions.pop();
            person.dead_sessions.push(session);
            self.ground.met.insert("a revoked session".to_owned());
        }
        (
            format!("{} {}", reply.status, reply.text),
            "200 {}".to_owned(),
        )
    }
}
