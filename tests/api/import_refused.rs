//! What must not get into a profile, by a file or by a call: passwords and their hashes, at any depth and under any spelling.

use serde_json::{Value, json};

use crate::accounts::{ADMIN, ANN, BOB, USERS};
use crate::both;
use crate::helpers::{Backend, Database, TestApp};
use crate::import::{DJANGO, PHP, count, file, program, user, users};
use crate::recovery::{assert_refused, wrong_field};

/// Profiles that hold a secret.
fn secrets() -> Vec<Value> {
    vec![
        json!({"pw": {"deep": PHP}}),
        json!({"list": [1, ["x", {"y": DJANGO}]]}),
        json!({"hash": PHP.replace("$04$", "$15$")}),
        json!({PHP: true}),
        json!({"passwd": "hunter2"}),
        json!({"Password": "hunter2"}),
        json!({"PASSWORD_HASH": "hunter2"}),
        json!({"a": [{"encryptedPassword": "hunter2"}]}),
        json!({"a": {"hashed-password": {"md5": "hunter2"}}}),
        json!({"pwd": 1234}),
    ]
}

/// One that only looks like it.
fn harmless() -> Value {
    json!({"password_hint": "the dog", "forgot_password_at": 7, "deep": [{"pass": "gold"}], "price": "$2", "password": null})
}

both! {
    async fn no_line_of_json_brings_a_secret_into_a_profile(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database.url());
        let mut lines: Vec<_> = secrets().into_iter().map(|profile| json!({"email": ANN, "profile": profile})).collect();
        for mut line in secrets() {
            line["email"] = json!(ANN);
            lines.push(line);
        }
        // The text that a column of a CSV file would have.
        lines.push(json!({"email": ANN, "profile": secrets()[0].to_string()}));
        let mut text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        text.push_str(&json!({"email": BOB, "password_hash": PHP, "profile": harmless()}).to_string());
        let output = program.run(&["user", "import", &file(&program, "users.jsonl", text), "--json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        for (number, line) in lines.iter().enumerate() {
            assert_eq!(report["lines"][number]["error"], "misplaced_hash", "{line}");
        }
        assert_eq!((&report["added"], count(&program)), (&json!(1), 1));
        assert_eq!(user(&program, BOB)["profile"], harmless());
    }

    async fn no_command_brings_a_secret_into_a_profile(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database.url());
        for profile in [r#"{"Passwd": "hunter2"}"#, r#"{"a": 1, "a": 2}"#] {
            let (code, _, err) = users(&program, &["add", ANN, "--profile", profile]);
            assert!(code != 0 && !err.contains("hunter2"), "{code}: {err}");
        }
        assert_eq!(count(&program), 0);
    }

    async fn a_line_that_says_something_twice_is_refused(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database.url());
        let cases = [
            (r#"{"email": "a@example.com", "email": "b@example.com"}"#, "repeated_key"),
            (r#"{"email": "a@example.com", "deep": [{"x": 1, "x": 1}]}"#, "repeated_key"),
            (r#"{"email": "a@example.com", "profile": "{\"x\": 1, \"x\": 2}"}"#, "repeated_key"),
            (r#"{"email": "a@example.com", "#, "not_an_object"),
            (r#""email""#, "not_an_object"),
        ];
        let text: String = cases.iter().map(|(line, _)| format!("{line}\n")).collect();
        let output = program.run(&["user", "import", &file(&program, "users.jsonl", text), "--json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let said: Vec<_> = report["lines"].as_array().unwrap().iter().map(|line| line["error"].as_str().unwrap()).collect();
        assert_eq!(said, cases.map(|case| case.1));
        assert_eq!(count(&program), 0);
    }

    async fn users_are_shown_with_whether_they_must_change_their_password(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database.url());
        let text = format!("{}\n{}\n", json!({"email": ANN, "password_must_change": true}), json!({"email": BOB}));
        assert_eq!(users(&program, &["import", &file(&program, "users.jsonl", text)]).0, 0);
        for (email, must) in [(ANN, true), (BOB, false)] {
            assert_eq!(user(&program, email)["password_must_change"], must, "{email}");
        }
        let list = users(&program, &["list", "--json"]).1;
        let listed = list.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let must = listed.filter(|user| user["password_must_change"] == true).count();
        assert_eq!((must, list.lines().count()), (1, 2));
    }
}

both! {
    async fn no_call_brings_a_secret_into_a_profile(app: TestApp) {
        let admin = app.token(ADMIN).await;
        let created = app.post(USERS, &admin, json!({"email": BOB, "profile": harmless()})).await;
        assert_eq!((created.status, &created.json()["user"]["profile"]), (201, &harmless()));
        let id: uuid::Uuid = created.json()["user"]["id"].as_str().unwrap().parse().unwrap();
        for profile in secrets() {
            let what = profile.to_string();
            let refused = app.post(USERS, &admin, json!({"email": ANN, "profile": profile.clone()})).await;
            assert_refused(&refused, 400, &wrong_field("profile"), &what);
            let refused = app.patch(&admin, id, json!({"profile": profile})).await;
            assert_refused(&refused, 400, &wrong_field("profile"), &what);
        }
        let stored = app.stored_user(BOB).await;
        assert_eq!(Value::Object(stored.profile), harmless());
    }
}

#[test]
fn a_column_that_is_named_for_a_secret_is_refused_whatever_its_case() {
    let program = program("sqlite://unforget.db");
    for name in [
        "Password",
        "passwd",
        "PASSWORD_HASH",
        "pwd",
        "Encrypted Password",
    ] {
        let path = file(&program, "users.csv", format!("email,{name}\n{ANN},x\n"));
        let (code, _, err) = users(&program, &["import", &path]);
        assert!(
            code == 1 && err.contains("there is a column `password`"),
            "{name}: {err}"
        );
    }
}
