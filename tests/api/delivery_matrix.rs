//! Every stage of an SMTP session, times every way to fail at it: what happens to the mail, to the token in it, and to whoever
//! asked for it (E05, E09, E12; rig T4 of the bar). Trouble with TLS is in `mail_tls.rs`.

use std::time::Duration;

use futures_util::future::join_all;
use unforget::domain::EmailAddress;
use unforget::domain::mail::MailKind;
use unforget::storage::mails::MailReport;

use crate::both;
use crate::helpers::{APP, Backend, PATIENCE, TestApp};
use crate::smtp::{Behaviour, DropAt, Fault, Received, SmtpSink, Stage, TlsMode};

/// The stages that have an answer, in their order.
const STAGES: [Stage; 8] = [
    Stage::Banner,
    Stage::Ehlo,
    Stage::Auth,
    Stage::Mail,
    Stage::Rcpt,
    Stage::Data,
    Stage::Body,
    Stage::Dot,
];

/// What can come instead of a good answer.
const HUNG: &str = "hung";
const LATER: &str = "4xx";
const NEVER: &str = "5xx";
const GARBAGE: &str = "garbage";
const DROPPED: &str = "dropped";
/// The server has the mail, and hangs up instead of saying so.
const TAKEN: &str = "taken";

pub(crate) fn troubles() -> [(&'static str, Fault); 5] {
    [
        (HUNG, Fault::Silence),
        (LATER, Fault::Reply("451 4.3.0 later".to_owned())),
        (NEVER, Fault::Reply("554 5.7.1 never".to_owned())),
        (GARBAGE, Fault::Reply("\u{1}<html>?".to_owned())),
        (DROPPED, Fault::HangUp),
    ]
}

/// A service that logs in to a sink which takes a login without TLS.
async fn start(backend: Backend, timeout: Duration) -> (TestApp, SmtpSink) {
    let sink = SmtpSink::start_tls(TlsMode::Stripped).await;
    let url = format!("smtp+plain://post:geheim@127.0.0.1:{}", sink.port());
    let app = TestApp::start_with(backend, |s| {
        s.mail.url = url.parse().unwrap();
        s.mail.timeout = timeout;
    });
    (app.await, sink)
}

/// The report of the reset mail to this address, as soon as `done` likes it.
async fn report(app: &TestApp, email: &str, done: impl Fn(&MailReport) -> bool) -> MailReport {
    let key = EmailAddress::parse(email).unwrap().key();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let reports = app.flows.list_mails(None, 1000).await.unwrap();
        let to = |report: &MailReport| match &report.mail.kind {
            MailKind::Reset { address_key } => address_key == key.as_str(),
            _ => false,
        };
        let report = reports.into_iter().find(to).unwrap();
        if done(&report) {
            return report;
        }
        let late = tokio::time::Instant::now() > deadline;
        assert!(!late, "{email}: still {report:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A good server that hangs up after each mail, so that the next one begins with the greeting.
fn good() -> Behaviour {
    Behaviour::drop(DropAt::AfterReplyBeforeQuit)
}

/// One cell of the matrix: a mail meets the trouble once, and then a good server.
async fn strike(
    app: &TestApp,
    sink: &SmtpSink,
    token: &str,
    stage: Stage,
    what: &str,
    trouble: Behaviour,
) {
    let email = format!("{what}-at-{stage:?}@example.com").to_lowercase();
    app.user(&email).await;
    sink.behave(trouble.first(1));
    assert_eq!(app.remind(token, &email).await.said(), "200 reminder_sent");
    let failed = report(app, &email, |r| r.failure.is_some()).await;
    assert_eq!(sink.struck(), 1, "{email}: {failed:?}");
    sink.behave(good());

    // Before MAIL it is us whom the server does not want; from there on it is the mail.
    let about_the_mail = STAGES.iter().position(|s| *s == stage) >= Some(3);
    let last_word = what == NEVER && about_the_mail;
    let state = if last_word { "failed" } else { "queued" };
    assert_eq!(failed.state, state, "{email}: {failed:?}");
    assert_eq!(failed.due_at.is_none(), last_word, "{email}: {failed:?}");
    assert_eq!(failed.mail.attempts, 1, "{email}");
    let failure = failed.failure.unwrap();
    assert!(!failure.contains("example.com"), "{email}: {failure}");

    app.advance(10);
    if !last_word {
        let sent = report(app, &email, |r| r.state != "queued").await;
        assert_eq!(
            (sent.state.as_str(), sent.failure),
            ("sent", None),
            "{email}"
        );
        if sent.mail.attempts != 2 {
            return; // the machine was too busy to answer itself in time: nothing can be said
        }
    }
    let copies: Vec<_> = sink
        .offered()
        .into_iter()
        .filter(|m| m.to == [email.clone()])
        .collect();
    let accepted = copies.iter().filter(|copy| copy.accepted).count();
    let wanted = match what {
        _ if last_word => 0,
        TAKEN => 2,
        _ => 1,
    };
    assert_eq!(accepted, wanted, "{email}: {failure}");
    let ids: Vec<_> = copies.iter().map(message_id).collect();
    assert!(
        ids.windows(2).all(|pair| pair[0] == pair[1]),
        "{email}: {ids:?}"
    );

    // Alive is what may have arrived; what certainly did not was taken back.
    for (copy, is_last) in copies
        .iter()
        .zip((0..copies.len()).rev().map(|left| left == 0))
    {
        let sure_not = !is_last && what == LATER || last_word;
        let said = if sure_not {
            "400 wrong_token"
        } else {
            "200 token_valid"
        };
        assert_eq!(
            app.check(token, &copy.parse().token()).await.said(),
            said,
            "{email}"
        );
    }
}

fn message_id(mail: &Received) -> String {
    mail.parse().header("Message-ID").unwrap()
}

both! {
    async fn e05_e09_trouble_at_any_stage_delays_a_mail_and_loses_or_doubles_none(backend: Backend) {
        join_all(STAGES.map(|stage| async move {
            let (app, sink) = start(backend, Duration::from_secs(3)).await;
            let token = app.token(APP).await;
            for (what, fault) in troubles() {
                strike(&app, &sink, &token, stage, what, Behaviour::at(stage, fault)).await;
            }
            if stage == Stage::Dot {
                let taken = Behaviour::drop(DropAt::AfterDotBeforeReply);
                strike(&app, &sink, &token, stage, TAKEN, taken).await;
            }
            // What was the last word stays so.
            app.advance(1200);
            let failed = app.flows.list_mails(None, 100).await.unwrap();
            let failed: Vec<_> = failed.iter().filter(|r| r.state == "failed").collect();
            assert!(failed.iter().all(|r| r.mail.attempts == 1 && r.failure.is_some()), "{failed:?}");
        }))
        .await;
    }

    async fn e12_a_server_that_is_slow_at_every_stage_gets_each_mail_once(backend: Backend) {
        let (app, sink) = start(backend, PATIENCE).await;
        let token = app.token(APP).await;
        sink.behave(Behaviour { delay: Duration::from_millis(150), ..good() });
        for n in 0..3 {
            let email = format!("slow{n}@example.com");
            app.user(&email).await;
            app.remind(&token, &email).await;
        }
        sink.wait_for(3, PATIENCE).await;
        app.quiet().await;
        assert_eq!(sink.received().len(), 3);
        for n in 0..3 {
            let sent = report(&app, &format!("slow{n}@example.com"), |_| true).await;
            assert_eq!((sent.state.as_str(), sent.mail.attempts), ("sent", 1));
        }
    }

    async fn e09_a_refusal_stands_whatever_becomes_of_the_good_bye(backend: Backend) {
        let (app, sink) = start(backend, Duration::from_secs(3)).await;
        let token = app.token(APP).await;
        for (what, fault) in troubles() {
            let email = format!("{what}@example.com");
            app.user(&email).await;
            sink.behave(Behaviour {
                rcpt_reply: Some("550 5.1.1 no such user".to_owned()),
                ..Behaviour::at(Stage::Quit, fault)
            });
            app.remind(&token, &email).await;
            let failed = report(&app, &email, |r| r.failure.is_some()).await;
            let told = (failed.state.as_str(), failed.failure.as_deref(), failed.mail.attempts);
            assert_eq!(told, ("failed", Some("the mail server answered 550 5.1.1 to RCPT"), 1), "{what}");
        }
    }

    async fn e05_a_session_that_died_between_two_mails_is_replaced_at_once(backend: Backend) {
        let (app, sink) = start(backend, Duration::from_secs(8)).await;
        let token = app.token(APP).await;
        for (n, (what, fault)) in troubles().into_iter().enumerate() {
            for (m, behaviour) in [Behaviour::default(), Behaviour::at(Stage::Noop, fault).first(1)].into_iter().enumerate() {
                let email = format!("{what}{m}@example.com");
                app.user(&email).await;
                sink.behave(behaviour);
                app.remind(&token, &email).await;
                sink.wait_for(2 * n + m + 1, PATIENCE).await;
                app.quiet().await;
                let sent = report(&app, &email, |_| true).await;
                assert_eq!((sent.state.as_str(), sent.mail.attempts), ("sent", 1), "{email}");
            }
            assert_eq!(sink.struck(), 1, "{what}: the session was not kept");
        }
        assert_eq!(sink.received().len(), 10);
    }

    async fn e09_e12_a_server_that_takes_no_connection_delays_a_mail(backend: Backend) {
        // Full, and nobody takes from it: whoever connects hears nothing at all.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        let hangs = async |queue: &mut Vec<_>| {
            let connect = tokio::net::TcpStream::connect(address);
            let connected = tokio::time::timeout(Duration::from_secs(1), connect).await;
            connected.map(|stream| queue.push(stream)).is_err()
        };
        while !hangs(&mut queue).await {}
        let url = format!("smtp+plain://{address}");
        let app = TestApp::start_with(backend, |s| {
            s.mail.url = url.parse().unwrap();
            s.mail.timeout = Duration::from_secs(1);
        })
        .await;
        app.user("ann@example.com").await;
        let token = app.token(APP).await;
        assert_eq!(app.remind(&token, "ann@example.com").await.said(), "200 reminder_sent");
        let failed = report(&app, "ann@example.com", |r| r.failure.is_some()).await;
        assert_eq!(failed.state, "queued");
        assert_eq!(failed.failure.as_deref(), Some("no connection to the mail server: no answer within 1 s"));
    }

    async fn e12_nobody_who_asks_waits_for_a_mail_server_that_hangs(backend: Backend) {
        // An attempt outlasts the whole test: whoever waited for one would fail it.
        let (app, sink) = start(backend, 10 * PATIENCE).await;
        let token = app.token(APP).await;
        for (n, stage) in STAGES.into_iter().enumerate() {
            sink.behave(Behaviour::stall(stage));
            let email = format!("u{n}@example.com");
            app.user(&email).await;
            let asked = tokio::time::timeout(PATIENCE, app.remind(&token, &email)).await;
            assert_eq!(asked.unwrap().said(), "200 reminder_sent", "{stage:?}");
            assert_eq!(app.remind(&token, "nobody@example.com").await.said(), "200 reminder_sent");
        }
        assert_eq!(sink.received().len(), 0);
    }
}
