//! The audit: each act, done or refused, is one entry that says who, what, to whom, and from where (ASVS 16.2.1), whichever way it
//! came in.

use serde_json::json;
use unforget::domain::audit::Entry;
use unforget::flows::By;
use unforget::storage::audit::{Filter, Order, Range, page};
use uuid::Uuid;

use crate::accounts::{ANN, BOB, FULL_APP, NEW, NOBODY, USERS, WRONG};
use crate::both;
use crate::contracts::garbage;
use crate::helpers::{Backend, OLD_PASSWORD, Reply, TestApp};
use crate::recovery::user_ref;

pub(crate) const EVERYTHING: &str = "password:remind password:reset password:change password:verify sessions:create users:write users:resetPassword";

impl TestApp {
    /// Every entry, oldest first.
    pub(crate) async fn audit(&self) -> Vec<Entry> {
        let all = Range {
            after: Uuid::nil(),
            before: Uuid::max(),
        };
        let read = move |c: &mut _| page(c, all, &Filter::default(), Order::OldestFirst);
        let page = self.flows.storage.read(read).await.unwrap();
        assert_eq!(
            page.rest, None,
            "a test with that many entries reads them otherwise"
        );
        page.entries
    }
}

/// What was written since the last look, in short: act, outcome, `by` whom, `to` whom.
pub(crate) struct Watch<'a> {
    app: &'a TestApp,
    names: Vec<(String, &'static str)>,
    seen: Vec<Uuid>,
}

impl<'a> Watch<'a> {
    pub(crate) async fn new(app: &'a TestApp) -> Self {
        let seen = app
            .audit()
            .await
            .into_iter()
            .map(|entry| entry.id)
            .collect();
        Self {
            app,
            names: Vec::new(),
            seen,
        }
    }

    pub(crate) fn name(&mut self, id: impl ToString, name: &'static str) {
        self.names.push((id.to_string(), name));
    }

    pub(crate) async fn new_entries(&mut self) -> Vec<Entry> {
        let mut new = self.app.audit().await;
        new.retain(|entry| !self.seen.contains(&entry.id));
        // Within a millisecond ids have no order.
        new.sort_by_key(|entry| entry.act.name());
        self.seen.extend(new.iter().map(|entry| entry.id));
        new
    }

    pub(crate) fn short(&self, entry: &Entry) -> String {
        let name = |id: &str| {
            self.names
                .iter()
                .find(|(known, _)| known == id)
                .map_or("?", |(_, name)| *name)
        };
        let mut short = format!(
            "{} {}",
            entry.act,
            entry.refusal.as_deref().unwrap_or("done")
        );
        for (word, id) in [
            ("by", entry.client_id.as_ref().map(ToString::to_string)),
            ("to", entry.subject_user.map(|id| id.to_string())),
            (
                "to client",
                entry.subject_client.as_ref().map(ToString::to_string),
            ),
        ] {
            if let Some(id) = id {
                short = format!("{short} {word} {}", name(&id));
            }
        }
        short
    }

    /// The call that was answered so left just these entries, which name it and where it came from.
    pub(crate) async fn saw(&mut self, reply: &Reply, expected: &[&str]) {
        let new = self.new_entries().await;
        let shorts: Vec<_> = new.iter().map(|entry| self.short(entry)).collect();
        assert_eq!(shorts, expected, "{reply:?}");
        let now = self.app.clock.now();
        for entry in new {
            assert_eq!(
                entry.origin.request_id.as_deref(),
                Some(reply.header("x-request-id"))
            );
            assert_eq!(entry.origin.address.as_deref(), Some("127.0.0.0/24"));
            assert!(
                entry.at <= now && (now - entry.at).num_seconds() < 60,
                "{entry:?}"
            );
        }
    }

    /// What the command line did, or the test in its place.
    pub(crate) async fn saw_operator(&mut self, expected: &[&str]) {
        let new = self.new_entries().await;
        let shorts: Vec<_> = new.iter().map(|entry| self.short(entry)).collect();
        assert_eq!(shorts, expected);
        assert!(
            new.iter()
                .all(|entry| entry.client_id.is_none() && entry.origin == Default::default())
        );
    }
}

/// An app with a token, a user, and what they do from now on.
pub(crate) async fn watched<'a>(app: &'a TestApp, scopes: &str) -> (Watch<'a>, String, Uuid) {
    let client = app
        .client_with(scopes, |new| {
            new.token_lifetime = Some(chrono::TimeDelta::days(9))
        })
        .await;
    let (token, ann) = (app.token_of(&client).await, app.user(ANN).await);
    let mut watch = Watch::new(app).await;
    watch.name(&client.id, "app");
    watch.name(ann, "ann");
    (watch, token, ann)
}

both! {
    async fn every_step_of_a_recovery_leaves_its_entry(backend: Backend) {
        let app = TestApp::start_with(backend, |settings| settings.recovery.per_hour = 2).await;
        let (mut watch, token, _) = watched(&app, FULL_APP).await;
        app.user_without_password(BOB).await;
        watch.new_entries().await;

        // Known or unknown: the same.
        for email in [ANN, NOBODY] {
            let reply = app.remind(&token, email).await;
            let accepted = app.audit().await.pop().unwrap();
            watch.saw(&reply, &["password.remind done by app"]).await;
            if email == ANN {
                let message_id = app.mails(1).await[0].parse().header("Message-ID").unwrap();
                assert!(message_id.contains(&accepted.id.to_string()), "{message_id} {accepted:?}");
            }
            watch.saw(&app.remind(&token, email).await, &["password.remind cool_down by app"]).await;
            app.later(61).await;
            watch.saw(&app.remind(&token, email).await, &["password.remind done by app"]).await;
            app.later(61).await;
            let reply = app.remind(&token, email).await;
            assert_eq!(reply.status, 429);
            watch.saw(&reply, &["password.remind throttled by app"]).await;
        }
        let link = app.mails(2).await[1].parse().token();

        watch.saw(&app.check(&token, &link).await, &[]).await;
        for dead in [garbage().as_str(), "no token at all"] {
            watch.saw(&app.check(&token, dead).await, &["password.check wrong_token by app"]).await;
        }
        for (email, link, password, refusal) in [
            (ANN, link.as_str(), "tiny", "wrong_password"),
            (ANN, &link, "a nul \0 inside", "wrong_password"),
            (BOB, &link, NEW, "wrong_token"),
            (NOBODY, &link, NEW, "wrong_token"),
            (ANN, &garbage(), NEW, "wrong_token"),
            (ANN, "no token at all", NEW, "wrong_token"),
        ] {
            let reply = app.reset(&token, email, link, password).await;
            watch.saw(&reply, &[&format!("password.reset {refusal} by app")]).await;
        }
        watch.saw(&app.reset(&token, ANN, &link, NEW).await, &["password.reset done by app to ann"]).await;
        watch.saw(&app.reset(&token, ANN, &link, NEW).await, &["password.reset wrong_token by app"]).await;
    }

    async fn a_client_that_may_know_is_refused_in_the_audit_too(backend: Backend) {
        let app = TestApp::start(backend).await;
        let (mut watch, token, _) = watched(&app, "password:remind password:reset users:disclose").await;
        watch.saw(&app.remind(&token, NOBODY).await, &["password.remind wrong_user by app"]).await;
        let reply = app.reset(&token, NOBODY, &garbage(), NEW).await;
        watch.saw(&reply, &["password.reset wrong_user by app"]).await;
    }

    async fn passwords_that_are_proved_or_not_leave_their_entries(backend: Backend) {
        let app = TestApp::start(backend).await;
        let (mut watch, token, _) = watched(&app, FULL_APP).await;
        let off = app.user("off@example.com").await;
        watch.name(off, "off");
        assert!(app.flows.disable_user(By::Operator, user_ref("off@example.com"), true).await.unwrap());
        watch.new_entries().await;
        let wrong = [
            (ANN, WRONG, " to ann"),
            ("off@example.com", OLD_PASSWORD, " to off"),
            (NOBODY, OLD_PASSWORD, ""),
            ("not an address", OLD_PASSWORD, ""),
            (ANN, "a nul \0 inside", ""),
        ];
        for (email, password, to) in wrong {
            let verified = app.verify(&token, email, password).await;
            watch.saw(&verified, &[&format!("password.verify wrong_credentials by app{to}")]).await;
            let session = app.session(&token, email, password).await;
            watch.saw(&session, &[&format!("session.create wrong_credentials by app{to}")]).await;
            let changed = app.change(&token, email, password, NEW).await;
            watch.saw(&changed, &[&format!("password.change wrong_credentials by app{to}")]).await;
        }
        watch.saw(&app.verify(&token, ANN, OLD_PASSWORD).await, &["password.verify done by app to ann"]).await;
        let session = app.session(&token, ANN, OLD_PASSWORD).await;
        watch.saw(&session, &["session.create done by app to ann"]).await;
        let own = session.json()["access_token"].as_str().unwrap().to_owned();
        watch.saw(&app.change_own(&own, OLD_PASSWORD, "tiny").await, &["password.change wrong_password by app to ann"]).await;
        watch.saw(&app.change_own(&own, WRONG, NEW).await, &["password.change wrong_credentials by app to ann"]).await;
        watch.saw(&app.change(&token, ANN, OLD_PASSWORD, "tiny").await, &["password.change wrong_password by app"]).await;
        watch.saw(&app.change_own(&own, OLD_PASSWORD, NEW).await, &["password.change done by app to ann"]).await;
        watch.saw(&app.change(&token, ANN, NEW, OLD_PASSWORD).await, &["password.change done by app to ann"]).await;
        for email in [ANN, NOBODY] {
            app.let_fail(email, 20).await;
            assert_eq!(app.verify(&token, email, WRONG).await.status, 400);
            watch.new_entries().await;
            let reply = app.verify(&token, email, OLD_PASSWORD).await;
            assert_eq!(reply.status, 429);
            watch.saw(&reply, &["password.verify throttled by app"]).await;
            watch.saw(&app.session(&token, email, WRONG).await, &["session.create throttled by app"]).await;
            watch.saw(&app.change(&token, email, WRONG, NEW).await, &["password.change throttled by app"]).await;
        }
    }

    async fn p14_the_audit_knows_no_secret_no_password_and_no_address_of_a_user(backend: Backend) {
        let app = TestApp::start(backend).await;
        let email = "canary.user@canary.example";
        let client = app.client(EVERYTHING).await;
        let token = app.token_of(&client).await;
        app.user(email).await;
        let link = app.mailed_token(&token, email).await;
        for password in ["canary-Pa55word", "tiny", WRONG, OLD_PASSWORD] {
            app.verify(&token, email, password).await;
            app.session(&token, email, password).await;
            app.verify(&token, "canary@elsewhere.example", password).await;
            app.remind(&token, &format!("{}@canary.example", password.replace(' ', "."))).await;
            app.check(&token, password).await;
            app.post(USERS, &token, json!({"email": "canary@new.example", "password": password, "profile": {"canary": "canary"}})).await;
        }
        app.reset(&token, email, &link, "canary-Pa55word").await;
        app.token_request(&client, &[("grant_type", "canary"), ("scope", "canary")]).await;
        let entries = app.audit().await;
        assert!(entries.len() > 20, "{}", entries.len());
        let text = format!("{entries:?}").to_lowercase();
        for canary in ["canary", "@", "tiny", OLD_PASSWORD, &client.secret, &token, &link, "uf_cs_", "uf_at_", "uf_rt_", "$2"] {
            assert!(!text.contains(&canary.to_lowercase()), "{canary}: {text}");
        }
    }
}
