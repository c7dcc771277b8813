//! `unforget audit --follow`: nothing is lost and nothing comes twice, and it ends when it is told to or when nobody reads.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use unforget::storage::audit::record;
use unforget::storage::{AnyConnection, StorageError};

use crate::audit_storage::{entry, open};
use crate::both;
use crate::helpers::{Backend, Database, PATIENCE, Program};
use crate::recovery::eventually;

fn follow(program: &Program, arguments: &[&str]) -> (Child, ChildStdout) {
    let mut command = program.command(&[&["audit", "--follow"], arguments].concat());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let output = child.stdout.take().unwrap();
    (child, output)
}

async fn exit_code(mut child: Child) -> Option<i32> {
    let mut code = None;
    eventually("the command ends", || {
        code = child.try_wait().unwrap();
        code.is_some()
    })
    .await;
    code.unwrap().code()
}

both! {
    async fn what_many_write_at_once_comes_once_each_also_what_commits_late(backend: Backend) {
        let database = Database::create(backend);
        let nodes = [open(&database), open(&database)];
        for number in 0..3 {
            nodes[0].write(move |c| record(c, &entry(number))).await.unwrap();
        }
        let program = Program::new(&[("DATABASE_URL", &database.url())]);
        let (child, output) = follow(&program, &["--json"]);
        let seen = Arc::<Mutex<Vec<usize>>>::default();
        let reader = {
            let seen = Arc::clone(&seen);
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines() {
                    let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
                    seen.lock().unwrap().push(line["request_id"].as_str().unwrap().parse().unwrap());
                }
            })
        };
        let count = || seen.lock().unwrap().len();
        eventually("what was there is printed", || count() == 3).await;

        // Written now, and visible after all that comes later. On SQLite there is one writer, so nothing can overtake another.
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (began, begun) = std::sync::mpsc::channel::<()>();
        let late = entry(3);
        let storage = nodes[0].clone();
        let late = tokio::spawn(async move {
            if backend == Backend::Sqlite {
                began.send(()).unwrap();
                let _released = tokio::task::block_in_place(|| held.recv());
            }
            let work = move |c: &mut AnyConnection| -> Result<(), StorageError> {
                record(c, &late)?;
                if backend == Backend::Postgres {
                    began.send(()).unwrap();
                    let _released = held.recv();
                }
                Ok(())
            };
            storage.write(work).await
        });
        tokio::task::block_in_place(|| begun.recv()).unwrap();
        let writers = (0..8).map(|writer: usize| {
            let storage = nodes[writer % 2].clone();
            tokio::spawn(async move {
                for number in 0..50 {
                    let number = 4 + writer * 50 + number;
                    storage.write_one(move |c| record(c, &entry(number))).await.unwrap();
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        eventually("all that is visible is printed", || count() == 403).await;
        drop(release);
        late.await.unwrap().unwrap();
        eventually("the late one is printed", || count() == 404).await;
        // Another look prints nothing again.
        nodes[1].write_one(|c| record(c, &entry(404))).await.unwrap();
        eventually("the last one is printed", || count() >= 405).await;

        let id = child.id().to_string();
        assert!(Command::new("sh").args(["-c", &format!("kill -INT {id}")]).status().unwrap().success());
        assert_eq!(exit_code(child).await, Some(0));
        reader.join().unwrap();
        let mut seen = seen.lock().unwrap().clone();
        seen.sort_unstable();
        assert_eq!(seen, (0..405).collect::<Vec<_>>());
    }

    async fn it_begins_with_the_newest_that_were_asked_for(backend: Backend) {
        let database = Database::create(backend);
        let storage = open(&database);
        for number in 0..5 {
            storage.write(move |c| record(c, &entry(number))).await.unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await; // ids of one millisecond have no order
        }
        let program = Program::new(&[("DATABASE_URL", &database.url())]);
        let (child, output) = follow(&program, &["--json", "--limit", "2"]);
        let mut lines = BufReader::new(output).lines();
        let mut number = || {
            let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
            line["request_id"].as_str().unwrap().to_owned()
        };
        let first = tokio::task::block_in_place(|| [number(), number()]);
        assert_eq!(first, ["3", "4"]);
        storage.write(|c| record(c, &entry(5))).await.unwrap();
        assert_eq!(tokio::task::block_in_place(&mut number), "5");
        drop(lines);
        assert_eq!(exit_code(child).await, Some(0));
    }

    async fn it_ends_when_nobody_reads_any_more_though_nothing_happens(backend: Backend) {
        let database = Database::create(backend);
        drop(open(&database));
        let program = Program::new(&[("DATABASE_URL", &database.url())]);
        let (child, output) = follow(&program, &[]);
        let mut header = String::new();
        let mut output = BufReader::new(output);
        tokio::task::block_in_place(|| output.read_line(&mut header)).unwrap();
        assert!(header.starts_with("TIME"), "{header}");
        drop(output);
        let ended = tokio::time::timeout(PATIENCE, exit_code(child)).await;
        assert_eq!(ended.unwrap(), Some(0));
    }
}
