//! What deeds are done to: users, links from the mailbox, clients and tokens, each for one deed alone.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::json;
use unforget::domain::audit::Origin;
use unforget::domain::{EmailAddress, Password};
use unforget::flows::Actor;

use super::deed::{Deed, Kind};
use super::rig::Rig;
use crate::helpers::{OLD_PASSWORD, PATIENCE};
use crate::keys::Key;
use crate::recovery::REMIND;
use crate::register::PATH as REGISTER;
use crate::site::Account;

impl Rig {
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
}
