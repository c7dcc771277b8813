//! When the database's disk fails: nothing is claimed that is not on it, and the service heals by itself (bar D03).

use std::time::Duration;

use serde_json::json;

use crate::faults::{EIO, ENOSPC, Faults};
use crate::helpers::{PATIENCE, Program, rounds};

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
