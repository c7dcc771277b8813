//! `user import`: what goes in, what is refused, and how that is said.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::both;
use crate::helpers::{Backend, Database, Program, TestApp};

/// Of "correct horse", by Django, PHP and passlib.
pub(crate) const DJANGO: &str =
    "pbkdf2_sha256$1000$yaeMHMcwHcFOgYldpTtDnl$pzQ4rWbcuqcX/FgxG0sLa2dMIIEmKkKBvnEq6WfzFuY=";
pub(crate) const PHP: &str = "$2y$04$xX4XuqBpVPmIFAs/aqwpNe7md5eL9J56gBLWFjTaC09JGuG7XqjLi";
const PHPASS: &str = "$P$5L665k.EFsiBVaYwP0DGjcyfKIi/HJ1";

/// The program on this database.
pub(crate) fn program(url: &str) -> Program {
    Program::new(&[
        ("DATABASE_URL", url),
        ("UNFORGET_MAIL__URL", "smtp+plain://127.0.0.1:9"),
        ("UNFORGET_PASSWORD__BCRYPT_COST", "10"),
    ])
}

/// Writes a file beside the program and returns its path.
pub(crate) fn file(program: &Program, name: &str, content: impl AsRef<[u8]>) -> String {
    let path: PathBuf = program.folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Exit code, standard output, standard error.
pub(crate) fn users(program: &Program, arguments: &[&str]) -> (i32, String, String) {
    let output = program.run(&[&["user"], arguments].concat());
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

pub(crate) fn user(program: &Program, email: &str) -> Value {
    program.json(&["user", "show", email])
}

pub(crate) fn count(program: &Program) -> usize {
    users(program, &["list"]).1.lines().count()
}

both! {
    async fn users_of_a_csv_file_sign_in_with_their_old_passwords(backend: Backend) {
        // What the program is configured to have.
        let app = TestApp::start_with(backend, |settings| settings.bcrypt_cost = 10).await;
        let program = program(&app.database.url());
        // As Excel saves it: with a byte order mark and CRLF; a cell may have lines of its own.
        let csv = format!(
            "\u{feff}email,password_hash,locale,name,note,id\r\n\
             Ann@Example.com,{DJANGO},fr,\"Ann, \"\"A\"\"\",\"two\r\nlines\",17\r\n\r\n\
             bob@bücher.example,{PHP},,Bob,,5a8e5a4c-8f1e-4f0e-9d2c-111111111111\r\n\
             cleo@example.com,!unusable,,,,\r\n\
             dan@example.com,{PHPASS},de_CH,,,"
        );
        let path = file(&program, "users.csv", csv);
        let (code, out, err) = users(&program, &["import", &path]);
        assert_eq!((code, out.as_str(), err.as_str()), (0, "Added 4, updated 0, left 0 as they were, refused 0.\n", ""));

        let ann = user(&program, "ann@example.com");
        assert_eq!((&ann["email"], &ann["locale"]), (&json!("Ann@example.com"), &json!("fr")));
        assert_eq!(ann["profile"], json!({"name": "Ann, \"A\"", "note": "two\r\nlines", "id": "17"}));
        let bob = user(&program, "bob@xn--bcher-kva.example");
        assert_eq!((&bob["id"], &bob["profile"]), (&json!("5a8e5a4c-8f1e-4f0e-9d2c-111111111111"), &json!({"name": "Bob"})));
        assert_eq!(user(&program, "dan@example.com")["locale"], "de-CH");
        assert_eq!(app.stored_user("cleo@example.com").await.password_hash, None);

        let token = app.token("password:verify").await;
        for (email, hash) in [("ann@example.com", DJANGO), ("bob@bücher.example", PHP), ("dan@example.com", PHPASS)] {
            assert_eq!(app.stored_hash(email).await, hash);
            let body = json!({"email": email, "password": "correct horse"});
            assert_eq!(app.post("/v1/password/verify", &token, body).await.said(), "200 password_verified", "{email}");
            assert!(app.stored_hash(email).await.starts_with("$2b$10$"), "p11: {email}");
        }
        // Passwords that were proved here since make no difference: the file has nothing newer.
        let (code, out, err) = users(&program, &["import", &path]);
        assert_eq!((code, out.as_str(), err.as_str()), (0, "Added 0, updated 0, left 4 as they were, refused 0.\n", ""));
    }

    async fn users_of_a_jsonl_file_keep_what_is_nested(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database.url());
        let lines = [
            json!({"email": "ann@example.com", "password_hash": DJANGO, "locale": null, "roles": ["a", {"b": 1}], "profile": {"city": {"zip": 7}, "big": 9_007_199_254_740_993_u64}}),
            json!({"email": "bob@example.com", "created_at": "2020-02-29T12:00:00.123456+01:00", "disabled_at": "2021-01-01T00:00:00Z", "id": 12}),
        ];
        let text: String = lines.iter().map(|line| format!("{line}\n\n")).collect();
        let output = program.run_with_input(&["user", "import", "-", "--format", "jsonl", "--json"], &text);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report, json!({"lines": [], "added": 2, "updated": 0, "unchanged": 0, "refused": 0, "dry_run": false}));
        let ann = user(&program, "ann@example.com");
        assert_eq!(ann["profile"], json!({"roles": ["a", {"b": 1}], "city": {"zip": 7}, "big": 9_007_199_254_740_993_u64}));
        let bob = user(&program, "bob@example.com");
        assert_eq!((&bob["created_at"], &bob["disabled_at"]), (&json!("2020-02-29T11:00:00Z"), &json!("2021-01-01T00:00:00Z")));
        assert_eq!(bob["profile"], json!({"id": 12}));
    }

    async fn each_refused_line_is_named_and_all_others_are_in(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database.url());
        let long = "x".repeat(1 << 20);
        let cases: Vec<(Vec<u8>, &str, &str)> = vec![
            (b"nobody,,,".to_vec(), "malformed_email", "`email` is not a valid e-mail address"),
            (b",,,".to_vec(), "no_email", "`email` is missing"),
            (b"a1@example.com,hunter2,,".to_vec(), "unknown_hash", "the password hash is of no known scheme"),
            (b"a2@example.com,$2y$04$short,,".to_vec(), "malformed_hash", "the password hash is damaged"),
            (format!("a3@example.com,{},,", PHP.replace("$04$", "$15$")).into_bytes(), "too_costly_hash", "the password hash is too costly to verify"),
            (b"a4@example.com,,not a language,".to_vec(), "malformed_value", "`locale` is not a language tag such as en or fr-CA"),
            (b"a5@example.com,,".to_vec(), "columns", "it has 3 columns, the first line has 4"),
            (b"a6@example.com,,,x,y".to_vec(), "columns", "it has 5 columns, the first line has 4"),
            (b"a7@example.com,,,\xff".to_vec(), "not_utf8", "it is not UTF-8"),
            (b"a8@example.com,,,a\0b".to_vec(), "nul", "it holds U+0000"),
            (format!("a9@example.com,,,{long}").into_bytes(), "too_long", "it is longer than 64 KiB"),
            (format!("b1@example.com,,,{PHP}").into_bytes(), "misplaced_hash", "a password or a password hash stands outside of `password_hash`"),
            (b"b2@example.com,,,\"open".to_vec(), "quotes", "it is not well-formed CSV (is a quote not closed?)"),
            (b"GOOD0@example.com,,,".to_vec(), "duplicate", "its address or its id stands in an earlier line already"),
        ];
        let mut csv = b"email,password_hash,locale,note\n".to_vec();
        for (number, (line, ..)) in cases.iter().enumerate() {
            csv.extend_from_slice(format!("good{number}@example.com,{PHP},,\n").as_bytes());
            csv.extend_from_slice(line);
            csv.push(b'\n');
        }
        csv.extend_from_slice(b"last@example.com,,,\"closed\"");
        let path = file(&program, "users.csv", csv);

        for (options, verb, there) in [(&["--dry-run"][..], "Would have added", 0), (&[], "Added", 15)] {
            let (code, out, err) = users(&program, &[&["import", &path], options].concat());
            let tail = if there == 0 { " Nothing was changed." } else { "" };
            assert_eq!((code, out), (1, format!("{verb} 15, updated 0, left 0 as they were, refused 14.{tail}\n")));
            let mut said = err.lines();
            for (number, (_, _, reason)) in cases.iter().enumerate() {
                assert_eq!(said.next(), Some(format!("line {}: {reason}", 2 * number + 3).as_str()));
            }
            let last = if there == 0 { "unforget: refused lines: 14" } else { "unforget: refused lines: 14; all others are in" };
            assert_eq!((said.next(), said.next()), (Some(last), None));
            assert_eq!(count(&program), there);
        }
        let output = program.run(&["user", "import", &path, "--json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&report["added"], &report["unchanged"], &report["refused"]), (&json!(0), &json!(15), &json!(14)));
        for (number, (_, name, reason)) in cases.iter().enumerate() {
            assert_eq!(report["lines"][number], json!({"line": 2 * number + 3, "error": name, "reason": reason}));
        }
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "unforget: refused lines: 14; all others are in\n");
    }

    async fn a_broken_line_of_json_is_refused_and_its_neighbours_are_not(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database.url());
        let long = format!("{{\"email\": \"a@example.com\", \"note\": \"{}\"}}", "x".repeat(1 << 20));
        let cases: Vec<(&[u8], &str)> = vec![
            (b"{", "not_an_object"),
            (b"[]", "not_an_object"),
            (b"{\"email\": \"a@example.com\", \"note\": \"\xff\"}", "not_utf8"),
            (br#"{"email": "a@example.com", "deep": [{"x\u0000": 1}]}"#, "nul"),
            (br#"{"email": "a@example.com", "profile": "{\"x\": \"\\u0000\"}"}"#, "nul"),
            (br#"{"email": 7}"#, "malformed_value"),
            (br#"{"email": null}"#, "no_email"),
            (br#"{"email": "a@example.com", "password": "hunter2"}"#, "misplaced_hash"),
            (br#"{"email": "a@example.com", "profile": {"password": "hunter2"}}"#, "misplaced_hash"),
            (br#"{"email": "a@example.com", "profile": []}"#, "malformed_value"),
            (br#"{"email": "a@example.com", "created_at": "yesterday"}"#, "malformed_value"),
            (br#"{"email": "a@example.com", "password_must_change": 1}"#, "malformed_value"),
            (br#"{"email": "a@example.com", "id": "00000000-0000-0000-0000-000000000000"}"#, "malformed_value"),
            (long.as_bytes(), "too_long"),
        ];
        let mut text = Vec::new();
        for (number, (line, _)) in cases.iter().enumerate() {
            text.extend_from_slice(line);
            text.extend_from_slice(format!("\n{{\"email\": \"good{number}@example.com\"}}\n").as_bytes());
        }
        let path = file(&program, "users.jsonl", text);
        let output = program.run(&["user", "import", &path, "--json"]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let named = report["lines"].as_array().unwrap().iter().map(|line| line["error"].as_str().unwrap());
        assert_eq!(named.collect::<Vec<_>>(), cases.iter().map(|case| case.1).collect::<Vec<_>>());
        assert_eq!((report["added"].as_u64(), count(&program)), (Some(14), 14));
        assert!(!String::from_utf8_lossy(&output.stdout).contains("hunter2"));
    }
}

#[test]
fn what_is_no_list_of_users_is_refused_before_anything_happens() {
    let program = Program::new(&[]);
    let long = format!("email,{}", "x".repeat(100_000));
    for (name, content, reason) in [
        ("a.csv", "", "there is no header line with the columns"),
        ("b.csv", "\n\n", "there is no header line with the columns"),
        (
            "c.csv",
            "mail,password_hash\n",
            "the first line names no column `email`",
        ),
        (
            "d.csv",
            "email;password_hash\n",
            "the first line names no column `email` (columns are separated by commas)",
        ),
        ("e.csv", "email,password\n", "there is a column `password`"),
        (
            "f.csv",
            "email,name,name\n",
            "a column has no name, or two have the same",
        ),
        (
            "g.csv",
            "email,\"name\n",
            "there is no header line with the columns",
        ),
        (
            "h.csv",
            long.as_str(),
            "there is no header line with the columns",
        ),
        (
            "i.txt",
            "email\n",
            "say with --format whether it is csv or jsonl",
        ),
    ] {
        let path = file(&program, name, content);
        let (code, out, err) = users(&program, &["import", &path]);
        assert_eq!(
            (code, out.as_str(), err.lines().count()),
            (1, "", 1),
            "{name}: {err}"
        );
        assert!(err.contains(reason), "{name}: {err}");
    }
    let (code, _, err) = users(&program, &["import", "nowhere.csv"]);
    assert!(
        code == 1 && err.contains("cannot read nowhere.csv"),
        "{err}"
    );
    let (code, _, err) = users(&program, &["import", "-"]);
    assert!(code == 1 && err.contains("--format"), "{err}");
    assert_eq!(
        users(&program, &["import", "a.csv", "--format", "xml"]).0,
        2
    );
}
