//! `user export`: everything comes out, for nobody else's eyes, and goes into another database as it was.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::both;
use crate::helpers::{Backend, Database};
use crate::import::{DJANGO, file, program, users};

both! {
    async fn export_and_import_move_accounts_to_another_database_as_they_are(backend: Backend) {
        let other = match backend {
            Backend::Sqlite => Backend::Postgres,
            Backend::Postgres => Backend::Sqlite,
        };
        let (from, to) = (Database::create(backend), [Database::create(other), Database::create(other)]);
        let source = program(&from.url());
        let lines = [
            json!({"email": "Ann@example.com", "password_hash": DJANGO, "locale": "fr", "profile": {"name": "Ann, \"A\"\nB", "n": [1, null, {"x": 1.5}], "id": 7}}),
            json!({"email": "bob@bücher.example", "disabled_at": "2021-01-01T00:00:00.000001Z", "password_must_change": true}),
            json!({"email": "cleo@example.com", "password_changed_at": "2021-01-01T00:00:00.5Z", "created_at": "1999-12-31T23:59:59Z"}),
        ];
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let path = file(&source, "in.jsonl", text);
        assert_eq!(users(&source, &["import", &path]).0, 0);
        source.run_with_input(&["user", "add", "dan@example.com", "--password-stdin"], "a first secret");
        let before = users(&source, &["export"]).1;
        assert_eq!(before.lines().count(), 4);

        for (to, format) in to.iter().zip(["csv", "jsonl"]) {
            let path = source.folder.path().join(format!("users.{format}"));
            let path = path.to_str().unwrap();
            assert_eq!(source.json(&["user", "export", path]), json!({"users": 4, "file": path}));
            let target = program(&to.url());
            assert_eq!(target.json(&["user", "import", path])["added"], 4);
            assert_eq!(users(&target, &["export"]).1, before, "{format}");
            assert_eq!(target.json(&["user", "import", path])["unchanged"], 4, "{format}");
        }
        let first: Value = serde_json::from_str(before.lines().find(|line| line.contains("Ann@")).unwrap()).unwrap();
        assert_eq!((&first["password_hash"], &first["profile"]), (&json!(DJANGO), &lines[0]["profile"]));
    }

    async fn only_the_owner_may_read_what_was_exported(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database.url());
        let path = program.folder.path().join("users.csv");
        let name = path.to_str().unwrap();
        // A file of others' making is replaced, and what it allowed is not inherited.
        std::fs::write(&path, "old").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        program.json(&["user", "add", "ann@example.com"]);
        let (code, out, err) = users(&program, &["export", name]);
        assert_eq!((code, err.as_str()), (0, ""));
        assert_eq!(out, format!("Wrote 1 users with their password hashes to {name}.\n"));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("id,email,password_hash,locale,profile,created_at,") && text.lines().count() == 2, "{text}");
        let left: Vec<_> = std::fs::read_dir(program.folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().contains("partial")), "{left:?}");

        let (code, _, err) = users(&program, &["export", "/nowhere/users.csv"]);
        assert!(code == 1 && err.starts_with("unforget: cannot write /nowhere/users.csv: "), "{err}");
        assert!(users(&program, &["export", "users.txt"]).2.contains("--format"));
        let (code, out, _) = users(&program, &["export", "--format", "csv"]);
        assert_eq!((code, out), (0, text));
    }

    async fn an_export_of_many_pages_has_everybody_once(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database.url());
        let lines: String = (0..2500).map(|n| format!("user{n}@example.com\n")).collect();
        let path = file(&program, "users.csv", format!("email\n{lines}"));
        assert_eq!(program.json(&["user", "import", &path])["added"], 2500);
        let out = users(&program, &["export"]).1;
        let emails: std::collections::HashSet<_> = out
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["email"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!((out.lines().count(), emails.len()), (2500, 2500));
    }
}
