//! `user export FILE`, and `backup FILE`: what becomes of what stands at the path, and of others who write there at the same time.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::both;
use crate::helpers::{Backend, Database, Program};
use crate::import::{file, program, user, users};
use crate::startup::refused;

/// A program whose database has many pages of users.
fn program_with_many(url: &str) -> Program {
    let program = program(url);
    let lines: String = (0..2500)
        .map(|n| format!("user{n}@example.com\n"))
        .collect();
    let path = file(&program, "in.csv", format!("email\n{lines}"));
    assert_eq!(program.json(&["user", "import", &path])["added"], 2500);
    program
}

/// The names of what is in the program's folder and begins so.
fn names(program: &Program, beginning: &str) -> Vec<String> {
    let entries = fs::read_dir(program.folder.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.contains(beginning)).collect();
    names.sort();
    names
}

both! {
    async fn exports_to_one_file_at_the_same_time_do_not_spoil_each_other(backend: Backend) {
        let database = Database::create(backend);
        let program = program_with_many(&database.url());
        // Whoever owns this had nothing to do with it.
        file(&program, "out.jsonl.partial", "mine");
        let all: Vec<_> = (0..6)
            .map(|_| program.command(&["user", "export", "out.jsonl"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap())
            .collect();
        for child in all {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let text = fs::read_to_string(program.folder.path().join("out.jsonl")).unwrap();
            assert!(text.ends_with('\n') && text.lines().count() == 2500);
        }
        assert_eq!(names(&program, "out.jsonl"), ["out.jsonl", "out.jsonl.partial"]);
        assert_eq!(fs::read_to_string(program.folder.path().join("out.jsonl.partial")).unwrap(), "mine");
    }

    async fn an_export_that_fails_leaves_what_was_there_and_nothing_else(backend: Backend) {
        let database = Database::create(backend);
        let program = program_with_many(&database.url());
        let path = file(&program, "out.jsonl", "old");
        // As on a full disk: no file may grow beyond this, and the database is only read.
        let export = program.command(&["user", "export", &path]);
        let output = Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f 300; exec \"$@\"", "sh"])
            .arg(export.get_program())
            .args(export.get_args())
            .current_dir(program.folder.path())
            .envs(export.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .output()
            .unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && err.contains("cannot write"), "{err}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(&program, "out.jsonl"), ["out.jsonl"]);
    }

    async fn what_is_no_file_is_written_into_and_a_link_stays_one(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database.url());
        program.json(&["user", "add", "ann@example.com"]);
        let whole = users(&program, &["export"]).1;
        let folder = program.folder.path().to_owned();

        // The target is replaced, and the link is not.
        fs::create_dir(folder.join("backups")).unwrap();
        fs::write(folder.join("backups/real.jsonl"), "old").unwrap();
        symlink("backups/real.jsonl", folder.join("link.jsonl")).unwrap();
        assert_eq!(users(&program, &["export", "link.jsonl"]).0, 0);
        assert!(folder.join("link.jsonl").is_symlink());
        assert_eq!(fs::read_to_string(folder.join("backups/real.jsonl")).unwrap(), whole);

        // Standard output by a name of it: nothing but the users.
        symlink("/proc/self/fd/1", folder.join("out.jsonl")).unwrap();
        assert_eq!(users(&program, &["export", "out.jsonl"]), (0, whole.clone(), String::new()));
        assert!(folder.join("out.jsonl").is_symlink());

        let pipe = folder.join("pipe.jsonl");
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read_to_string(pipe).unwrap()
        });
        assert_eq!(users(&program, &["export", "pipe.jsonl"]).0, 0);
        assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
        assert_eq!(reader.join().unwrap(), whole);
        assert_eq!(names(&program, "partial"), [""; 0]);
    }
}

/// Both commands that write a file refuse this path in one line, which says this.
fn is_refused(program: &Program, path: &Path, words: &str) {
    let path = path.to_str().unwrap();
    for arguments in [
        &["backup", path, "--force"][..],
        &["user", "export", path, "--format", "jsonl"],
    ] {
        let line = refused(&mut program.command(arguments));
        assert!(line.contains(words), "{arguments:?}: {line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d12_no_file_of_a_database_is_replaced() {
    let database = Database::create(Backend::Sqlite);
    let program = program(&database.url());
    program.json(&["user", "add", "ann@example.com"]);
    let (home, own) = (database.folder().unwrap(), program.folder.path().to_owned());
    let file = home.join("unforget.db");
    let number = || fs::metadata(&file).unwrap().ino();
    let before = number();
    symlink(&file, own.join("link.db")).unwrap();
    symlink(&home, own.join("home")).unwrap();
    fs::hard_link(&file, own.join("name.db")).unwrap();
    let beside = ["-wal", "-shm", "-journal"].map(|end| home.join(format!("unforget.db{end}")));
    assert!(!beside[0].exists(), "nobody has it open");
    let all = || {
        let links = [
            "link.db",
            "name.db",
            "home/unforget.db",
            "home/unforget.db-wal",
        ];
        let links = links.iter().map(|name| own.join(name));
        for path in [file.clone()]
            .into_iter()
            .chain(beside.clone())
            .chain(links)
        {
            is_refused(
                &program,
                &path,
                "it is the database itself or belongs to it",
            );
        }
    };
    all();
    let service = program.serve().await;
    assert!(beside[0].exists(), "the service has it open");
    all();
    // Nor does whoever means another database.
    let other = Database::create(Backend::Sqlite);
    let stranger = crate::import::program(&other.url());
    assert!(stranger.run(&["migrate"]).status.success());
    for path in [&file, &beside[0], &beside[1]] {
        is_refused(&stranger, path, "it belongs to a database that is in use");
    }
    assert_eq!(number(), before);
    drop(service);
    assert_eq!(names(&program, "partial"), [""; 0]);
    assert_eq!(
        user(&program, "ann@example.com")["email"],
        "ann@example.com"
    );
    program.json(&["backup", "copy.db"]);
    program.json(&["backup", "copy.db", "--force"]);
}

#[test]
fn d12_a_backup_does_not_wait_for_who_reads_a_pipe() {
    let database = Database::create(Backend::Sqlite);
    let program = program(&database.url());
    assert!(program.run(&["migrate"]).status.success());
    let pipe = program.folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    for arguments in [&["backup", "pipe", "--force"][..], &["backup", "pipe"]] {
        let line = refused(&mut program.command(arguments));
        assert!(line.contains("pipe is no file"), "{line}");
    }
    assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
}
