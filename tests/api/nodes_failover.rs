//! PostgreSQL with a standby: the service finds the server that takes writes, by itself, and what was acknowledged is there (bar D05).

use std::time::{Duration, Instant};

use serde_json::json;
use unforget::storage::AnyConnection;

use crate::cluster::post;
use crate::cluster_load::Load;
use crate::helpers::{APP, PATIENCE, Program, Service, TestClient};
use crate::postgres::{PrivateServer, TestDatabase};
use crate::smtp::SmtpSink;
use crate::storage::lines;

/// What is there after it.
struct Failover {
    _standby: PrivateServer,
    sink: SmtpSink,
    /// Who was acknowledged a mail.
    reminded: Vec<String>,
    /// The promoted server's own URL.
    database: String,
    _others: (PrivateServer, TestDatabase, Service),
}

/// Under load, `end` takes the primary away, and then the standby is promoted. The service is told nothing.
async fn fails_over(end: fn(&PrivateServer)) -> Failover {
    let sink = SmtpSink::start().await;
    let (primary, standby, database) = tokio::task::block_in_place(|| {
        let primary = PrivateServer::new();
        let database = TestDatabase::create_on(&primary.url());
        let standby = primary.standby();
        (primary, standby, database)
    });
    let folder = |url: &str| {
        url.split_once("host=")
            .unwrap()
            .1
            .split('&')
            .next()
            .unwrap()
            .to_owned()
    };
    let (first, second) = (folder(&primary.url()), folder(&standby.url()));
    // The standby stands first: it must be passed over for as long as it only reads.
    let url = database.url.replace(&first, &format!("{second},{first}"));
    let program = Program::new(&[
        ("DATABASE_URL", &url),
        ("UNFORGET_DATABASE_PARALLEL", "4"),
        ("UNFORGET_MAIL__URL", &sink.url()),
        ("UNFORGET_MAIL__TIMEOUT", "2s"),
        ("UNFORGET_LIMITS__ENABLED", "false"),
    ]);
    let client = program.json(&["client", "add", "Quotes", "--scope", APP]);
    let text = |key: &str| client[key].as_str().unwrap().to_owned();
    let client = TestClient {
        id: text("client_id"),
        secret: text("client_secret"),
    };
    let emails: Vec<_> = (0..200)
        .map(|number| format!("u{number}@example.com"))
        .collect();
    let lines: String = emails
        .iter()
        .map(|email| format!("{{\"email\": \"{email}\"}}\n"))
        .collect();
    let imported = program.run_with_input(&["user", "import", "-", "--format", "jsonl"], &lines);
    assert!(
        imported.status.success(),
        "{}",
        String::from_utf8_lossy(&imported.stderr)
    );

    let service = program.serve().await;
    let token = service
        .token(&json!({"client_id": client.id, "client_secret": client.secret}))
        .await;
    let load = Load::start(&service.base, &client, emails);
    load.answered(60).await;
    let http = reqwest::Client::new();
    let number = std::cell::Cell::new(0);
    let remind = async || {
        number.set(number.get() + 1);
        let body = json!({"email": format!("nobody{}@example.com", number.get())});
        let reply = post(
            &http,
            format!("{}/v1/password/remind", service.base),
            &token,
            body,
        )
        .await
        .unwrap();
        assert!(
            ["200 reminder_sent", "503 unavailable"].contains(&reply.said().as_str()),
            "{reply:?}"
        );
        reply
    };
    tokio::task::block_in_place(|| end(&primary));
    // A server that was told to become read-only takes a moment.
    let ended = Instant::now();
    let refused = loop {
        let reply = remind().await;
        if reply.status == 503 {
            break reply;
        }
        assert!(ended.elapsed() < PATIENCE, "the primary still takes writes");
    };
    assert_eq!(refused.header("retry-after"), "1");

    tokio::task::block_in_place(|| standby.promote());
    let promoted = Instant::now();
    while remind().await.status != 200 {
        assert!(
            promoted.elapsed() < PATIENCE,
            "the service does not find the new primary"
        );
    }
    eprintln!("{} ms after the promotion", promoted.elapsed().as_millis());
    load.answered(100).await;
    let (answers, failures, reminded) = load.finish().await;
    eprintln!(
        "{answers} calls, {} refused, {} mails acknowledged",
        failures.len(),
        reminded.len()
    );
    for failure in &failures {
        let passing = ["503 unavailable", "503 temporarily_unavailable"];
        assert!(passing.contains(&failure.what.as_str()), "{failure:?}");
    }

    Failover {
        _standby: standby,
        sink,
        reminded,
        database: database.url.replace(&first, &second),
        _others: (primary, database, service),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d05_when_the_primary_dies_the_service_goes_on_at_the_promoted_standby() {
    let failover = fails_over(PrivateServer::stop).await;
    // Mails that were being sent go again when their lease has run out, by the same worker.
    let deadline = Instant::now() + 3 * PATIENCE;
    loop {
        let sent: Vec<_> = failover
            .sink
            .received()
            .into_iter()
            .flat_map(|mail| mail.to)
            .collect();
        let lost: Vec<_> = failover
            .reminded
            .iter()
            .filter(|email| !sent.contains(email))
            .collect();
        if lost.is_empty() {
            break;
        }
        assert!(
            Instant::now() < deadline,
            "acknowledged, and never sent: {lost:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d05_when_the_primary_becomes_read_only_the_service_leaves_it_for_the_promoted_standby() {
    let failover = fails_over(|primary| primary.set("default_transaction_read_only = on")).await;
    let mut connection = AnyConnection::open(&failover.database.parse().unwrap()).unwrap();
    let asked = lines(
        &mut connection,
        "SELECT address_key AS line FROM mails WHERE address_key IS NOT NULL",
    );
    let lost: Vec<_> = failover
        .reminded
        .iter()
        .filter(|email| !asked.contains(email))
        .collect();
    assert!(lost.is_empty(), "acknowledged, and not there: {lost:?}");
}
