//! `user import` over users who exist, after it was killed, and beside a running service.

use serde_json::json;

use crate::both;
use crate::helpers::{Backend, Database, Program, TestApp};
use crate::import::{DJANGO, PHP, count, file, program, user, users};
use crate::smtp::SmtpSink;

both! {
    async fn the_same_file_again_changes_nothing_and_another_one_only_with_update(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database.url());
        let text = |name: &str, hash: &str| format!("email,password_hash,name\nann@example.com,{hash},{name}\n");
        let path = file(&program, "users.csv", text("Ann", DJANGO));
        assert!(users(&program, &["import", &path]).1.starts_with("Added 1,"));
        let before = user(&program, "ann@example.com");
        for options in [&[][..], &["--update"]] {
            let (code, out, _) = users(&program, &[&["import", &path], options].concat());
            assert_eq!((code, out.as_str()), (0, "Added 0, updated 0, left 1 as they were, refused 0.\n"));
        }
        let path = file(&program, "users.csv", text("Anna", PHP));
        let (code, _, err) = users(&program, &["import", &path]);
        assert_eq!(code, 1);
        assert!(err.starts_with("line 2: there is a user with this address already, with other data\n"), "{err}");
        assert_eq!(user(&program, "ann@example.com"), before);
        let (_, out, _) = users(&program, &["import", &path, "--update", "--dry-run"]);
        assert_eq!(out, "Would have added 0, updated 1, left 0 as they were, refused 0. Nothing was changed.\n");
        assert_eq!(user(&program, "ann@example.com"), before);
        let (code, out, _) = users(&program, &["import", &path, "--update"]);
        assert_eq!((code, out.as_str()), (0, "Added 0, updated 1, left 0 as they were, refused 0.\n"));
        assert_eq!(user(&program, "ann@example.com")["profile"], json!({"name": "Anna"}));
        assert!(users(&program, &["export"]).1.contains(PHP));
        // Ids never change, and are one user's.
        let id = before["id"].as_str().unwrap();
        let other = "5a8e5a4c-8f1e-4f0e-9d2c-111111111111";
        let lines = format!("{{\"email\": \"ann@example.com\", \"id\": \"{other}\"}}\n{{\"email\": \"bob@example.com\", \"id\": \"{id}\"}}\n");
        let path = file(&program, "users.jsonl", lines);
        for options in [&["--dry-run", "--update"][..], &[], &["--update"]] {
            let (_, _, err) = users(&program, &[&["import", &path], options].concat());
            assert!(err.contains("line 1: there is a user with this address already, under another id\nline 2: another user has this id\n"), "{err}");
        }
    }

    async fn update_never_brings_back_a_password_that_was_changed_here(backend: Backend) {
        let app = TestApp::start(backend).await;
        let program = program(&app.database.url());
        let path = file(&program, "users.csv", format!("email,password_hash\nann@example.com,{DJANGO}\n"));
        users(&program, &["import", &path]);
        let token = app.token("password:remind password:reset password:verify sessions:create").await;
        let credentials = |password: &str| json!({"email": "ann@example.com", "password": password});
        let session = app.post("/v1/sessions", &token, credentials("correct horse")).await;
        assert_eq!(session.said(), "201 session_created");
        // The other system's newer password is taken, for nothing was set here yet; what came with the old one ends.
        let path = file(&program, "users.csv", format!("email,password_hash\nann@example.com,{PHP}\n"));
        assert!(users(&program, &["import", &path, "--update"]).1.contains("updated 1"));
        assert_eq!(app.stored_hash("ann@example.com").await, PHP);
        let mine = session.json()["access_token"].as_str().unwrap().to_owned();
        let change = json!({"old_password": "correct horse", "password": "another secret"});
        let request = app.request("PUT", "/v1/password").bearer_auth(&mine).json(&change);
        assert_eq!(request.send().await.unwrap().status(), 401);

        let link = app.mailed_token(&token, "ann@example.com").await;
        assert_eq!(app.reset(&token, "ann@example.com", &link, "a new secret").await.said(), "200 password_reset");
        let (code, out, err) = users(&program, &["import", &path, "--update"]);
        assert_eq!((code, out.as_str()), (0, "Added 0, updated 0, left 1 as they were, refused 0.\n"), "{err}");
        assert!(app.password_is("ann@example.com", "a new secret").await);
        // Unless the file says that its password is newer still.
        let dated = format!("email,password_hash,password_changed_at\nann@example.com,{PHP},2999-01-01T00:00:00Z\n");
        let path = file(&program, "users.csv", dated);
        assert!(users(&program, &["import", &path, "--update"]).1.contains("updated 1"));
        assert_eq!(app.stored_hash("ann@example.com").await, PHP);
    }
}

both! {
    async fn an_import_that_was_killed_is_completed_by_the_next_one(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database.url());
        let lines: String = (0..12_000).map(|n| format!("user{n}@example.com,{PHP},{n}\n")).collect();
        let path = file(&program, "users.csv", format!("email,password_hash,number\n{lines}"));
        program.json(&["migrate"]);
        let mut child = program.command(&["user", "import", &path]).spawn().unwrap();
        crate::recovery::eventually("some are in", || count(&program) > 0).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let before = count(&program);
        assert!(before < 12_000, "it was over before it was killed");
        assert_eq!(before % 500, 0, "batches are in as a whole or not at all");
        let report = program.json(&["user", "import", &path]);
        assert_eq!((report["added"].as_u64(), report["unchanged"].as_u64()), (Some(12_000 - before as u64), Some(before as u64)));
        assert_eq!((report["refused"].as_u64(), count(&program)), (Some(0), 12_000));
    }

    async fn the_service_answers_while_users_are_taken_over(backend: Backend) {
        let (database, sink) = (Database::create(backend), SmtpSink::start().await);
        let program = Program::new(&[("DATABASE_URL", &database.url()), ("UNFORGET_MAIL__URL", &sink.url()), ("UNFORGET_LIMITS__ENABLED", "false")]);
        let client = program.json(&["client", "add", "Quotes", "--scope", "password:remind", "--reset-url", "https://quotes.example/{token}"]);
        let service = program.serve().await;
        let token = service.token(&client).await;
        let lines: String = (0..3_000).map(|n| format!("user{n}@example.com,{PHP}\n")).collect();
        let path = file(&program, "users.csv", format!("email,password_hash\n{lines}"));
        let mut import = program.command(&["user", "import", &path]).spawn().unwrap();
        let mut asked = 0;
        let status = loop {
            let email = format!("user{asked}@example.com");
            let reply = service.post("/v1/password/remind", &token, json!({"email": email})).await;
            assert_eq!(reply.said(), "200 reminder_sent");
            asked += 1;
            if let Some(status) = import.try_wait().unwrap() {
                break status;
            }
        };
        assert!(status.success() && asked > 1, "{asked} calls");
        assert_eq!(count(&program), 3_000);
    }
}
