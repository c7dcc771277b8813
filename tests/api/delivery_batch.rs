//! Mails that are fetched together fare as if each had been fetched alone: none waits for another's slow session, none is lost, and
//! none goes out twice but those that a crash has met under way (E10, E11, E12).

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::both;
use crate::helpers::{APP, Backend, Database, PATIENCE, Program, Reply, TestApp, rounds};
use crate::smtp::{Behaviour, SmtpSink, Stage};

/// How many mails are under way at the same time.
const PARALLEL: usize = 3;

/// A slow server that takes everything.
fn slow(milliseconds: u64) -> Behaviour {
    Behaviour {
        delay: Duration::from_millis(milliseconds),
        ..Behaviour::default()
    }
}

/// Users who have asked for a mail.
async fn asked(app: &TestApp, count: usize) {
    let token = app.token(APP).await;
    let emails: Vec<_> = (0..count).map(|n| format!("u{n}@example.com")).collect();
    for email in &emails {
        app.user(email).await;
    }
    for answer in join_all(emails.iter().map(|email| app.remind(&token, email))).await {
        assert_eq!(answer.said(), "200 reminder_sent");
    }
}

both! {
    async fn e12_all_sessions_but_one_hang_and_all_other_mails_arrive_meanwhile(backend: Backend) {
        let count = rounds(40);
        for stage in [Stage::Data, Stage::Dot] {
            // Nothing that hangs ends within this test.
            let app = TestApp::start_with(backend, |s| {
                s.mail.parallel = PARALLEL;
                s.mail.timeout = 10 * PATIENCE;
            });
            let app = app.await;
            app.sink.behave(Behaviour::stall(stage).first(PARALLEL - 1));
            asked(&app, count).await;
            let arrived = app.mails(count + 1 - PARALLEL).await;
            assert_eq!(app.sink.struck(), PARALLEL - 1, "{stage:?}");
            let to: HashSet<_> = arrived.iter().map(|mail| mail.to.clone()).collect();
            assert_eq!(to.len(), count + 1 - PARALLEL, "{stage:?}: a mail came twice");
        }
    }

    async fn e10_a_stop_gives_back_what_was_fetched_and_not_tried(backend: Backend) {
        let mut app = TestApp::start_with(backend, |s| {
            s.mail.parallel = PARALLEL;
            s.mail.timeout = PATIENCE;
        })
        .await;
        app.sink.behave(slow(100));
        asked(&app, 40).await;
        app.mails(4).await;
        app.stop().await;
        let now = app.clock.now();
        let reports = app.flows.list_mails(None, 100).await.unwrap();
        let (sent, waiting): (Vec<_>, Vec<_>) = reports.into_iter().partition(|r| r.state == "sent");
        assert_eq!((sent.len(), sent.len() + waiting.len()), (app.sink.received().len(), 40));
        assert!(!waiting.is_empty(), "the stop came too late");
        for mail in waiting {
            let is_due = mail.due_at.is_some_and(|due| due <= now);
            assert!(mail.state == "queued" && is_due && mail.mail.attempts == 0, "{mail:?}");
        }
    }
}

both! {
    async fn e10_kill_9_amid_many_mails_loses_none_and_doubles_only_those_under_way(backend: Backend) {
        let count = rounds(60);
        let (database, sink) = (Database::create(backend), SmtpSink::start().await);
        let program = Program::new(&[
            ("DATABASE_URL", &database.url()),
            ("UNFORGET_MAIL__URL", &sink.url()),
            ("UNFORGET_MAIL__TIMEOUT", "3s"),
            ("UNFORGET_MAIL__PARALLEL", &PARALLEL.to_string()),
            ("UNFORGET_LIMITS__ENABLED", "false"),
        ]);
        let client = program.json(&["client", "add", "Quotes", "--scope", APP]);
        let emails: HashSet<_> = (0..count).map(|n| format!("u{n}@example.com")).collect();
        let list = emails.iter().fold("email\n".to_owned(), |list, email| list + email + "\n");
        let import = program.run_with_input(&["user", "import", "-", "--format", "csv"], &list);
        assert!(import.status.success(), "{import:?}");

        // Slow enough for the kill to come in the middle.
        sink.behave(slow(10));
        let mut service = program.serve().await;
        let (http, token) = (reqwest::Client::new(), service.token(&client).await);
        for some in emails.iter().collect::<Vec<_>>().chunks(20) {
            let asks = some.iter().map(async |email| {
                let ask = http.post(format!("{}/v1/password/remind", service.base)).bearer_auth(&token);
                Reply::of(ask.json(&json!({"email": email})).send().await.unwrap()).await
            });
            for answer in join_all(asks).await {
                assert_eq!(answer.said(), "200 reminder_sent");
            }
        }
        sink.wait_for(count / 3, PATIENCE).await;
        service.kill();
        sink.behave(Behaviour::default());
        let _service = program.serve().await;

        // What the dead one had fetched is due again when its leases end.
        let deadline = tokio::time::Instant::now() + 4 * PATIENCE;
        let reached = || sink.received().into_iter().map(|mail| mail.to[0].clone()).collect::<HashSet<_>>();
        while reached() != emails {
            let late = tokio::time::Instant::now() > deadline;
            assert!(!late, "{} of {count}: {}", reached().len(), program.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mut copies: HashMap<_, Vec<_>> = HashMap::new();
        for mail in sink.received() {
            copies.entry(mail.to.clone()).or_default().push(mail.parse().header("Message-ID").unwrap());
        }
        let twice: Vec<_> = copies.values().filter(|ids| ids.len() > 1).collect();
        assert!(twice.len() <= PARALLEL, "sent twice: {twice:?}");
        assert!(twice.iter().all(|ids| ids.len() == 2 && ids[0] == ids[1]), "{twice:?}");
    }
}
