//! When the database's disk fails: nothing is claimed that is not on it, and the service heals by itself (bar D03).
#![expect(clippy::print_stdout, reason = "what was measured")]

use std::os::unix::fs::FileExt;
use std::process::Command;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use serde_json::json;

use crate::faults::{EIO, ENOSPC, Faults};
use crate::helpers::{APP, Backend, PATIENCE, Program, Reply, Service, TestApp, rounds};
use crate::smtp::SmtpSink;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d03_a_disk_that_fails_is_a_503_and_heals_by_itself() {
    let (faults, mut program) = (Faults::new(), Program::new(&[]));
    faults.under(&mut program);
    let client = program.json(&["client", "add", "Quotes", "--scope", "password:remind"]);
    let service = program.serve().await;
    let token = service.token(&client).await;
    let remind = |email: &'static str| {
        let body = json!({"email": email});
        service.post("/v1/password/remind", &token, body)
    };
    assert_eq!(remind("a@example.com").await.status, 200);
    for (fail, errno) in std::iter::repeat_n(
        [
            (Faults::fail_writes as fn(&Faults, i64), ENOSPC),
            (Faults::fail_writes, EIO),
            (Faults::fail_syncs, EIO),
        ],
        rounds(1),
    )
    .flatten()
    {
        let refused = faults.refused();
        fail(&faults, errno);
        let reply = remind("b@example.com").await;
        assert_eq!(reply.said(), "503 unavailable", "{reply:?}");
        assert!(!reply.header("retry-after").is_empty());
        assert!(faults.refused() > refused, "the disk was not asked");
        fail(&faults, 0);
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while remind("c@example.com").await.status != 200 {
            assert!(tokio::time::Instant::now() < deadline, "it never heals");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d11_a_program_killed_at_any_write_of_its_first_start_starts_again() {
    for torn in [false, true] {
        let writes = {
            let (faults, mut program) = (Faults::new(), Program::new(&[]));
            faults.under(&mut program);
            assert!(program.run(&["migrate"]).status.success());
            faults.writes()
        };
        assert!(writes > 10, "{writes}");
        let step = usize::try_from(writes).unwrap() / rounds(8);
        for number in (1..=writes).step_by(step.max(1)) {
            let (faults, mut program) = (Faults::new(), Program::new(&[]));
            faults.under(&mut program);
            faults.kill_at_write(number, torn);
            assert!(!program.run(&["migrate"]).status.success());
            faults.kill_nobody();
            let next = program.run(&["migrate"]);
            let stderr = String::from_utf8_lossy(&next.stderr);
            assert!(next.status.success(), "write {number}: {stderr}");
        }
    }
}

const REMIND: &str = "/v1/password/remind";

async fn remind(service: &Service, token: &str, email: &str) -> Reply {
    let body = json!({"email": email});
    service.post(REMIND, token, body).await
}

/// Waits until reminders are taken again, and says how long that took.
async fn healed(service: &Service, token: &str, email: &str) -> Duration {
    let begun = Instant::now();
    while remind(service, token, email).await.status != 200 {
        assert!(begun.elapsed() < PATIENCE, "it never heals");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d03_while_the_disk_fails_what_only_reads_goes_on_and_kill_9_loses_nothing_acknowledged() {
    let (faults, sink) = (Faults::new(), SmtpSink::start().await);
    let mut program = Program::new(&[("UNFORGET_MAIL__URL", &sink.url())]);
    faults.under(&mut program);
    let scopes = "password:remind password:reset users:read tokens:introspect";
    let client = program.json(&["client", "add", "Quotes", "--scope", scopes]);
    program.json(&["user", "add", "ann@example.com"]);
    let mut service = program.serve().await;
    let token = service.token(&client).await;
    assert_eq!(
        remind(&service, &token, "ann@example.com").await.status,
        200
    );
    let mail = sink.wait_for(1, PATIENCE).await[0].parse();
    let mut acknowledged = vec!["ann@example.com".to_owned()];
    let http = reqwest::Client::new();
    let get = |path: &str| {
        http.get(format!("{}{path}", service.base))
            .bearer_auth(&token)
            .send()
    };
    for (round, errno) in [EIO, ENOSPC].into_iter().enumerate() {
        faults.fail_syncs(errno);
        faults.fail_writes(if round == 0 { 0 } else { errno });
        for number in 0..3 {
            let email = format!("refused{round}{number}@example.com");
            assert_eq!(
                remind(&service, &token, &email).await.said(),
                "503 unavailable"
            );
            let body = json!({"token": mail.token()});
            let checked = service.post("/v1/password/check", &token, body).await;
            assert_eq!(checked.said(), "200 token_valid");
            for path in ["/v1/users?email=ann@example.com", "/health/ready"] {
                assert_eq!(get(path).await.unwrap().status(), 200, "{path}");
            }
            let form = http
                .post(format!("{}/oauth/introspect", service.base))
                .bearer_auth(&token);
            let known = Reply::of(form.form(&[("token", &token)]).send().await.unwrap()).await;
            assert_eq!(known.json()["active"], true);
        }
        faults.fail_syncs(0);
        faults.fail_writes(0);
        let email = format!("healed{round}@example.com");
        println!("healed in {:.1?}", healed(&service, &token, &email).await);
        acknowledged.push(email);
    }
    // As little as can be has reached the disk when the process dies.
    faults.fail_syncs(EIO);
    let email = "last@example.com";
    assert_eq!(remind(&service, &token, email).await.status, 503);
    service.kill();
    faults.fail_syncs(0);
    let mut after = program.serve().await;
    let listed = program.json(&["mail", "list"]).as_array().unwrap().len();
    // What was refused because of a failed fsync may still have happened: nobody was told either way that it had.
    assert!(
        (acknowledged.len()..=acknowledged.len() + 1).contains(&listed),
        "{listed}"
    );
    let body = json!({"token": mail.token()});
    let checked = after.post("/v1/password/check", &token, body).await;
    assert_eq!(checked.said(), "200 token_valid");
    assert_eq!(after.terminate(), Some(0));
}

#[test]
fn d03_d13_a_disk_that_fails_at_the_start_is_one_line_and_an_exit_code() {
    for (fail, errno) in [
        (Faults::fail_writes as fn(&Faults, i64), ENOSPC),
        (Faults::fail_writes, EIO),
        (Faults::fail_syncs, EIO),
    ] {
        for command in ["serve", "migrate"] {
            let (faults, mut program) = (
                Faults::new(),
                Program::new(&[("UNFORGET_LISTEN", "127.0.0.1:0")]),
            );
            faults.under(&mut program);
            fail(&faults, errno);
            let output = program.run(&[command]);
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{command}: {stderr}");
            assert_eq!(stderr.trim_end().lines().count(), 1, "{command}: {stderr}");
            assert!(stderr.contains("disk"), "{command}: {stderr}");
            // And nothing of it stays in the way.
            fail(&faults, 0);
            assert!(program.run(&["migrate"]).status.success());
        }
    }
}

/// What lets us mount, as root or as somebody who may be root in a room of their own.
fn may_mount() -> Option<&'static [&'static str]> {
    let ways: [&[&str]; 2] = [&["--mount"], &["--map-root-user", "--mount"]];
    ways.into_iter().find(|way| {
        let mut unshare = Command::new("unshare");
        unshare
            .args(*way)
            .args(["mount", "-t", "tmpfs", "none", "/mnt"]);
        unshare.output().is_ok_and(|output| output.status.success())
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d03_a_disk_that_is_really_full_is_a_503_and_heals_when_there_is_room() {
    let Some(way) = may_mount() else {
        println!(
            "not run: nobody here may mount; the disk that fails on command is tried all the same"
        );
        return;
    };
    let program = Program::new(&[("UNFORGET_LIMITS__ENABLED", "false")]);
    std::fs::create_dir(program.folder.path().join("data")).unwrap();
    let mut command = Command::new("unshare");
    let unforget = env!("CARGO_BIN_EXE_unforget");
    let script = "mount -t tmpfs -o size=2m none data && \
        \"$0\" client add Quotes --scope password:remind --json > client.json && exec \"$0\" serve";
    command.args(way).args(["sh", "-c", script, unforget]);
    let service = program.serve_by(program.equip(command)).await;
    let client = std::fs::read(program.folder.path().join("client.json")).unwrap();
    let token = service
        .token(&serde_json::from_slice(&client).unwrap())
        .await;
    assert_eq!(remind(&service, &token, "a@example.com").await.status, 200);
    // The mount is in the service's own room; this is the way in.
    let inside = format!(
        "/proc/{}/root{}/data/ballast",
        service.id(),
        program.folder.path().display()
    );
    let ballast = std::fs::File::create(&inside).unwrap();
    let mut size = 0;
    while ballast.write_all_at(&[1; 4096], size).is_ok() {
        size += 4096;
    }
    let mut refused = 0;
    for number in 0..200 {
        let reply = remind(&service, &token, &format!("u{number}@example.com")).await;
        if reply.status != 200 {
            assert_eq!(reply.said(), "503 unavailable");
            refused += 1;
        }
    }
    assert!(refused > 0, "the disk was never full");
    std::fs::remove_file(&inside).unwrap();
    drop(ballast);
    println!(
        "{refused} refused; healed in {:.1?}",
        healed(&service, &token, "b@example.com").await
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d04_a_foreign_reader_lets_the_log_grow_and_it_is_cut_when_the_reader_has_gone() {
    let app = TestApp::start(Backend::Sqlite).await;
    let token = app.token(APP).await;
    let folder = app.database.folder().unwrap();
    let open = || {
        let path = folder.join("unforget.db");
        let mut other = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        other.batch_execute("PRAGMA busy_timeout = 10000").unwrap();
        other
    };
    let log = || {
        std::fs::metadata(folder.join("unforget.db-wal"))
            .unwrap()
            .len()
    };
    let (mut reader, mut writer) = (open(), open());
    reader
        .batch_execute("BEGIN; SELECT COUNT(*) FROM users")
        .unwrap();
    writer
        .batch_execute(
            "CREATE TABLE ballast (b BLOB); INSERT INTO ballast VALUES (zeroblob(50000000))",
        )
        .unwrap();
    let grown = log();
    assert!(grown > 48_000_000, "{grown}");
    for number in 0..20 {
        let reply = app.remind(&token, &format!("u{number}@example.com")).await;
        assert_eq!(reply.said(), "200 reminder_sent");
    }
    assert!(log() >= grown, "the reader does not hold it");
    drop(reader);
    let begun = Instant::now();
    while log() > 34_000_000 {
        let reply = app.remind(&token, "again@example.com").await;
        assert_eq!(reply.said(), "200 reminder_sent");
        let email = format!("v{}@example.com", begun.elapsed().as_micros());
        assert_eq!(app.remind(&token, &email).await.status, 200);
        assert!(
            begun.elapsed() < PATIENCE,
            "the log stays at {} octets",
            log()
        );
    }
}
