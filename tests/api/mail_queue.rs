//! What an operator sees of the queue of mails, and what can be done about it (E09): `mail list` and `mail retry`.

use serde_json::{Value, json};
use unforget::flows::By;
use unforget::flows::mails::Retry;

use crate::both;
use crate::helpers::{APP, Backend, Database, PATIENCE, Program, TestApp};
use crate::smtp::{Behaviour, SmtpSink};

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";

/// The newest mail to this address, as soon as `done` likes it.
async fn mail_of(program: &Program, email: &str, done: impl Fn(&Value) -> bool) -> Value {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let mail = program.json(&["mail", "list", "--user", email])[0].clone();
        if done(&mail) {
            return mail;
        }
        assert!(tokio::time::Instant::now() < deadline, "still {mail}");
    }
}

fn ids(mails: &Value) -> Vec<&Value> {
    let mails = mails.as_array().unwrap().iter();
    mails.map(|mail| &mail["id"]).collect()
}

fn refusal(program: &Program, id: &str) -> String {
    let output = program.run(&["mail", "retry", id]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    stderr
}

both! {
    async fn d12_what_revoke_all_has_ended_cannot_be_tried_again(app: TestApp) {
        app.user(ANN).await;
        let token = app.token(APP).await;
        app.sink.behave(Behaviour::no_such_user());
        app.remind(&token, ANN).await;
        app.quiet().await;
        let mail = app.flows.list_mails(None, 1).await.unwrap().remove(0);
        assert_eq!(mail.state, "failed");
        app.flows.end_all_access(By::Operator).await.unwrap();
        let retried = app.flows.retry_mail(mail.mail.id).await.unwrap();
        assert!(matches!(retried, Retry::Skipped), "{retried:?}");
    }
}

both! {
    async fn e09_an_operator_sees_what_waits_and_what_failed_and_why_and_tries_again(backend: Backend) {
        let (database, sink) = (Database::create(backend), SmtpSink::start().await);
        let program = Program::new(&[("DATABASE_URL", &database.url()), ("UNFORGET_MAIL__URL", &sink.url())]);
        let client = program.json(&["client", "add", "Quotes", "--scope", APP]);
        let ann = program.json(&["user", "add", ANN]);
        program.json(&["user", "add", BOB]);
        let service = program.serve().await;
        let token = service.token(&client).await;
        let ask = |email: &'static str| service.post("/v1/password/remind", &token, json!({"email": email}));

        sink.behave(Behaviour::no_such_user());
        ask(ANN).await;
        let failed = mail_of(&program, ANN, |mail| mail["state"] == "failed").await;
        assert_eq!(failed["failure"], "the mail server answered 550 5.1.1 to RCPT");
        assert_eq!((&failed["attempts"], &failed["due_at"]), (&json!(1), &Value::Null));
        sink.behave(Behaviour::later());
        ask(BOB).await;
        let waits = mail_of(&program, BOB, |mail| !mail["failure"].is_null()).await;
        assert_eq!((&waits["state"], &waits["failure"]), (&json!("queued"), &json!("the mail server answered 451 4.7.1 to RCPT")));
        assert!(waits["due_at"].is_string() && waits["due_at"].as_str() > waits["created_at"].as_str(), "{waits}");
        ask("nobody@example.com").await;
        let skipped = mail_of(&program, "nobody@example.com", |mail| mail["state"] == "skipped").await;

        let list = |arguments: &[&str]| program.json(&[&["mail", "list"], arguments].concat());
        assert_eq!(ids(&list(&[])), [&skipped["id"], &waits["id"], &failed["id"]]);
        assert_eq!(ids(&list(&["--state", "failed"])), [&failed["id"]]);
        assert_eq!(ids(&list(&["--user", ann["id"].as_str().unwrap()])), [&failed["id"]]);
        assert_eq!(ids(&list(&["--user", "ANN@example.com", "--state", "failed"])), [&failed["id"]]);
        assert!(ids(&list(&["--user", ANN, "--state", "sent"])).is_empty());
        let table = String::from_utf8(program.run(&["mail", "list", "--user", ANN]).stdout).unwrap();
        assert!(table.contains("NEXT TRY") && table.contains("550 5.1.1") && !table.contains("451"), "{table}");
        assert!(!table.contains(ANN), "{table}");

        // One that has failed for good is tried again when the operator says so.
        sink.behave(Behaviour::default());
        let id = failed["id"].as_str().unwrap();
        assert_eq!(program.json(&["mail", "retry", id]), json!({"id": id, "status": "queued"}));
        let sent = mail_of(&program, ANN, |mail| mail["state"] == "sent").await;
        assert_eq!((&sent["failure"], &sent["due_at"], &sent["attempts"]), (&Value::Null, &Value::Null, &json!(2)));
        assert!(refusal(&program, id).contains("the mail server has taken it"));
        let skipped = refusal(&program, skipped["id"].as_str().unwrap());
        assert!(skipped.contains("nobody to send it to"), "{skipped}");
        let unknown = refusal(&program, "00000000-0000-7000-8000-000000000000");
        assert!(unknown.contains("there is no such mail"), "{unknown}");
    }

    async fn e09_a_mail_that_came_too_late_is_not_tried_again_whoever_asks(backend: Backend) {
        let app = TestApp::start(backend).await;
        app.user(ANN).await;
        app.user(BOB).await;
        let token = app.token(APP).await;
        app.sink.behave(Behaviour::no_such_user());
        for email in [ANN, BOB] {
            app.remind(&token, email).await;
        }
        app.later(61).await;
        let reports = app.flows.list_mails(None, 10).await.unwrap();
        let [bob, ann] = [0, 1].map(|index| reports[index].mail.id);
        assert!(reports.iter().all(|report| report.state == "failed"), "{reports:?}");

        // Ann asks once more, and uses that link: the one before must not come to life after it.
        app.sink.behave(Behaviour::default());
        let link = app.mailed_token(&token, ANN).await;
        assert_eq!(app.reset(&token, ANN, &link, "a new secret").await.said(), "200 password_reset");
        app.mails(2).await;
        let overtaken = app.flows.retry_mail(ann).await.unwrap();
        assert!(matches!(overtaken, Retry::Overtaken(_)), "{overtaken:?}");
        app.later(3600).await;
        let expired = app.flows.retry_mail(bob).await.unwrap();
        assert!(matches!(expired, Retry::Expired(_)), "{expired:?}");
        app.later(1200).await;
        assert_eq!(app.sink.received().len(), 2); // the second link and the notice
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e12_a_server_whose_greeting_never_ends_is_left_at_once() {
    use std::io::Write;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("smtp+plain://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = b"220-hello\r\n".repeat(1000);
            while stream.write_all(&lines).is_ok() {}
        }
    });
    let program = Program::new(&[
        ("UNFORGET_MAIL__URL", &url),
        ("UNFORGET_MAIL__TIMEOUT", "60s"),
    ]);
    let output = program.run(&["mail", "test", "ann@example.com"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("a reply without end"), "{said}");
}
