//! Two nodes on one database, each a process of its own, share the mails: each goes out once, though one of them may be killed (E11).

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::both;
use crate::helpers::{APP, Backend, Database, PATIENCE, Program, Reply, rounds};
use crate::smtp::{Behaviour, SmtpSink};

/// How many mails a node has under way at the same time.
const PARALLEL: usize = 4;

fn node(database: &Database, sink: &SmtpSink, timeout: &str) -> Program {
    Program::new(&[
        ("DATABASE_URL", &database.url()),
        ("UNFORGET_MAIL__URL", &sink.url()),
        ("UNFORGET_MAIL__TIMEOUT", timeout),
        ("UNFORGET_MAIL__PARALLEL", &PARALLEL.to_string()),
        ("UNFORGET_LIMITS__ENABLED", "false"),
        ("NO_COLOR", "1"),
    ])
}

both! {
    async fn e11_two_processes_send_each_of_500_mails_once_though_one_may_be_killed(backend: Backend) {
        let count = rounds(500);
        let (database, sink) = (Database::create(backend), SmtpSink::start().await);
        // A lease lasts 15 s longer than an attempt may.
        let timeout = match backend {
            Backend::Postgres => "5s",
            Backend::Sqlite => "60s",
        };
        let nodes = [0, 1].map(|_| node(&database, &sink, timeout));
        let client = nodes[0].json(&["client", "add", "Quotes", "--scope", APP]);
        let emails: HashSet<_> = (0..count).map(|n| format!("u{n}@example.com")).collect();
        let list = emails.iter().fold("email\n".to_owned(), |list, email| list + email + "\n");
        let import = nodes[0].run_with_input(&["user", "import", "-", "--format", "csv"], &list);
        assert!(import.status.success(), "{import:?}");
        let mut first = nodes[0].serve().await;
        let second = nodes[1].serve().await;

        // Slow enough for the kill to come in the middle.
        sink.behave(Behaviour { delay: Duration::from_millis(15), ..Behaviour::default() });
        let token = first.token(&client).await;
        let http = reqwest::Client::new();
        let emails: Vec<_> = emails.into_iter().collect();
        for (n, some) in emails.chunks(25).enumerate() {
            let base = if n % 2 == 0 { &first.base } else { &second.base };
            let asks = some.iter().map(async |email| {
                let deadline = tokio::time::Instant::now() + PATIENCE;
                loop {
                    let ask = http.post(format!("{base}/v1/password/remind")).bearer_auth(&token);
                    let answer = Reply::of(ask.json(&json!({"email": email})).send().await.unwrap()).await;
                    // Two processes want the one lock of SQLite's file: on a slow disk one is told to come back.
                    let told = answer.status == 503 && backend == Backend::Sqlite;
                    if !told || tokio::time::Instant::now() > deadline {
                        break answer;
                    }
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            });
            for answer in join_all(asks).await {
                assert_eq!(answer.said(), "200 reminder_sent");
            }
        }
        sink.wait_for(count / 2, 3 * PATIENCE).await;
        // What the dead one has under way is taken over when its lease ends. That takes a while, and once is enough.
        let most_twice = match backend {
            Backend::Postgres => {
                first.kill();
                PARALLEL
            }
            Backend::Sqlite => 0,
        };
        let deadline = tokio::time::Instant::now() + 4 * PATIENCE;
        let mails = loop {
            let mails = sink.received();
            let reached: HashSet<_> = mails.iter().map(|mail| mail.to[0].clone()).collect();
            if reached.len() == count {
                break mails;
            }
            let late = tokio::time::Instant::now() > deadline;
            assert!(!late, "{} of {count}: {}", reached.len(), nodes[1].log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let mut ids: HashMap<_, Vec<_>> = HashMap::new();
        for mail in &mails {
            ids.entry(mail.to.clone()).or_default().push(mail.parse().header("Message-ID").unwrap());
        }
        let twice: Vec<_> = ids.values().filter(|ids| ids.len() > 1).collect();
        assert!(twice.len() <= most_twice, "sent twice: {twice:?}");
        assert!(twice.iter().all(|ids| ids.len() == 2 && ids[0] == ids[1]), "{twice:?}");
        let different: HashSet<_> = ids.values().map(|ids| &ids[0]).collect();
        assert_eq!(different.len(), count);
        for node in &nodes {
            assert!(node.log().contains("mail sent"), "one node did all the work");
        }
    }
}
