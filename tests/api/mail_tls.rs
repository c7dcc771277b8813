//! E13: mail goes through TLS that is what it claims to be, or not at all. With the real binary, which finds the CA by itself.

use serde_json::Value;

use crate::delivery_matrix::troubles;
use crate::helpers::{APP, PATIENCE, Program};
use crate::smtp::{Behaviour, DropAt, Identity, SmtpSink, Stage, TlsMode};

/// A program that sends through this sink, with a login, and trusts the sink's CA.
fn program(sink: &SmtpSink) -> Program {
    let program = Program::new(&[
        (
            "UNFORGET_MAIL__URL",
            &sink.url_as("post", "s3cret%20%3A%26"),
        ),
        (
            "UNFORGET_MAIL__FROM",
            "Unforget <no-reply@unforget.example>",
        ),
        ("UNFORGET_MAIL__TIMEOUT", "5s"),
        ("SSL_CERT_FILE", "ca.pem"),
        ("NO_COLOR", "1"),
    ]);
    std::fs::write(program.folder.path().join("ca.pem"), sink.ca_pem()).unwrap();
    program
}

/// Lets a served app ask for a mail, and gives the mail's report as soon as `done` likes it.
async fn report_of_a_remind(program: &Program, done: impl Fn(&Value) -> bool) -> Value {
    let client = program.json(&["client", "add", "Quotes", "--scope", APP]);
    program.json(&["user", "add", "ann@example.com"]);
    let service = program.serve().await;
    let token = service.token(&client).await;
    let body = serde_json::json!({"email": "ann@example.com"});
    let reply = service.post("/v1/password/remind", &token, body).await;
    assert_eq!(reply.said(), "200 reminder_sent");
    newest(program, done).await
}

/// The report of the newest mail, as soon as `done` likes it.
async fn newest(program: &Program, done: impl Fn(&Value) -> bool) -> Value {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let report = program.json(&["mail", "list"])[0].clone();
        if done(&report) {
            return report;
        }
        assert!(tokio::time::Instant::now() < deadline, "{report}");
    }
}

async fn delivers(mode: TlsMode) {
    let sink = SmtpSink::start_tls(mode).await;
    let report = report_of_a_remind(&program(&sink), |r| r["state"] != "queued").await;
    assert_eq!(report["state"], "sent", "{report}");
    assert_eq!(sink.received().len(), 1);
    let login = ("post".to_owned(), "s3cret :&".to_owned());
    assert_eq!(sink.credentials(), [login]);
}

/// Nothing is said to such a server, and the mail waits for a better one.
async fn says_nothing(mode: TlsMode, identity: Identity) {
    let sink = SmtpSink::start_tls_as(mode, identity).await;
    let program = program(&sink);
    let report = report_of_a_remind(&program, |r| !r["failure"].is_null()).await;
    assert_eq!(report["state"], "queued", "{report}");
    assert!(sink.connections() > 0);
    assert!(sink.credentials().is_empty());
    assert_eq!((sink.attempts(), sink.offered().len()), (0, 0));
    let said = sink.commands().join("\n");
    for secret in ["AUTH", "MAIL", "RCPT", "ann@example.com"] {
        assert!(!said.contains(secret), "{said}");
    }
    // The operator is told by the test command too.
    let test = program.run(&["mail", "test", "ann@example.com"]);
    let stderr = String::from_utf8(test.stderr).unwrap();
    assert_eq!((test.status.code(), stderr.lines().count()), (Some(1), 1));
    assert!(!stderr.contains("s3cret"), "{stderr}");
    let why = if mode == TlsMode::Implicit {
        "no connection"
    } else {
        "STARTTLS"
    };
    assert!(stderr.contains(why), "{stderr}");
    assert!(sink.credentials().is_empty() && sink.attempts() == 0);
}

#[tokio::test]
async fn e13_starttls_delivers_with_the_login() {
    delivers(TlsMode::StartTls).await;
}

#[tokio::test]
async fn e13_implicit_tls_delivers_with_the_login() {
    delivers(TlsMode::Implicit).await;
}

#[tokio::test]
async fn e13_a_server_that_hides_starttls_gets_no_login_and_no_mail() {
    says_nothing(TlsMode::Stripped, Identity::Localhost).await;
}

#[tokio::test]
async fn e13_what_was_appended_to_the_answer_to_starttls_is_believed_by_nobody() {
    says_nothing(TlsMode::Injecting, Identity::Localhost).await;
}

#[tokio::test]
async fn e13_a_certificate_that_vouches_for_itself_gets_no_login_and_no_mail() {
    says_nothing(TlsMode::StartTls, Identity::SelfSigned).await;
    says_nothing(TlsMode::Implicit, Identity::SelfSigned).await;
}

#[tokio::test]
async fn e13_a_certificate_for_another_name_gets_no_login_and_no_mail() {
    says_nothing(TlsMode::StartTls, Identity::OtherName).await;
    says_nothing(TlsMode::Implicit, Identity::OtherName).await;
}

#[tokio::test]
async fn e13_an_expired_certificate_gets_no_login_and_no_mail() {
    says_nothing(TlsMode::StartTls, Identity::Expired).await;
    says_nothing(TlsMode::Implicit, Identity::Expired).await;
}

#[tokio::test]
async fn e13_a_ca_that_is_not_trusted_gets_no_login_and_no_mail() {
    let sink = SmtpSink::start_tls(TlsMode::Implicit).await;
    let other = SmtpSink::start_tls(TlsMode::Implicit).await;
    let program = program(&sink);
    std::fs::write(program.folder.path().join("ca.pem"), other.ca_pem()).unwrap();
    let test = program.run(&["mail", "test", "ann@example.com"]);
    assert_eq!(test.status.code(), Some(1));
    assert!(sink.credentials().is_empty() && sink.attempts() == 0);
}

/// Whatever goes wrong at this stage, the server is told nothing, and the mail goes out once when all is well again.
async fn waits_for_the_end_of_trouble_at(stage: Stage) {
    let sink = SmtpSink::start_tls(TlsMode::StartTls).await;
    let program = program(&sink);
    let client = program.json(&["client", "add", "Quotes", "--scope", APP]);
    let service = program.serve().await;
    let token = service.token(&client).await;
    for (number, (what, fault)) in troubles().into_iter().enumerate() {
        let email = format!("{what}@example.com");
        program.json(&["user", "add", &email]);
        let told = (sink.credentials().len(), sink.attempts());
        sink.behave(Behaviour::at(stage, fault).first(1));
        let body = serde_json::json!({"email": email});
        let reply = service.post("/v1/password/remind", &token, body).await;
        assert_eq!(reply.said(), "200 reminder_sent");
        let failed = newest(&program, |mail| !mail["failure"].is_null()).await;
        assert_eq!(failed["state"], "queued", "{what}: {failed}");
        assert_eq!(sink.struck(), 1, "{what}: {failed}");
        assert_eq!((sink.credentials().len(), sink.attempts()), told, "{what}");

        // The next mail is to begin with a greeting again.
        sink.behave(Behaviour::drop(DropAt::AfterReplyBeforeQuit));
        let _it_may_be_under_way = program.run(&["mail", "retry", failed["id"].as_str().unwrap()]);
        newest(&program, |mail| mail["state"] == "sent").await;
        assert_eq!(sink.received().len(), number + 1, "{what}");
    }
}

#[tokio::test]
async fn e09_trouble_at_starttls_delays_a_mail_and_says_nothing_to_the_server() {
    waits_for_the_end_of_trouble_at(Stage::StartTls).await;
}

#[tokio::test]
async fn e09_trouble_at_the_handshake_delays_a_mail_and_says_nothing_to_the_server() {
    waits_for_the_end_of_trouble_at(Stage::Handshake).await;
}
