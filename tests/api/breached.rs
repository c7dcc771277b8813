//! The offline list of breached passwords (P10): what it refuses, where, and what happens when it cannot be read.

use std::path::{Path, PathBuf};

use serde_json::json;
use sha1::{Digest, Sha1};

use crate::both;
use crate::helpers::{APP, Backend, Database, OLD_PASSWORD, Program, Reply, TestApp};
use crate::recovery::{RESET, assert_refused, wrong_password};

const ANN: &str = "ann@example.com";

/// A sorted list of these passwords among a thousand others, as Pwned Passwords comes.
fn list(folder: &Path, passwords: &[&str]) -> PathBuf {
    let others = (0..1000).map(|n| format!("other {n}"));
    let all = passwords.iter().map(|p| (*p).to_owned()).chain(others);
    let line = |password: String| {
        let digest = Sha1::digest(password.as_bytes());
        let digits: String = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        format!("{digits}:{}\r\n", 3 + password.len())
    };
    let mut lines: Vec<_> = all.map(line).collect();
    lines.sort();
    let path = folder.join("breached.txt");
    std::fs::write(&path, lines.concat()).unwrap();
    path
}

async fn app(backend: Backend, list: PathBuf) -> (TestApp, String) {
    let app = TestApp::start_with(backend, |settings| settings.breached = Some(list)).await;
    app.user(ANN).await;
    let token = app.token(APP).await;
    (app, token)
}

both! {
    async fn p10_a_breached_password_is_refused_and_the_link_lives(backend: Backend) {
        let folder = tempfile::tempdir().unwrap();
        let list = list(folder.path(), &["violet umbrella", "tiny", "pât\u{e9} feuillet\u{e9}"]);
        let (app, token) = app(backend, list).await;
        let link = app.mailed_token(&token, ANN).await;
        for (password, reasons) in [
            ("violet umbrella", &["breached"][..]),
            ("tiny", &["too_short", "breached"]),
            ("pa\u{302}te\u{301} feuillete\u{301}", &["breached"]), // the same in NFC
            ("other 999", &["breached"]),
        ] {
            let reply = app.reset(&token, ANN, &link, password).await;
            assert_refused(&reply, 400, &wrong_password(reasons, 6), password);
        }
        let body = json!({"email": ANN, "token": link, "password": "violet umbrella", "password_confirmation": "violet"});
        let reply = app.post(RESET, &token, body).await;
        assert_refused(&reply, 400, &wrong_password(&["breached", "mismatch"], 6), "mismatch");
        // Others that look like it are not on the list.
        assert_eq!(app.reset(&token, ANN, &link, "Violet umbrella").await.said(), "200 password_reset");
        assert!(app.password_is(ANN, "Violet umbrella").await);
    }

    async fn p10_every_way_to_set_a_password_asks_the_list(backend: Backend) {
        let folder = tempfile::tempdir().unwrap();
        let list = list(folder.path(), &["violet umbrella"]);
        let (app, _) = app(backend, list).await;
        let id = app.stored_user(ANN).await.id;
        let token = app.token("password:change users:resetPassword users:write").await;
        let new = "violet umbrella";
        for (method, path, body) in [
            ("PUT", "/v1/password".to_owned(), json!({"email": ANN, "old_password": OLD_PASSWORD, "password": new})),
            ("PUT", format!("/v1/users/{id}/password"), json!({"password": new})),
            ("POST", "/v1/users".to_owned(), json!({"email": "bob@example.com", "password": new})),
        ] {
            let request = app.request(method, &path).bearer_auth(&token).json(&body);
            let reply = Reply::of(request.send().await.unwrap()).await;
            assert_refused(&reply, 400, &wrong_password(&["breached"], 6), &path);
        }
        assert!(app.password_is(ANN, OLD_PASSWORD).await);
    }

    async fn p10_while_the_list_cannot_be_read_no_password_is_taken(backend: Backend) {
        let folder = tempfile::tempdir().unwrap();
        let path = list(folder.path(), &["violet umbrella"]);
        let (app, token) = app(backend, path.clone()).await;
        let link = app.mailed_token(&token, ANN).await;
        let whole = std::fs::read(&path).unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_len(1).unwrap();
        assert_eq!(app.reset(&token, ANN, &link, "a new secret").await.said(), "503 unavailable");
        std::fs::write(&path, whole).unwrap();
        assert_eq!(app.reset(&token, ANN, &link, "a new secret").await.said(), "200 password_reset");
    }

    async fn p10_an_operator_is_refused_too(backend: Backend) {
        let (database, folder) = (Database::create(backend), tempfile::tempdir().unwrap());
        let list = list(folder.path(), &["violet umbrella"]);
        let program = Program::new(&[
            ("DATABASE_URL", &database.url()),
            ("UNFORGET_PASSWORD__BREACHED", list.to_str().unwrap()),
            ("UNFORGET_PASSWORD__BCRYPT_COST", "10"),
        ]);
        let add = ["user", "add", ANN, "--password-stdin"];
        let output = program.run_with_input(&add, "violet umbrella\n");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "unforget: the password is refused: breached\n");
        assert!(program.run_with_input(&add, "violet umbrellas\n").status.success());
    }
}

#[test]
fn p10_a_list_that_cannot_be_used_stops_the_start_and_its_key_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let good = std::fs::read_to_string(list(folder.path(), &[])).unwrap();
    let swapped: String = good.lines().rev().map(|line| format!("{line}\n")).collect();
    let path = folder.path().join("list.txt");
    for (content, reason) in [
        (None, "cannot read the list"),
        (Some(String::new()), "the list is empty"),
        (
            Some("password\n123456\n".to_owned()),
            "at byte 0 there is no line",
        ),
        (Some(good.to_lowercase()), "at byte 0 there is no line"),
        (Some(swapped), "the list is not sorted at byte"),
    ] {
        let _missing = std::fs::remove_file(&path);
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let program = Program::new(&[("UNFORGET_PASSWORD__BREACHED", path.to_str().unwrap())]);
        for command in [&["serve"][..], &["user", "add", "ann@example.com"]] {
            let output = program.run(command);
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert_eq!(
                (output.status.code(), stderr.lines().count()),
                (Some(1), 1),
                "{stderr}"
            );
            assert!(
                stderr.starts_with("unforget: password.breached: ") && stderr.contains(reason),
                "{stderr}"
            );
        }
        assert!(
            !program.folder.path().join("data").exists(),
            "no database was made"
        );
    }
}
