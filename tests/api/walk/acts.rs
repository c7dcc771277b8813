//! What the walker does: each act returns what was said, and what the model foretells.

use serde_json::json;

use super::Walk;
use super::model::Person;
use super::order::{Act, Bearer, Link, New, Old, Who};
use crate::accounts::{USERS, path_of};
use crate::helpers::OLD_PASSWORD;

/// What was said, and what was foretold.
pub(super) type Said = (String, String);

/// Nothing could be done.
fn nothing() -> Said {
    (String::new(), String::new())
}

impl Walk<'_> {
    pub(super) async fn step(&mut self, act: &Act) -> Said {
        match *act {
            Act::Remind(who) => self.remind(who).await,
            Act::Check(link) => self.check(link).await,
            Act::Reset(who, link, new) => self.reset(who, link, new).await,
            Act::Change(who, old, new) => self.change(who, old, new).await,
            Act::ChangeOwn(who, old, new) => self.change_own(who, old, new).await,
            Act::ChangeByDeadSession(who, new) => self.change_by_dead_session(who, new).await,
            Act::Verify(who, old) => self.verify(who, old).await,
            Act::SignIn(who, old) => self.sign_in(who, old).await,
            Act::RevokeSession(who) => self.revoke(who, true).await,
            Act::RevokeSessionOfAnotherClient(who) => self.revoke(who, false).await,
            Act::AdminSet(who, bearer, new) => self.admin_set(who, bearer, new).await,
            Act::Disable(who) => self.switch(who, true).await,
            Act::Enable(who) => self.switch(who, false).await,
            Act::Delete(who) => self.delete(who).await,
            Act::Create(who) => self.create(who).await,
            Act::Move(who) => self.move_away(who).await,
            Act::MoveOntoTheOther(who) => self.move_onto_the_other(who).await,
            Act::OutliveLinks => self.wait(3700),
            Act::OutliveSessions => self.wait(12 * 3600 + 100),
        }
    }

    /// A new password, and whether the policy takes it.
    pub(super) fn new_password(&self, new: New) -> (String, bool) {
        match new {
            New::Short => ("short".to_owned(), false),
            New::Nul => ("a new\0secret".to_owned(), false),
            New::Good => (format!("secret number {}", self.steps), true),
        }
    }

    /// What somebody says the password is, and whether it opens the account.
    pub(super) fn claimed(&self, who: Who, old: Old) -> (String, bool) {
        let person = &self.people[who as usize];
        let claimed = match old {
            Old::Right => person.password.clone(),
            Old::Wrong => format!("{}x", person.password),
            Old::OfTheOther => self.people[who.other() as usize].password.clone(),
        };
        let right = claimed == person.password && person.is_active();
        (claimed, right)
    }

    fn link(&self, link: Link) -> String {
        let of = |who: Who| &self.people[who as usize];
        let found = match link {
            Link::Newest(who) => of(who).live_links.last(),
            Link::Oldest(who) => of(who).live_links.first(),
            Link::Dead(who) => of(who).dead_links.last(),
            Link::Session(who) => of(who).live_sessions.last().map(|(session, _)| session),
            Link::MadeUp => None,
        };
        found.cloned().unwrap_or("uf_rt_made_up".to_owned())
    }

    async fn remind(&mut self, who: Who) -> Said {
        let app = &self.ground.app;
        let person = &mut self.people[who as usize];
        let before = app.sink.received().len();
        let reply = app.remind(&self.ground.token, &person.email).await;
        app.quiet().await;
        let mails = app.sink.received().split_off(before);
        match &mails[..] {
            [mail] if person.is_active() && mail.to == [person.email.as_str()] => {
                person.got(mail.parse().token());
            }
            [] if !person.is_active() => {}
            _ => return (format!("mailed: {mails:?}"), "one mail, or none".to_owned()),
        }
        (reply.said(), "200 reminder_sent".to_owned())
    }

    async fn check(&mut self, link: Link) -> Said {
        let link = self.link(link);
        let live = self.people.iter().any(|p| p.live_links.contains(&link));
        let foretold = match live {
            true => "200 token_valid",
            false => "400 wrong_token",
        };
        let checked = self.ground.app.check(&self.ground.token, &link).await;
        (checked.said(), foretold.to_owned())
    }

    async fn reset(&mut self, who: Who, link: Link, new: New) -> Said {
        let (link, (password, good)) = (self.link(link), self.new_password(new));
        let email = self.people[who as usize].email.clone();
        let app = &self.ground.app;
        let reply = app.reset(&self.ground.token, &email, &link, &password);
        let said = reply.await.said();
        let other = &self.people[who.other() as usize];
        if good && other.live_links.contains(&link) {
            self.ground.met.insert("a link of another".to_owned());
        } else if good && self.people[who as usize].dead_links.contains(&link) {
            self.ground.met.insert("a dead link".to_owned());
        }
        let person = self.person(who);
        let foretold = if !good {
            "400 wrong_password"
        } else if person.live_links.contains(&link) {
            person.set(&password, false);
            "200 password_reset"
        } else {
            "400 wrong_token"
        };
        (said, foretold.to_owned())
    }

    async fn admin_set(&mut self, who: Who, bearer: Bearer, new: New) -> Said {
        let (password, good) = self.new_password(new);
        let person = &self.people[who as usize];
        let caller = match bearer {
            Bearer::Admin => Some(&self.ground.admin),
            Bearer::App => Some(&self.ground.token),
            Bearer::OwnSession => person.live_sessions.last().map(|(session, _)| session),
            Bearer::OwnLink => person.live_links.last(),
        };
        let Some(caller) = caller else {
            return nothing();
        };
        let set = self.ground.app.admin_set(caller, person.id, &password);
        let said = set.await.said();
        let person = self.person(who);
        let foretold = match bearer {
            Bearer::OwnLink => "401 invalid_token",
            Bearer::App | Bearer::OwnSession => "403 insufficient_scope",
            Bearer::Admin if !good => "400 wrong_password",
            Bearer::Admin if !person.exists => "404 wrong_user",
            Bearer::Admin => {
                person.set(&password, true);
                "200 password_updated"
            }
        };
        (said, foretold.to_owned())
    }

    async fn switch(&mut self, who: Who, off: bool) -> Said {
        let ground = &self.ground;
        let (id, change) = (self.people[who as usize].id, json!({"disabled": off}));
        let said = ground.app.patch(&ground.admin, id, change).await.said();
        let person = self.person(who);
        if !person.exists {
            return (said, "404 wrong_user".to_owned());
        }
        person.disabled = off;
        if off {
            person.end_access();
        }
        (said, "200 user_updated".to_owned())
    }

    async fn delete(&mut self, who: Who) -> Said {
        let path = path_of(self.people[who as usize].id);
        let ground = &self.ground;
        let said = ground.app.bare("DELETE", &path, &ground.admin).await.said();
        let person = self.person(who);
        if !person.exists {
            return (said, "404 wrong_user".to_owned());
        }
        person.exists = false;
        person.end_access();
        (said, "200 user_deleted".to_owned())
    }

    /// The same address again: a new account, which inherits nothing (bar F27).
    async fn create(&mut self, who: Who) -> Said {
        let body = json!({"email": self.people[who as usize].email, "password": OLD_PASSWORD});
        let ground = &self.ground;
        let reply = ground.app.post(USERS, &ground.admin, body).await;
        let person = self.person(who);
        if person.exists {
            return (reply.said(), "409 user_exists".to_owned());
        }
        let id = reply.json()["user"]["id"].as_str().map(str::parse);
        if let Some(Ok(id)) = id {
            person.id = id;
        }
        (person.exists, person.disabled) = (true, false);
        person.set(OLD_PASSWORD, false);
        (reply.said(), "201 user_created".to_owned())
    }

    /// The links in the old mailbox die; who is signed in stays so.
    async fn move_away(&mut self, who: Who) -> Said {
        let to = format!(
            "{}.{}@example.com",
            self.people[who as usize].name, self.steps
        );
        let said = self.patch_email(who, &to).await;
        let person = self.person(who);
        if !person.exists {
            return (said, "404 wrong_user".to_owned());
        }
        person.email = to;
        person.end_links();
        (said, "200 user_updated".to_owned())
    }

    async fn move_onto_the_other(&mut self, who: Who) -> Said {
        let other = &self.people[who.other() as usize];
        if !other.exists {
            return nothing(); // nobody has the address
        }
        let to = other.email.clone();
        let said = self.patch_email(who, &to).await;
        let foretold = match self.person(who).exists {
            true => "409 user_exists",
            false => "404 wrong_user",
        };
        (said, foretold.to_owned())
    }

    async fn patch_email(&self, who: Who, to: &str) -> String {
        let (ground, id) = (&self.ground, self.people[who as usize].id);
        let patched = ground.app.patch(&ground.admin, id, json!({"email": to}));
        patched.await.said()
    }

    fn wait(&mut self, seconds: i64) -> Said {
        self.ground.app.advance(seconds);
        self.passed += seconds;
        let now = self.passed;
        self.people
            .iter_mut()
            .for_each(|person: &mut Person| person.grow_old(now));
        nothing()
    }
}
