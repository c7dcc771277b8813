//! Three nodes behind haproxy: one may go at any time, and a caller has one bucket on all (bars H11, H12, H15, E11, O10).

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::cluster::{Cluster, UNLIMITED, ask};
use crate::cluster_load::{CALLERS, Failure, Load};
use crate::helpers::{APP, PATIENCE, Program, Reply, Service, TestClient, rounds};

fn http() -> reqwest::Client {
    reqwest::Client::new()
}

/// Ends each node in turn under load and starts it again. Gives the time that each end took, and what became of the calls.
async fn in_turn(
    cluster: &mut Cluster,
    emails: Vec<String>,
    end: fn(&mut Service),
) -> (Vec<(Instant, Instant)>, Vec<Failure>, Vec<String>) {
    let client = cluster.client(APP).await;
    let load = Load::start(&cluster.base, &client, emails);
    let mut ends = Vec::new();
    for _ in 0..rounds(1) {
        for number in 0..cluster.nodes.len() {
            load.answered(100).await;
            let node = &mut cluster.nodes[number];
            let began = Instant::now();
            tokio::task::block_in_place(|| end(&mut node.service));
            ends.push((began, Instant::now()));
            load.answered(100).await;
            let before = node.answered();
            node.start().await;
            let deadline = Instant::now() + PATIENCE;
            while node.answered() == before {
                assert!(
                    Instant::now() < deadline,
                    "haproxy does not find the node again"
                );
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    let (answers, failures, reminded) = load.finish().await;
    eprintln!(
        "{} ends, {answers} calls, {} failed",
        ends.len(),
        failures.len()
    );
    (ends, failures, reminded)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h15_a_node_that_is_killed_costs_the_calls_it_was_at_and_none_beyond() {
    let mut cluster = Cluster::start(UNLIMITED).await;
    let (ends, failures, _) = in_turn(&mut cluster, Vec::new(), |service| service.kill()).await;
    for failure in &failures {
        let during =
            |(began, ended): &(Instant, Instant)| failure.began < *ended && failure.ended >= *began;
        assert!(
            ends.iter().any(during),
            "{failure:?} when no node was killed"
        );
    }
    assert!(failures.len() <= CALLERS * ends.len(), "{failures:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h15_a_node_that_is_stopped_costs_no_call_and_each_mail_is_sent_once() {
    let mut cluster = Cluster::start(UNLIMITED).await;
    let emails: Vec<_> = (0..150)
        .map(|number| format!("u{number}@example.com"))
        .collect();
    for email in &emails {
        cluster.user(email).await;
    }
    let (_, failures, mut reminded) = in_turn(&mut cluster, emails, |service| {
        assert_eq!(service.terminate(), Some(0))
    })
    .await;
    assert!(failures.is_empty(), "{failures:?}");
    // Bar E11: three workers, one queue.
    assert!(reminded.len() > 100, "{}", reminded.len());
    let mails = cluster.sink.wait_for(reminded.len(), PATIENCE).await;
    let mut to: Vec<_> = mails.into_iter().flat_map(|mail| mail.to).collect();
    to.sort();
    reminded.sort();
    assert_eq!(to, reminded);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h15_a_node_that_is_told_to_stop_says_so_and_goes_on_for_a_while() {
    let program = Program::new(&[("UNFORGET_HTTP__DRAIN", "10s")]);
    let mut service = program.serve().await;
    let base = service.base.clone();
    let get = async |path: &str| {
        Reply::of(http().get(format!("{base}{path}")).send().await.unwrap()).await
    };
    let before = get("/health/ready").await;
    assert_eq!((before.status, before.header("connection")), (200, ""));
    let told = Instant::now();
    let stopping = tokio::task::spawn_blocking(move || service.terminate());
    let mut ready = get("/health/ready").await;
    while ready.status == 200 {
        assert!(
            told.elapsed() < Duration::from_secs(6),
            "it does not say that it stops"
        );
        ready = get("/health/ready").await;
    }
    assert_eq!(
        (
            ready.status,
            ready.header("retry-after"),
            ready.header("connection")
        ),
        (503, "1", "close")
    );
    let live = get("/health/live").await;
    assert_eq!((live.status, live.header("connection")), (200, "close"));
    assert_eq!(stopping.await.unwrap(), Some(0));
    assert!(told.elapsed() >= Duration::from_secs(10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h11_behind_haproxy_a_caller_has_about_one_bucket_whatever_it_says_of_itself() {
    const BURST: usize = 100;
    let cluster = Cluster::start(&[
        ("UNFORGET_LIMITS__TOKEN_PER_MINUTE", "1"),
        ("UNFORGET_LIMITS__TOKEN_BURST", "100"),
    ])
    .await;
    let client = cluster.client(APP).await;
    let guesser = TestClient {
        secret: "wrong".to_owned(),
        ..client.clone()
    };
    let from = |address: &str| {
        let http = reqwest::Client::builder().local_address(address.parse::<IpAddr>().unwrap());
        http.build().unwrap()
    };
    // Refused by all of the nodes, however often it comes back.
    let (caller, deadline) = (from("127.0.0.7"), Instant::now() + 3 * PATIENCE);
    let (mut through, mut refused, mut number) = (0, 0, 0);
    while refused < 30 {
        assert!(Instant::now() < deadline, "{through} calls and no end");
        number += 1;
        let request = caller
            .post(format!("{}/oauth/token", cluster.base))
            .basic_auth(&guesser.id, Some(&guesser.secret));
        let request = request.header("x-forwarded-for", format!("198.51.100.{number}"));
        match request
            .form(&[("grant_type", "client_credentials")])
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
        {
            401 => (through, refused) = (through + 1, 0),
            429 => refused += 1,
            other => panic!("{other}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    eprintln!("{through} guesses of a bucket of {BURST}");
    assert!((BURST..2 * BURST).contains(&through), "{through}");
    // Bar O10: the real client, from elsewhere, is let in.
    assert_eq!(
        ask(&from("127.0.0.8"), &cluster.base, &client)
            .await
            .unwrap()
            .status,
        200
    );
}
