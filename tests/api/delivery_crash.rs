//! A crash delays a mail and never loses it; it can double it, but never make a copy that does not work (E10).

use std::time::Duration;

use serde_json::json;
use unforget::domain::mail::MailState;

use crate::both;
use crate::helpers::{APP, Backend, Database, PATIENCE, Program, TestApp};
use crate::smtp::{Behaviour, Received, SmtpSink, Stage};

const ANN: &str = "ann@example.com";

fn message_id(mail: &Received) -> String {
    mail.parse().header("Message-ID").unwrap()
}

/// A program on this database that sends to this sink.
fn program(database: &Database, sink: &SmtpSink) -> Program {
    Program::new(&[
        ("DATABASE_URL", &database.url()),
        ("UNFORGET_MAIL__URL", &sink.url()),
        (
            "UNFORGET_MAIL__FROM",
            "Unforget <no-reply@unforget.example>",
        ),
        ("UNFORGET_MAIL__TIMEOUT", "3s"),
    ])
}

async fn until(condition: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "it never happens");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

both! {
    async fn e10_a_mail_that_was_accepted_survives_kill_9(backend: Backend) {
        let (database, sink) = (Database::create(backend), SmtpSink::start().await);
        let program = program(&database, &sink);
        let client = program.json(&["client", "add", "Quotes", "--scope", APP]);
        program.json(&["user", "add", ANN]);
        sink.stop();
        let mut service = program.serve().await;
        let token = service.token(&client).await;
        let reply = service.post("/v1/password/remind", &token, json!({"email": ANN})).await;
        assert_eq!(reply.said(), "200 reminder_sent");
        // Within an attempt it would have a lease, which the next test waits for.
        until(|| !program.json(&["mail", "list"])[0]["failure"].is_null()).await;
        service.kill();
        sink.resume().await;
        let service = program.serve().await;
        let mail = sink.wait_for(1, PATIENCE).await.remove(0);
        let body = json!({"token": mail.parse().token()});
        let checked = service.post("/v1/password/check", &token, body).await;
        assert_eq!(checked.said(), "200 token_valid");
        let report = program.json(&["mail", "list"])[0].clone();
        assert_eq!(message_id(&mail), format!("<{}@unforget.example>", report["id"].as_str().unwrap()));
    }

    async fn e10_kill_9_before_the_answer_to_data_makes_one_more_copy_and_both_work(backend: Backend) {
        let (database, sink) = (Database::create(backend), SmtpSink::start().await);
        let program = program(&database, &sink);
        let client = program.json(&["client", "add", "Quotes", "--scope", APP]);
        program.json(&["user", "add", ANN]);
        sink.behave(Behaviour::stall(Stage::Dot).first(1));
        let mut service = program.serve().await;
        let token = service.token(&client).await;
        service.post("/v1/password/remind", &token, json!({"email": ANN})).await;
        until(|| sink.offered().len() == 1).await;
        service.kill();
        let service = program.serve().await;
        sink.wait_for(1, 2 * PATIENCE).await; // the dead process's lease has to end
        let copies = sink.offered();
        assert_eq!(copies.len(), 2);
        assert_eq!(message_id(&copies[0]), message_id(&copies[1]));
        let tokens: Vec<_> = copies.iter().map(|mail| mail.parse().token()).collect();
        assert_ne!(tokens[0], tokens[1]);
        for copy in &tokens {
            let checked = service.post("/v1/password/check", &token, json!({"token": copy})).await;
            assert_eq!(checked.said(), "200 token_valid");
        }
        for (copy, said) in tokens.iter().zip(["200 password_reset", "400 wrong_token"]) {
            let body = json!({"email": ANN, "token": copy, "password": "a new secret"});
            assert_eq!(service.post("/v1/password/reset", &token, body).await.said(), said);
        }
        sink.wait_for(2, PATIENCE).await; // the notice
        assert_eq!(sink.offered().len(), 3);
    }

    async fn e10_a_worker_that_lost_its_lease_changes_nothing_any_more(backend: Backend) {
        let mut app = TestApp::start(backend).await;
        app.user(ANN).await;
        let token = app.token(APP).await;
        app.sink.behave(Behaviour::stall(Stage::Dot).first(1));
        app.remind(&token, ANN).await;
        until(|| app.sink.offered().len() == 1).await;
        app.advance(18); // the lease lasts 2 + 15 s, so that another worker may have the mail now
        app.mails(1).await;
        app.quiet().await;
        // Now the first attempt runs out of time, and would queue the mail again.
        app.stop().await;
        let report = app.flows.list_mails(None, 10).await.unwrap().remove(0);
        assert_eq!((report.state.as_str(), report.failure, report.mail.attempts), ("sent", None, 2));
    }

    async fn e10_a_stop_lets_the_running_attempt_finish(backend: Backend) {
        let mut app = TestApp::start(backend).await;
        app.user(ANN).await;
        let token = app.token(APP).await;
        app.sink.behave(Behaviour { delay: Duration::from_millis(50), ..Behaviour::default() });
        app.remind(&token, ANN).await;
        until(|| app.sink.connections() == 1).await;
        app.stop().await;
        assert_eq!(app.sink.received().len(), 1);
        assert_eq!(app.flows.list_mails(Some(MailState::Sent), 10).await.unwrap().len(), 1);
    }
}
