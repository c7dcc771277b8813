//! The real binary when the system has nothing left for it: no descriptors, a log that nobody takes; and over time (D14, L03, D15).
#![expect(clippy::print_stdout, reason = "what was measured")]

use std::io::{Read, pipe};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::helpers::{PATIENCE, Program, Reply, Service, rounds};

const REMIND: &str = "/v1/password/remind";

fn program() -> Program {
    Program::new(&[("UNFORGET_LIMITS__ENABLED", "false")])
}

async fn healthy(service: &Service) -> bool {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(2));
    let url = format!("{}/health/ready", service.base);
    let answer = client.build().unwrap().get(url).send().await;
    answer.is_ok_and(|answer| answer.status() == 200)
}

/// Waits until new callers are answered, and says how long that took.
async fn heals(service: &Service) -> Duration {
    let begun = Instant::now();
    while !healthy(service).await {
        assert!(begun.elapsed() < 2 * PATIENCE, "it does not recover");
    }
    begun.elapsed()
}

/// How many descriptors it has open when nobody calls: what the last call has left open is closed within a moment.
async fn least_descriptors(service: &Service) -> usize {
    let mut least = usize::MAX;
    for _ in 0..50 {
        least = least.min(service.descriptors());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    least
}

fn connect(service: &Service, count: usize) -> Vec<TcpStream> {
    let address = service.base.trim_start_matches("http://");
    (0..count)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d14_with_64_descriptors_it_serves_few_at_a_time_and_has_enough_for_itself() {
    let mut program = program();
    program.set("UNFORGET_WORKERS", "2"); // whatever this machine has
    let client = program.json(&["client", "add", "Quotes", "--scope", "password:remind"]);
    program.json(&["user", "add", "ann@example.com"]);
    let mut service = program.serve_by(program.serve_after("ulimit -n 64")).await;
    let token = service.token(&client).await;
    let quiet = least_descriptors(&service).await;
    // Silent ones, more than there is room for: they wait before the door, and those inside are sent away after five seconds.
    // Two have room at a time, so that whoever comes after ten waits for five such turns, and is ready to wait for twelve.
    let crowd = connect(&service, 10);
    let begun = Instant::now();
    let most = async {
        let mut most = 0;
        while begun.elapsed() < Duration::from_secs(2) {
            most = most.max(service.descriptors());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        most
    };
    let patient = reqwest::Client::builder().timeout(3 * PATIENCE);
    let request = patient
        .build()
        .unwrap()
        .get(format!("{}/health/ready", service.base));
    let (most, answer) = tokio::join!(most, request.send());
    println!(
        "{quiet} descriptors, {most} with a crowd; served after {:.1?}",
        begun.elapsed()
    );
    assert!((quiet + 1..=quiet + 8).contains(&most), "{quiet}, {most}");
    assert_eq!(answer.unwrap().status(), 200);
    drop(crowd);
    println!("recovered in {:.1?}", heals(&service).await);
    // It can still write files of its own.
    let body = json!({"email": "ann@example.com"});
    let reply = service.post(REMIND, &token, body).await;
    assert_eq!(reply.said(), "200 reminder_sent");
    let folder = program.folder.path().join("data/mail");
    while std::fs::read_dir(&folder).map_or(0, Iterator::count) == 0 {
        assert!(begun.elapsed() < 4 * PATIENCE, "no mail");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(service.terminate(), Some(0));
    let log = program.log();
    assert!(
        !log.contains("\"ERROR\"") && !log.contains("panicked"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d14_when_descriptors_run_out_it_sheds_callers_logs_little_and_recovers() {
    let program = program();
    let client = program.json(&["client", "add", "Quotes", "--scope", "password:remind"]);
    let mut service = program.serve().await;
    let token = service.token(&client).await;
    // Somebody who is there already is served on.
    let inside = reqwest::Client::new();
    let ask = || {
        let url = format!("{}{REMIND}", service.base);
        let email = json!({"email": "ann@example.com"});
        inside.post(url).bearer_auth(&token).json(&email).send()
    };
    assert_eq!(ask().await.unwrap().status(), 200);
    service.limit_descriptors(service.descriptors() as u64);
    let lines = program.log().lines().count();
    let crowd = connect(&service, 50);
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(ask().await.unwrap().status(), 200);
    }
    // The log is written beside the answers: those to us, and at least one complaint.
    let written = || program.log().lines().count().saturating_sub(lines + 20);
    let deadline = Instant::now() + PATIENCE;
    while written() == 0 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let complaints = written();
    println!("{complaints} lines in two seconds without descriptors");
    assert!((1..50).contains(&complaints), "{}", program.log());
    service.limit_descriptors(1024);
    println!("recovered in {:.1?}", heals(&service).await);
    drop(crowd);
    assert!(!program.log().contains("panicked"), "{}", program.log());
    assert_eq!(service.terminate(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn l03_a_log_that_nobody_takes_stops_nothing() {
    let (read, write) = pipe().unwrap();
    let (gone, closed) = pipe().unwrap();
    drop(gone);
    let full = std::fs::File::options().write(true).open("/dev/full");
    let sinks = [
        ("blocked", write.into()),
        ("closed", closed.into()),
        ("full", full.unwrap().into()),
    ];
    for (name, sink) in sinks {
        let program = program();
        let client = program.json(&["client", "add", "Quotes", "--scope", "password:remind"]);
        let command = program.command(&["serve"]);
        let mut service = program.serve_into(command, sink).await;
        let token = service.token(&client).await;
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .build()
            .unwrap();
        // Each is a line of some 300 bytes; a pipe has room for 64 KiB.
        for number in 0..600 {
            let request = http.post(format!("{}{REMIND}", service.base));
            let request = request.bearer_auth(&token);
            let email = format!("u{number}@example.com");
            let reply = Reply::of(request.json(&json!({"email": email})).send().await.unwrap());
            assert_eq!(reply.await.said(), "200 reminder_sent", "{name}");
        }
        let begun = Instant::now();
        assert_eq!(service.terminate(), Some(0), "{name}");
        println!("{name}: stopped in {:.1?}", begun.elapsed());
    }
    // The pipe was full, or it would have proved nothing.
    let mut kept = Vec::new();
    let mut read = read;
    read.read_to_end(&mut kept).unwrap();
    assert!((60_000..200_000).contains(&kept.len()), "{}", kept.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d15_memory_and_descriptors_stay_flat_under_steady_load() {
    let mut program = program();
    program.set("UNFORGET_PASSWORD__BCRYPT_COST", "10");
    let scopes = "password:remind password:reset password:verify";
    let client = program.json(&["client", "add", "Quotes", "--scope", scopes]);
    let service = program.serve().await;
    let token = service.token(&client).await;
    let seconds = rounds(12);
    let (begun, mut samples) = (Instant::now(), Vec::new());
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    for round in 0.. {
        ticks.tick().await;
        // A new connection each, as from callers who do not stay.
        let email = format!("u{round}@example.com");
        let (path, body, status) = match round % 10 {
            0 => (
                "verify",
                json!({"email": email, "password": "wrong one"}),
                400,
            ),
            1..4 => ("check", json!({"token": "uf_rt_x"}), 400),
            _ => ("remind", json!({"email": email}), 200),
        };
        let path = format!("/v1/password/{path}");
        assert_eq!(service.post(&path, &token, body).await.status, status);
        if round % 3 == 0 {
            service.token(&client).await;
        }
        let at = begun.elapsed().as_secs_f64();
        if round % 2 == 0 || at > seconds as f64 {
            samples.push((at, service.memory(), service.descriptors()));
        }
        if at > seconds as f64 && samples.len() >= 20 {
            break;
        }
    }
    // What a new process has not yet filled, its caches, is filled in the first half.
    let later = &samples[samples.len() / 2..];
    let memory: Vec<_> = later
        .iter()
        .map(|(at, kib, _)| (*at, *kib as f64))
        .collect();
    let growth = slope(&memory);
    let descriptors: Vec<_> = later.iter().map(|(_, _, count)| *count).collect();
    let (least, most) = (descriptors.iter().min(), descriptors.iter().max());
    println!(
        "{growth:.1} KiB/s; {least:?} to {most:?} descriptors; {:?}",
        samples.last()
    );
    assert!(
        growth < if seconds > 100 { 20.0 } else { 800.0 },
        "{growth} KiB/s"
    );
    assert!(most.unwrap() - least.unwrap() < 15, "{descriptors:?}");
}

/// The median of the slopes between all pairs (Theil and Sen): single steps do not matter.
fn slope(points: &[(f64, f64)]) -> f64 {
    let mut slopes = Vec::new();
    for (index, (x, y)) in points.iter().enumerate() {
        slopes.extend(points[..index].iter().map(|(x0, y0)| (y - y0) / (x - x0)));
    }
    slopes.sort_by(f64::total_cmp);
    slopes[slopes.len() / 2]
}

#[test]
fn the_slope_of_a_leak_is_found_among_steps() {
    let leak: Vec<_> = (0..50)
        .map(|n| (f64::from(n), f64::from(n * 3 + (n % 7) * 5)))
        .collect();
    assert!((slope(&leak) - 3.0).abs() < 0.3);
    let step: Vec<_> = (0..50)
        .map(|n| (f64::from(n), if n < 10 { 0.0 } else { 900.0 }))
        .collect();
    assert!(slope(&step).abs() < 0.001);
}
