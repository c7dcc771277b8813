//! The ledger is held against the database and the service: what was acknowledged is true, what was refused is not, and what had
//! no answer is true as a whole or not at all.

use serde_json::{Value, json};
use unforget::domain::Client;
use unforget::domain::audit::{Act, Entry};
use unforget::domain::mail::MailKind;
use unforget::storage::mails::MailReport;
use uuid::Uuid;

use super::deed::{Deed, Kind, Outcome};
use super::rig::{Ledger, Rig};
use crate::accounts::NEW;
use crate::helpers::OLD_PASSWORD;
use crate::recovery::CHECK;

/// What is stored.
struct Facts {
    audit: Vec<Entry>,
    mails: Vec<MailReport>,
    clients: Vec<Client>,
}

impl Facts {
    /// Whether the audit has this act on a user or client; it never has it twice.
    fn audited(&self, act: Act, to: impl Fn(&Entry) -> bool) -> bool {
        let done = |entry: &&Entry| entry.act == act && entry.refusal.is_none() && to(entry);
        once(self.audit.iter().filter(done).count())
    }

    fn audited_user(&self, act: Act, id: Uuid) -> bool {
        self.audited(act, |entry| entry.subject_user == Some(id))
    }

    fn audited_client(&self, act: Act, id: &str) -> bool {
        let is = |entry: &Entry| {
            entry
                .subject_client
                .as_ref()
                .is_some_and(|c| c.as_str() == id)
        };
        self.audited(act, is)
    }

    fn mailed(&self, is: impl Fn(&MailKind) -> bool) -> bool {
        let mails = self.mails.iter();
        once(mails.filter(|report| is(&report.mail.kind)).count())
    }
}

fn once(count: usize) -> bool {
    assert!(count <= 1, "{count} times");
    count == 1
}

/// Whether a deed was done, of which all these parts are.
fn whole(deed: &Deed, parts: &[(&str, bool)]) -> bool {
    let done = parts[0].1;
    let same = parts.iter().all(|part| part.1 == done);
    assert!(same, "half done: {deed:?}: {parts:?}");
    done
}

impl Rig {
    /// Holds the ledger of a round against the world.
    pub(super) async fn reconcile(&mut self, ledger: &Ledger) {
        self.site.assert_sound();
        let facts = Facts {
            audit: self.site.audit(self.since).await,
            mails: self.site.flows.list_mails(None, 2000).await.unwrap(),
            clients: self.site.flows.list_clients().await.unwrap(),
        };
        let mut added = 0;
        for (deed, outcome) in ledger {
            self.note(deed, outcome);
            let done = self.is_done(&facts, deed, outcome).await;
            added += usize::from(done && deed.kind() == Kind::AddUser);
            match outcome {
                Outcome::Acknowledged(_) => assert!(done, "lost: {deed:?}"),
                Outcome::Refused(said) => {
                    assert!(!done, "refused, and done: {deed:?}: {said}");
                    assert!(deed.kind().is_refused(), "{deed:?}: {said}");
                }
                Outcome::Unknown => {}
            }
        }
        // Nothing tells of what is not there.
        let told = |act| {
            let done = move |entry: &&Entry| entry.act == act && entry.refusal.is_none();
            facts.audit.iter().filter(done)
        };
        assert_eq!(told(Act::UserAdd).count(), added);
        for entry in told(Act::PasswordRemind) {
            let has_mail = facts.mails.iter().any(|report| report.mail.id == entry.id);
            assert!(has_mail, "{entry:?}");
        }
        self.reconcile_tokens().await;
    }

    /// The tokens of this round's client are those that were issued and not revoked.
    async fn reconcile_tokens(&self) {
        let id = &self.keys.client.id;
        let audited = |act: &str| {
            format!(
                "SELECT COUNT(*) AS n FROM audit WHERE client_id = '{id}' AND act = '{act}' AND refusal IS NULL"
            )
        };
        let live = format!(
            "SELECT COUNT(*) AS n FROM access_tokens WHERE client_id = '{id}' AND subject IS NULL"
        );
        let issued = self.site.count(audited("token.issue")).await;
        let revoked = self.site.count(audited("token.revoke")).await;
        assert_eq!(self.site.count(live).await, issued - revoked);
    }

    async fn is_done(&mut self, facts: &Facts, deed: &Deed, outcome: &Outcome) -> bool {
        let answer = match outcome {
            Outcome::Acknowledged(answer) => Some(answer),
            _ => None,
        };
        match deed {
            Deed::Remind { email } => {
                let is = |kind: &MailKind| matches!(kind, MailKind::Reset { address_key } if address_key == email);
                let mail = facts.mails.iter().find(|report| is(&report.mail.kind));
                let id = mail.map(|report| report.mail.id);
                let audited = facts.audited(Act::PasswordRemind, |entry| Some(entry.id) == id);
                whole(deed, &[("mail", facts.mailed(is)), ("audit", audited)])
            }
            Deed::Reset { email, link } => {
                let checked = self.ask("POST", CHECK, &self.keys.app, json!({"token": link}));
                let spent = match checked.await.said().as_str() {
                    "400 wrong_token" => true,
                    "200 token_valid" => false,
                    other => panic!("{other}"),
                };
                let password = self.password(facts, email, Act::PasswordReset).await;
                whole(deed, &[&password[..], &[("link", spent)]].concat())
            }
            Deed::Change { email, session } => {
                let ended = !self.speaks(session).await;
                if ended {
                    self.dead.push(session.clone());
                }
                let password = self.password(facts, email, Act::PasswordChange).await;
                whole(deed, &[&password[..], &[("session", ended)]].concat())
            }
            Deed::Guess { email } => {
                let password = self.password(facts, email, Act::PasswordChange).await;
                whole(deed, &password)
            }
            Deed::AdminSet { email, .. } => {
                let must_change = self.site.stored(email).await.unwrap().password_must_change;
                let password = self.password(facts, email, Act::PasswordSet).await;
                whole(deed, &[&password[..], &[("flag", must_change)]].concat())
            }
            Deed::AddUser { email } => {
                let id = self.site.stored(email).await.map(|user| user.id);
                if let Some(answer) = answer {
                    let told = answer["user"]["id"].as_str().map(ToOwned::to_owned);
                    assert_eq!(told, id.map(|id| id.to_string()));
                }
                let audited = id.is_some_and(|id| facts.audited_user(Act::UserAdd, id));
                whole(deed, &[("user", id.is_some()), ("audit", audited)])
            }
            Deed::AddTaken { email, id } => {
                self.site.stored(email).await.map(|user| user.id) != Some(*id)
            }
            Deed::MoveUser { email, id, to } => {
                let (old, new) = (self.site.stored(email).await, self.site.stored(to).await);
                let told = |kind: &MailKind| matches!(kind, MailKind::EmailChanged { user_id, recipient } if user_id == id && recipient.to_text() == *email);
                whole(
                    deed,
                    &[
                        ("address", new.is_some_and(|user| user.id == *id)),
                        ("old address", old.is_none()),
                        ("notice", facts.mailed(told)),
                        ("audit", facts.audited_user(Act::UserChange, *id)),
                    ],
                )
            }
            Deed::DeleteUser { email, id } => {
                let gone = self.site.stored(email).await.is_none();
                let audited = facts.audited_user(Act::UserDelete, *id);
                whole(deed, &[("user", gone), ("audit", audited)])
            }
            Deed::Register { name } => {
                let found = facts.clients.iter().find(|c| c.name.as_str() == name);
                let id = found.map(|client| client.id.as_str());
                self.assert_secret_works(answer).await;
                whole(
                    deed,
                    &[
                        ("client", found.is_some()),
                        ("secret", self.has_secret(id).await),
                        (
                            "audit",
                            id.is_some_and(|id| facts.audited_client(Act::ClientAdd, id)),
                        ),
                    ],
                )
            }
            Deed::Rotate { id } => {
                let client = facts.clients.iter().find(|c| c.id.as_str() == id).unwrap();
                self.assert_secret_works(answer).await;
                whole(
                    deed,
                    &[
                        ("method", !client.signs()),
                        ("secret", self.has_secret(Some(id)).await),
                        ("audit", facts.audited_client(Act::ClientChange, id)),
                    ],
                )
            }
            Deed::Unregister { id } => {
                let gone = facts.clients.iter().all(|c| c.id.as_str() != id);
                let secrets = self.has_secret(Some(id)).await;
                let audited = facts.audited_client(Act::ClientDelete, id);
                whole(
                    deed,
                    &[("client", gone), ("secret", !secrets), ("audit", audited)],
                )
            }
            Deed::Issue => match answer {
                Some(answer) => self.works(answer["access_token"].as_str().unwrap()).await,
                None => false, // counted with the others
            },
            Deed::Revoke { token } => {
                let ended = !self.works(token).await;
                if ended {
                    self.dead.push(token.clone());
                }
                ended
            }
        }
    }

    /// The parts of a new password: itself, the notice, and the entry in the audit.
    async fn password(
        &mut self,
        facts: &Facts,
        email: &str,
        act: Act,
    ) -> [(&'static str, bool); 3] {
        let user = self.site.stored(email).await.unwrap();
        let hash = user.password_hash.map(|hash| hash.as_str().to_owned());
        self.settled.push((email.to_owned(), hash));
        let new = self.site.password_is(email, NEW).await;
        assert!(
            new || self.site.password_is(email, OLD_PASSWORD).await,
            "{email} has neither the old password nor the new one"
        );
        let told = |kind: &MailKind| matches!(kind, MailKind::PasswordChanged { user_id, .. } if *user_id == user.id);
        [
            ("password", new),
            ("notice", facts.mailed(told)),
            ("audit", facts.audited_user(act, user.id)),
        ]
    }

    async fn has_secret(&self, id: Option<&str>) -> bool {
        let Some(id) = id else { return false };
        let query = format!("SELECT COUNT(*) AS n FROM client_secrets WHERE client_id = '{id}'");
        once(usize::try_from(self.site.count(query).await).unwrap())
    }

    /// The secret that an answer has.
    async fn assert_secret_works(&self, answer: Option<&Value>) {
        if let Some(answer) = answer {
            self.service.as_ref().unwrap().token(answer).await;
        }
    }
}
