//! The real binary with few descriptors and many worker threads, which have some of their own (D14).

use std::process::Command;

use crate::helpers::Program;

fn program(workers: &str) -> Program {
    Program::new(&[
        ("UNFORGET_WORKERS", workers),
        ("UNFORGET_DATABASE_PARALLEL", "4"),
        ("UNFORGET_MAIL__PARALLEL", "4"),
    ])
}

#[test]
fn d14_more_workers_than_the_descriptors_allow_is_one_line_that_says_what_to_change() {
    for workers in ["8", "16", "1000"] {
        let program = program(workers);
        // It must not go on for ever if it starts.
        let mut command = program.equip(Command::new("timeout"));
        let shell = ["20", "sh", "-c", "ulimit -n 64 && exec \"$0\" serve"];
        command.args(shell).arg(env!("CARGO_BIN_EXE_unforget"));
        let output = command.env("UNFORGET_LISTEN", "127.0.0.1:0").output();
        let output = output.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(
            said.contains("workers") && said.contains("ulimit -n"),
            "{said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d14_workers_that_the_descriptors_allow_leave_some_for_callers() {
    let program = program("4");
    let mut service = program.serve_by(program.serve_after("ulimit -n 64")).await;
    // Two callers for each worker, the connections of the database and of the mail server, and the odd file.
    let idle = service.descriptors();
    assert!(idle <= 64 - 8, "{idle} of 64 descriptors are in use");
    assert_eq!(service.terminate(), Some(0));
}
