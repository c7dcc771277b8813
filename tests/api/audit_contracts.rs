//! The audit of the contracts of others and of the page: the same entries as by our own words.

use serde_json::json;
use unforget::flows::By;

use crate::accounts::{ANN, FULL_APP, NEW, NOBODY, WRONG};
use crate::audit::{EVERYTHING, Watch, watched};
use crate::both;
use crate::contracts::garbage;
use crate::helpers::{Backend, OLD_PASSWORD, PATIENCE, Reply, TestApp};

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
            let client = app.client(FULL_APP).await;
            app.user(ANN).await;
            assert!(app.flows.disable_client(By::Operator, client.client_id(), !enabled).await.unwrap());
            app.settings.page_client = Some(client.client_id());
            let (running, base) = app.second();
            let mut watch = Watch::new(&app).await;
            watch.name(&client.id, "page");
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
}
