//! Every queued mail is sent or visibly failed, and no caller waits for a mail server (E09 to E12, E14).

use chrono::TimeDelta;
use unforget::domain::mail::MailKind;
use unforget::flows::mails::Retry;
use unforget::storage::mails::MailReport;

use crate::both;
use crate::helpers::{APP, Backend, PATIENCE, TestApp};
use crate::smtp::{Behaviour, DropAt, Received, SmtpSink, Stage, TlsMode};

const ANN: &str = "ann@example.com";

/// The report of the one reset mail, as soon as `done` likes it.
async fn report(app: &TestApp, done: impl Fn(&MailReport) -> bool) -> MailReport {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let mut reports = app.flows.list_mails(None, 100).await.unwrap();
        reports.retain(|r| matches!(r.mail.kind, MailKind::Reset { .. }));
        assert_eq!(reports.len(), 1);
        let report = reports.remove(0);
        if done(&report) {
            return report;
        }
        assert!(tokio::time::Instant::now() < deadline, "still {report:?}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// The report of the one reset mail after its first attempt has failed.
pub(crate) async fn first_failure(app: &TestApp) -> MailReport {
    report(app, |r| r.failure.is_some()).await
}

/// A user who has asked for a mail, and the token of the app.
async fn asked(app: &TestApp) -> String {
    app.user(ANN).await;
    let token = app.token(APP).await;
    let reply = app.remind(&token, ANN).await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.text,
        r#"{"status":"reminder_sent","success":"An email was sent to the user."}"#
    );
    token
}

fn message_id(mail: &Received) -> String {
    mail.parse().header("Message-ID").unwrap()
}

fn refusing_data(reply: &str) -> Behaviour {
    Behaviour {
        data_reply: Some(reply.to_owned()),
        ..Behaviour::default()
    }
}

both! {
    async fn e09_a_mail_waits_for_a_server_that_is_down_and_goes_out_once(app: TestApp) {
        app.sink.stop();
        let token = asked(&app).await;
        let down = first_failure(&app).await;
        assert_eq!(down.state, "queued");
        assert!(down.failure.unwrap().contains("no connection to the mail server"));
        app.sink.resume().await;
        app.advance(10);
        let mail = app.mails(1).await.remove(0);
        assert_eq!(message_id(&mail), format!("<{}@unforget.example>", down.mail.id));
        app.quiet().await;
        let sent = report(&app, |_| true).await;
        assert_eq!((sent.state.as_str(), sent.failure, sent.due_at), ("sent", None, None));
        assert_eq!(app.sink.received().len(), 1);
        let reset = app.reset(&token, ANN, &mail.parse().token(), "a new secret").await;
        assert_eq!(reset.said(), "200 password_reset");
    }

    async fn e05_e09_451_is_retried_ever_later_and_each_refused_token_is_taken_back(app: TestApp) {
        let mut started = app.clock.now();
        app.sink.behave(refusing_data("451 4.3.1 later"));
        let token = asked(&app).await;
        let mut gaps = Vec::new();
        // 5, 20, 60 and 180 s, each less at most a fifth.
        for (attempt, least) in [(1, 4), (2, 16), (3, 48), (4, 144)] {
            let reason = format!("the mail server answered 451 4.3.{attempt} to the mail itself");
            let failed = report(&app, |r| r.failure.as_ref() == Some(&reason)).await;
            assert_eq!((failed.state.as_str(), failed.mail.attempts), ("queued", attempt));
            let gap = failed.due_at.unwrap() - started;
            assert!(gap >= TimeDelta::seconds(least), "attempt {attempt}: {gap}");
            gaps.push(gap);
            let refused = app.sink.offered().last().unwrap().parse().token();
            assert_eq!(app.check(&token, &refused).await.said(), "400 wrong_token");
            let next = Behaviour { times: (attempt == 4).then_some(0), ..refusing_data(&format!("451 4.3.{} later", attempt + 1)) };
            app.sink.behave(next);
            app.clock.advance(gap);
            started = app.clock.now();
            app.advance(1);
        }
        assert!(gaps.is_sorted(), "{gaps:?}");
        let mail = app.mails(1).await.remove(0);
        let ids: Vec<_> = app.sink.offered().iter().map(message_id).collect();
        assert_eq!(ids, vec![message_id(&mail); 5]);
        assert_eq!(app.check(&token, &mail.parse().token()).await.said(), "200 token_valid");
    }

    async fn e09_550_is_final_and_an_operator_sees_it_and_can_try_again(app: TestApp) {
        app.sink.behave(refusing_data("550 5.1.1 <ann@example.com> is not here"));
        let token = asked(&app).await;
        app.quiet().await;
        let failed = report(&app, |_| true).await;
        assert_eq!(failed.state, "failed");
        assert_eq!(failed.failure.as_deref(), Some("the mail server answered 550 5.1.1 to the mail itself")); // not the address
        assert_eq!((failed.due_at, failed.mail.attempts), (None, 1));
        assert!(failed.finished_at.is_some());
        let refused = app.sink.offered().remove(0);
        assert_eq!(app.check(&token, &refused.parse().token()).await.said(), "400 wrong_token");

        app.sink.behave(Behaviour::default());
        app.advance(1200);
        assert_eq!(app.flows.retry_mail(failed.mail.id).await.unwrap(), Retry::Queued);
        app.flows.mail_queued.notify_one();
        let mail = app.mails(1).await.remove(0);
        assert_eq!(message_id(&mail), message_id(&refused));
        app.quiet().await;
        let sent = report(&app, |_| true).await;
        assert_eq!((sent.state.as_str(), sent.mail.attempts), ("sent", 2)); // so no try between 550 and the operator's
        assert_eq!(app.flows.retry_mail(failed.mail.id).await.unwrap(), Retry::Sent);
    }

    async fn e10_after_a_lost_answer_both_copies_work_until_one_is_used(app: TestApp) {
        app.sink.behave(Behaviour::drop(DropAt::AfterDotBeforeReply).first(1));
        let token = asked(&app).await;
        let unsure = first_failure(&app).await;
        assert_eq!(unsure.state, "queued");
        app.advance(10);
        let mails = app.mails(2).await;
        assert_eq!(message_id(&mails[0]), message_id(&mails[1]));
        let [first, second] = [0, 1].map(|index| mails[index].parse().token());
        assert_ne!(first, second);
        for copy in [&first, &second] {
            assert_eq!(app.check(&token, copy).await.said(), "200 token_valid");
        }
        assert_eq!(app.reset(&token, ANN, &first, "a new secret").await.said(), "200 password_reset");
        assert_eq!(app.reset(&token, ANN, &second, "another secret").await.said(), "400 wrong_token");
        assert!(app.password_is(ANN, "a new secret").await);
        app.quiet().await;
        assert_eq!(app.sink.received().len(), 3); // two copies and the notice
    }

    async fn e05_a_server_that_hangs_up_after_its_250_has_the_mail_once(app: TestApp) {
        app.sink.behave(Behaviour::drop(DropAt::AfterReplyBeforeQuit).first(1));
        asked(&app).await;
        app.quiet().await;
        assert_eq!(report(&app, |_| true).await.state, "sent");
        assert_eq!(app.sink.received().len(), 1);
    }

    async fn e14_an_address_that_the_server_cannot_write_fails_for_good(app: TestApp) {
        app.sink.offer_smtputf8(false);
        app.user("zoë@example.com").await;
        app.user("max@bücher.example").await;
        let token = app.token(APP).await;
        app.remind(&token, "zoë@example.com").await;
        app.quiet().await;
        let failed = report(&app, |_| true).await;
        assert_eq!((failed.state.as_str(), failed.mail.attempts), ("failed", 1));
        assert!(failed.failure.unwrap().contains("SMTPUTF8"));
        app.remind(&token, "max@Bücher.example").await;
        assert_eq!(app.mails(1).await[0].to, ["max@xn--bcher-kva.example"]);
    }
}

both! {
    async fn e11_two_services_send_each_mail_once(backend: Backend) {
        let app = TestApp::start_with(backend, |s| s.mail.timeout = PATIENCE).await;
        let (_second, base) = app.second();
        let token = app.token(APP).await;
        app.sink.behave(Behaviour { delay: std::time::Duration::from_millis(2), ..Behaviour::default() });
        let emails: Vec<_> = (0..60).map(|n| format!("u{n}@example.com")).collect();
        for email in &emails {
            app.user(email).await;
        }
        let asks = emails.iter().enumerate().map(|(n, email)| {
            let url = format!("{}/v1/password/remind", if n % 2 == 0 { &app.base } else { &base });
            let body = serde_json::json!({"email": email});
            reqwest::Client::new().post(url).bearer_auth(&token).json(&body).send()
        });
        for answer in futures_util::future::join_all(asks).await {
            assert_eq!(answer.unwrap().status(), 200);
        }
        app.mails(60).await;
        app.quiet().await;
        let mut to: Vec<_> = app.sink.received().into_iter().flat_map(|mail| mail.to).collect();
        to.sort();
        let mut wanted = emails;
        wanted.sort();
        assert_eq!(to, wanted);
    }

    async fn e12_as_many_sessions_as_configured_and_no_more(backend: Backend) {
        let app = TestApp::start_with(backend, |s| s.mail.timeout = PATIENCE).await;
        let token = app.token(APP).await;
        app.sink.behave(Behaviour { delay: std::time::Duration::from_millis(20), ..Behaviour::default() });
        for n in 0..16 {
            let email = format!("u{n}@example.com");
            app.user(&email).await;
            app.remind(&token, &email).await;
        }
        app.mails(16).await;
        let most = app.sink.max_parallel();
        assert!((2..=app.settings.mail.parallel).contains(&most), "{most}");
    }

    async fn e09_a_mail_whose_link_is_as_good_as_dead_is_not_sent(backend: Backend) {
        // Seconds before the end of the link, and what becomes of the mail.
        for (left, state) in [(-1, "failed"), (20, "failed"), (120, "sent")] {
            let app = TestApp::start(backend).await;
            app.sink.behave(Behaviour::later().first(1));
            asked(&app).await;
            let waiting = first_failure(&app).await;
            let life = waiting.mail.expires_at - app.clock.now();
            app.advance(life.num_seconds() - left);
            app.quiet().await;
            let over = report(&app, |_| true).await;
            assert_eq!(over.state, state, "{left} s left");
            assert_eq!(over.failure.is_some(), state == "failed");
            assert_eq!(app.sink.received().len(), usize::from(state == "sent"));
        }
    }

    async fn e12_one_hanging_session_holds_up_nobody_else(backend: Backend) {
        for stage in [Stage::Banner, Stage::Ehlo, Stage::Mail, Stage::Rcpt, Stage::Data, Stage::Dot] {
            let app = TestApp::start_with(backend, |s| s.mail.timeout = 3 * PATIENCE).await;
            let token = app.token(APP).await;
            app.sink.behave(Behaviour::stall(stage).first(1));
            for n in 0..6 {
                let email = format!("u{n}@example.com");
                app.user(&email).await;
                assert_eq!(app.remind(&token, &email).await.said(), "200 reminder_sent");
            }
            app.mails(5).await;
            let queued = app.flows.storage.read(unforget::storage::mails::count_queued).await.unwrap();
            assert!(queued >= 1, "{stage:?} never hung");
        }
    }

    async fn e09_a_refused_login_keeps_the_mail_until_it_is_put_right(backend: Backend) {
        let sink = SmtpSink::start_tls(TlsMode::Stripped).await; // the one that takes a login without TLS
        sink.behave(Behaviour { auth_reply: Some("535 5.7.8 wrong".to_owned()), ..Behaviour::default() });
        let url = format!("smtp+plain://post:geheim@127.0.0.1:{}", sink.port());
        let app = TestApp::start_with(backend, |s| s.mail.url = url.parse().unwrap()).await;
        asked(&app).await;
        let waiting = first_failure(&app).await;
        assert_eq!(waiting.state, "queued");
        assert_eq!(waiting.failure.as_deref(), Some("the mail server answered 535 5.7.8 to AUTH"));
        assert_eq!(sink.attempts(), 0);
        sink.behave(Behaviour::default());
        app.advance(10);
        sink.wait_for(1, PATIENCE).await;
    }
}
