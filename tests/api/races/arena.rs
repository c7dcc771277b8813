//! Where the races are run: two real programs on one database, of which a race uses one, or both.

use std::collections::BTreeMap;

use serde_json::json;

use super::together::{Call, together};
use crate::accounts::{ADMIN, FULL_APP};
use crate::helpers::{Backend, PATIENCE, Reply, Service, rounds};
use crate::recovery::REMIND;
use crate::register::ADMIN as REGISTRAR;
use crate::site::{Account, Site};

/// How many callers there are in a race.
pub(super) const CALLERS: usize = 6;

pub(super) struct Arena {
    pub(super) site: Site,
    services: [Service; 2],
    /// Tokens of an app, an administrator's script, and one that registers clients.
    pub(super) app: String,
    pub(super) admin: String,
    pub(super) registrar: String,
}

/// One race: where, on which nodes, and a number that no other race of the test has.
pub(super) struct Race<'a> {
    pub(super) arena: &'a Arena,
    nodes: Vec<String>,
    pub(super) number: usize,
}

/// Runs a race several times: on one node, and on two.
pub(super) async fn races(backend: Backend, race: impl AsyncFn(Race<'_>)) {
    let mut site = Site::start(backend).await;
    site.program.set("UNFORGET_RESET__COOLDOWN", "0s");
    let services = [site.program.serve().await, site.program.serve().await];
    let arena = Arena {
        app: site.token(&services[0], FULL_APP).await,
        admin: site.token(&services[0], ADMIN).await,
        registrar: site.token(&services[0], REGISTRAR).await,
        site,
        services,
    };
    for number in 0..2 * rounds(2) {
        let nodes = &arena.services[..1 + number % 2];
        let nodes = nodes.iter().map(|service| service.base.clone());
        race(Race {
            arena: &arena,
            nodes: nodes.collect(),
            number,
        })
        .await;
    }
    arena.site.assert_sound();
}

impl Race<'_> {
    /// A user of this race alone.
    pub(super) async fn account(&self) -> Account {
        let prefix = format!("runner{}.", self.number);
        self.arena.site.accounts(&prefix, 1).await.remove(0)
    }

    /// Releases all calls together.
    pub(super) async fn run(&self, calls: &[Call]) -> Vec<Reply> {
        together(&self.nodes, calls).await
    }

    /// Releases all calls together: one must be answered by `won`, and the others as often as it says by what else there is. Says
    /// which of the calls has won, and what it was told.
    pub(super) async fn one_wins(
        &self,
        calls: &[Call],
        won: &str,
        lost: &[(&str, usize)],
    ) -> (usize, Reply) {
        let replies = self.run(calls).await;
        let mut said = BTreeMap::new();
        for reply in &replies {
            *said.entry(reply.said()).or_insert(0) += 1;
        }
        let lost = lost
            .iter()
            .map(|(said, count)| ((*said).to_owned(), *count));
        let expected: BTreeMap<_, _> = lost.chain([(won.to_owned(), 1)]).collect();
        let nodes = self.nodes.len();
        assert_eq!(said, expected, "race {} on {nodes} nodes", self.number);
        let mut replies = replies.into_iter().enumerate();
        replies.find(|(_, reply)| reply.said() == won).unwrap()
    }

    /// A link, from the mailbox.
    pub(super) async fn link(&self, email: &str) -> String {
        let site = &self.arena.site;
        site.quiet().await;
        let before = site.sink.received().len();
        let body = json!({"email": email});
        let reply = self.arena.services[0].post(REMIND, &self.arena.app, body);
        assert_eq!(reply.await.said(), "200 reminder_sent");
        let mails = site.sink.wait_for(before + 1, PATIENCE).await;
        assert_eq!(mails[before].to, [email]);
        mails[before].parse().token()
    }

    /// How many mails an address has got in all, once none waits.
    pub(super) async fn mails_to(&self, email: &str) -> usize {
        self.arena.site.quiet().await;
        let mails = self.arena.site.sink.received().into_iter();
        mails.filter(|mail| mail.to == [email]).count()
    }

    /// How often the audit tells of this having been done to the user.
    pub(super) async fn audited(&self, act: &str, account: &Account) -> usize {
        let all = self.arena.site.audit(unforget::domain::Instant::default());
        let done = |entry: &&unforget::domain::audit::Entry| {
            entry.act.name() == act
                && entry.refusal.is_none()
                && entry.subject_user == Some(account.id)
        };
        all.await.iter().filter(done).count()
    }
}
