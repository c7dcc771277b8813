//! The audit: each act, done or refused, is one entry that says who, what, to whom, and from where (ASVS 16.2.1), whichever way it
//! came in.

use serde_json::json;
use unforget::domain::audit::{Act, Entry};
use unforget::flows::By;
use unforget::flows::import::{Format, ImportOptions};
use unforget::storage::audit::{Filter, Order, Range, page};
use uuid::Uuid;

use crate::accounts::{ADMIN, ANN, BOB, FULL_APP, NEW, NOBODY, USERS, WRONG, password_of, path_of};
use crate::both;
use crate::contracts::garbage;
use crate::helpers::{Backend, OLD_PASSWORD, PATIENCE, Reply, TestApp};
use crate::recovery::user_ref;

const EVERYTHING: &str = "password:remind password:reset password:change password:verify sessions:create users:write users:resetPassword";

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

    fn short(&self, entry: &Entry) -> String {
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
    async fn saw_operator(&mut self, expected: &[&str]) {
        let new = self.new_entries().await;
        let shorts: Vec<_> = new.iter().map(|entry| self.short(entry)).collect();
        assert_eq!(shorts, expected);
        assert!(
            new.iter()
                .all(|entry| entry.client_id.is_none() && entry.origin == Default::default())
        );
    }
}

async fn watched<'a>(app: &'a TestApp, scopes: &str) -> (Watch<'a>, String, Uuid) {
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

/// The link in the first mail after so many that has one: notices of what was done before may come late.
async fn mailed_since(app: &TestApp, sent: usize) -> String {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let new = app.sink.received().split_off(sent);
        if let Some(mail) = new.iter().find(|mail| mail.parse().text.contains("token=")) {
            return mail.parse().token();
        }
        assert!(tokio::time::Instant::now() < deadline, "no link");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
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

    async fn what_an_administrator_does_over_http_leaves_its_entries(backend: Backend) {
        let app = TestApp::start(backend).await;
        let (mut watch, token, ann) = watched(&app, ADMIN).await;
        let nobody = Uuid::from_u128(7);
        for (id, password, entry) in [
            (ann, "tiny", "password.set wrong_password by app to ann"),
            (nobody, "tiny", "password.set wrong_password by app"),
            (nobody, NEW, "password.set wrong_user by app"),
            (ann, NEW, "password.set done by app to ann"),
        ] {
            watch.saw(&app.admin_set(&token, id, password).await, &[entry]).await;
        }
        let odd = app.send("PUT", &password_of(ann).replace(&ann.to_string(), "odd"), &token, json!({"password": NEW})).await;
        watch.saw(&odd, &["password.set wrong_user by app"]).await;

        for (email, password, entry) in [
            (ANN, NEW, "user.add user_exists by app"),
            (BOB, "tiny", "user.add wrong_password by app"),
            (BOB, "a nul \0 inside", "user.add wrong_password by app"),
        ] {
            watch.saw(&app.post(USERS, &token, json!({"email": email, "password": password})).await, &[entry]).await;
        }
        let bob = app.post(USERS, &token, json!({"email": BOB})).await;
        let id: Uuid = bob.json()["user"]["id"].as_str().unwrap().parse().unwrap();
        watch.name(id, "bob");
        watch.saw(&bob, &["user.add done by app to bob"]).await;

        for (id, change, entries) in [
            (id, json!({"locale": "fr"}), vec!["user.change done by app to bob"]),
            (id, json!({}), vec!["user.change done by app to bob"]),
            (id, json!({"email": ANN}), vec!["user.change user_exists by app to bob"]),
            (id, json!({"disabled": true}), vec!["user.disable done by app to bob"]),
            (id, json!({"disabled": false}), vec!["user.enable done by app to bob"]),
            (id, json!({"disabled": true, "locale": null}), vec!["user.change done by app to bob", "user.disable done by app to bob"]),
            (id, json!({"disabled": false, "email": ANN}), vec!["user.change user_exists by app to bob"]),
            (nobody, json!({"locale": "fr"}), vec!["user.change wrong_user by app"]),
        ] {
            watch.saw(&app.patch(&token, id, change).await, &entries).await;
        }
        watch.saw(&app.send("PATCH", "/v1/users/odd", &token, json!({"disabled": true})).await, &["user.disable wrong_user by app"]).await;
        watch.saw(&app.bare("DELETE", &path_of(id), &token).await, &["user.delete done by app to bob"]).await;
        for path in [path_of(id), "/v1/users/odd".to_owned()] {
            watch.saw(&app.bare("DELETE", &path, &token).await, &["user.delete wrong_user by app"]).await;
        }
        // Reading is no act.
        watch.saw(&app.bare("GET", &path_of(ann), &token).await, &[]).await;
    }

    async fn the_other_contracts_and_the_page_leave_the_same_entries(backend: Backend) {
        let app = TestApp::start_with(backend, |settings| {
            settings.recovery.cooldown = chrono::TimeDelta::zero();
            settings.recovery.per_hour = 100;
        })
        .await;
        let (mut watch, token, ann) = watched(&app, EVERYTHING).await;
        let reply = app.post("/auth/reset/password-email", &token, json!({"email": ANN})).await;
        watch.saw(&reply, &["password.remind done by app"]).await;
        let link = app.mails(1).await[0].parse().token();
        watch.saw(&app.bare("GET", &format!("/auth/reset/validate?token={link}"), &token).await, &[]).await;
        for dead in [garbage().as_str(), "x"] {
            let reply = app.bare("GET", &format!("/auth/reset/validate?token={dead}"), &token).await;
            watch.saw(&reply, &["password.check wrong_token by app"]).await;
            let reply = app.post("/auth/reset/password", &token, json!({"token": dead, "password": NEW})).await;
            watch.saw(&reply, &["password.reset wrong_token by app"]).await;
        }
        watch.saw(&app.post("/auth/reset/validate-password", &token, json!({"password": "tiny"})).await, &[]).await;
        let reply = app.post("/auth/reset/password", &token, json!({"token": link, "password": NEW})).await;
        watch.saw(&reply, &["password.reset done by app to ann"]).await;

        let path = format!("/v1/users/{ann}/reset-password");
        watch.saw(&app.post(&path, &token, json!({"new_password": NEW})).await, &["password.set done by app to ann"]).await;
        watch.saw(&app.post(&path, &token, json!({"new_password": "tiny"})).await, &["password.set wrong_password by app to ann"]).await;

        let own = app.user_token(&token, ANN, NEW).await;
        watch.new_entries().await;
        let swift = |old: &str, new: &str| json!({"oldPassword": old, "newPassword": new, "confirmPassword": new});
        let path = "/api/v1/users/reset-password";
        watch.saw(&app.send("PUT", path, &own, swift(WRONG, NEW)).await, &["password.change wrong_credentials by app to ann"]).await;
        watch.saw(&app.send("PUT", path, &own, swift(NEW, OLD_PASSWORD)).await, &["password.change done by app to ann"]).await;

        let path = "/api/v1/users/password";
        let sent = app.sink.received().len();
        let reply = app.post(path, &token, json!({"user": {"email": ANN}})).await;
        watch.saw(&reply, &["password.remind done by app"]).await;
        let link = mailed_since(&app, sent).await;
        let body = |link: &str| json!({"user": {"reset_password_token": link, "password": NEW, "password_confirmation": NEW}});
        watch.saw(&app.send("PUT", path, &token, body("x")).await, &["password.reset wrong_token by app"]).await;
        let reply = app.send("PUT", path, &token, body(&link)).await;
        watch.saw(&reply, &["password.reset done by app to ann", "session.create done by app to ann"]).await;

        // The page: by the client whose mail carried the link; a stranger without one.
        let sent = app.sink.received().len();
        app.remind(&token, ANN).await;
        let link = mailed_since(&app, sent).await;
        watch.new_entries().await;
        watch.saw(&app.page_post("/reset/check", json!({"token": link})).await, &[]).await;
        for dead in [garbage().as_str(), "x"] {
            watch.saw(&app.page_post("/reset/check", json!({"token": dead})).await, &["password.check wrong_token"]).await;
            let reply = app.page_post("/reset", json!({"token": dead, "password": NEW})).await;
            watch.saw(&reply, &["password.reset wrong_token"]).await;
        }
        let reply = app.page_post("/reset", json!({"token": link, "password": "tiny"})).await;
        watch.saw(&reply, &["password.reset wrong_password by app"]).await;
        let reply = app.page_post("/reset", json!({"token": link, "password": NEW})).await;
        watch.saw(&reply, &["password.reset done by app to ann"]).await;
    }

    async fn a_visitor_of_the_page_leaves_one_entry_whoever_has_the_address(backend: Backend) {
        for enabled in [true, false] {
            let mut app = TestApp::start(backend).await;
            let (mut watch, client) = (Watch::new(&app).await, app.client(FULL_APP).await);
            watch.name(&client.id, "page");
            let names = watch.names;
            app.user(ANN).await;
            assert!(app.flows.disable_client(By::Operator, client.client_id(), !enabled).await.unwrap());
            app.settings.page_client = Some(client.client_id());
            let (running, base) = app.second();
            let mut watch = Watch { names, ..Watch::new(&app).await };
            for email in [ANN, NOBODY] {
                let request = reqwest::Client::new().post(format!("{base}/forgot")).json(&json!({"email": email}));
                let reply = Reply::of(request.send().await.unwrap()).await;
                assert_eq!(reply.status, 200);
                let expected = if enabled { "password.remind done by page" } else { "password.remind wrong_client" };
                watch.saw(&reply, &[expected]).await;
            }
            running.stop().await;
        }
    }

    async fn an_operators_acts_leave_entries_without_a_client(backend: Backend) {
        let app = TestApp::start(backend).await;
        let (mut watch, _, ann) = watched(&app, FULL_APP).await;
        let bob = app.user(BOB).await;
        watch.name(bob, "bob");
        watch.saw_operator(&["user.add done to bob"]).await;
        for (disabled, entry) in [(true, "user.disable done to bob"), (false, "user.enable done to bob")] {
            assert!(app.flows.disable_user(By::Operator, user_ref(BOB), disabled).await.unwrap());
            watch.saw_operator(&[entry]).await;
        }
        assert!(app.flows.delete_user(By::Operator, user_ref(BOB)).await.unwrap());
        watch.saw_operator(&["user.delete done to bob"]).await;
        assert!(!app.flows.delete_user(By::Operator, user_ref(BOB)).await.unwrap());
        watch.saw_operator(&["user.delete wrong_user"]).await;
        assert!(!app.flows.disable_user(By::Operator, user_ref(BOB), true).await.unwrap());
        watch.saw_operator(&["user.disable wrong_user"]).await;

        let cat = Uuid::from_u128(3);
        watch.name(cat, "cat");
        let file = format!(
            "{{\"email\": \"cat@example.com\", \"id\": \"{cat}\"}}\n{{\"email\": \"{ANN}\", \"locale\": \"fr\"}}\n{{\"email\": \"odd\"}}\n"
        );
        let update = ImportOptions { update: true, ..ImportOptions::default() };
        for (options, entries) in [
            (ImportOptions { dry_run: true, ..update }, vec![]),
            (update, vec!["user.import done to ann", "user.import done to cat"]),
            (update, vec![]), // the same again changes nothing
        ] {
            app.flows.import_users(file.as_bytes(), Format::Jsonl, options, |_| {}).await.unwrap();
            let mut new: Vec<_> = watch.new_entries().await.iter().map(|entry| watch.short(entry)).collect();
            new.sort();
            assert_eq!(new, entries);
        }
        assert!(app.audit().await.iter().filter(|entry| entry.act == Act::UserImport).all(|entry| entry.at <= app.clock.now()));
        assert_ne!(ann, cat);
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
