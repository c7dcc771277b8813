//! `unforget audit`: which entries, in which order, and how they are written.

use serde_json::Value;
use unforget::storage::audit::record_all;

use crate::accounts::{ANN, BOB, NEW, NOBODY};
use crate::audit_storage::entry;
use crate::both;
use crate::helpers::{APP, Backend, Program, TestApp, TestClient};

/// The entries that the command prints, one line of JSON each.
fn lines(program: &Program, arguments: &[&str]) -> Vec<Value> {
    let output = program.run(&[&["audit", "--json"], arguments].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn acts(program: &Program, arguments: &[&str]) -> Vec<String> {
    let act = |line: Value| {
        let refusal = line["refusal"]
            .as_str()
            .map_or(String::new(), |word| format!(" {word}"));
        format!("{}{refusal}", line["act"].as_str().unwrap())
    };
    lines(program, arguments).into_iter().map(act).collect()
}

both! {
    async fn filters_choose_and_the_order_is_that_of_time(app: TestApp) {
        let program = Program::new(&[("DATABASE_URL", &app.database.url())]);
        assert_eq!(acts(&program, &[]), Vec::<String>::new());
        let client = app.client(APP).await;
        let ann = app.user(ANN).await.to_string();
        let token = app.token_of(&client).await;
        app.check(&token, "nothing").await;
        app.reset(&token, NOBODY, "nothing", NEW).await;
        let other = app.client(APP).await;
        app.token_request(&other, &[("grant_type", "client_credentials"), ("scope", "users:write")]).await;
        let all = ["client.add", "user.add", "token.issue", "password.check wrong_token", "password.reset wrong_token", "client.add", "token.issue invalid_scope"];
        assert_eq!(acts(&program, &[]), all);
        for (arguments, expected) in [
            (vec!["--refused"], vec![all[3], all[4], all[6]]),
            (vec!["--act", "token.issue"], vec![all[2], all[6]]),
            (vec!["--act", "token.issue", "--refused"], vec![all[6]]),
            (vec!["--user", &ann], vec![all[1]]),
            (vec!["--user", "Ann@Example.com"], vec![all[1]]),
            (vec!["--client", &client.id], vec![all[0], all[2], all[3], all[4]]),
            (vec!["--client", &other.id], vec![all[5], all[6]]),
            (vec!["--client", "nobody"], vec![]),
            (vec!["--limit", "2"], vec![all[5], all[6]]),
            (vec!["--limit", "2", "--refused"], vec![all[4], all[6]]),
            (vec!["--limit", "100"], all.to_vec()),
            (vec!["--since", "1h"], all.to_vec()),
            (vec!["--since", "2020-01-01T00:00:00Z"], all.to_vec()),
            (vec!["--until", "1h"], vec![]),
            (vec!["--since", "2h", "--until", "1h"], vec![]),
            (vec!["--since", "0s"], vec![]),
        ] {
            assert_eq!(acts(&program, &arguments), expected, "{arguments:?}");
        }
        let line = &lines(&program, &["--act", "token.issue"])[0];
        assert_eq!((&line["client_id"], &line["address"]), (&client.id.clone().into(), &"127.0.0.0/24".into()));
        let keys: Vec<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["id", "at", "act", "outcome", "refusal", "actor", "client_id", "subject_client", "subject_user", "request_id", "address"]);

        // An operator, a client, and somebody who is not known to be anybody.
        let stranger = TestClient { secret: "not it".to_owned(), ..client.clone() };
        app.token_request(&stranger, &[("grant_type", "client_credentials")]).await;
        let told = |arguments: &[&str]| {
            let line = lines(&program, arguments).pop().unwrap();
            serde_json::json!([line["act"], line["actor"], line["outcome"], line["client_id"]])
        };
        for (arguments, expected) in [
            (vec!["--user", ANN], serde_json::json!(["user.add", "operator", "done", null])),
            (vec!["--act", "password.check"], serde_json::json!(["password.check", client.id, "refused", client.id])),
            (vec!["--act", "client.add"], serde_json::json!(["client.add", "operator", "done", null])),
            (vec!["--limit", "1"], serde_json::json!(["token.issue", null, "refused", null])),
        ] {
            assert_eq!(told(&arguments), expected, "{arguments:?}");
        }

        let text = String::from_utf8(program.run(&["audit", "--user", ANN]).stdout).unwrap();
        let rows: Vec<Vec<_>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(rows[0], ["TIME", "ACT", "OUTCOME", "BY", "TO", "FROM", "REQUEST"]);
        assert_eq!(rows[1][1..], ["user.add", "done", "operator", ann.as_str(), "-", "-"]);
    }

    async fn accounts_that_leave_with_their_hashes_leave_an_entry(app: TestApp) {
        let program = Program::new(&[("DATABASE_URL", &app.database.url())]);
        app.user(ANN).await;
        assert!(program.run(&["user", "export", "-"]).status.success());
        assert_eq!(acts(&program, &[]), ["user.add", "user.export"]);
    }

    async fn wrong_filters_are_told_with_what_would_be_right(app: TestApp) {
        let program = Program::new(&[("DATABASE_URL", &app.database.url())]);
        for (arguments, code, words) in [
            (["--act", "token.isue"], 2, "password.remind"),
            (["--since", "yesterday"], 2, "2026-11-22T08:00:00Z"),
            (["--limit", "0"], 2, "1..=100000"),
            (["--user", "ann"], 1, "give an id or an e-mail address"),
            (["--user", BOB], 1, "nobody has this address"),
        ] {
            let output = program.run(&["audit", arguments[0], arguments[1]]);
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(code), "{stderr}");
            assert!(stderr.contains(words), "{stderr}");
        }
    }

    async fn thousands_of_entries_come_page_by_page_each_once(app: TestApp) {
        let entries: Vec<_> = (0..12_345).map(entry).collect();
        for part in entries.chunks(500) {
            let part = part.to_vec();
            app.flows.storage.write(move |c| record_all(c, &part)).await.unwrap();
        }
        let program = Program::new(&[("DATABASE_URL", &app.database.url())]);
        let mut ids: Vec<_> = entries.iter().map(|entry| entry.id.to_string()).collect();
        ids.sort();
        let of = |lines: Vec<Value>| -> Vec<_> { lines.iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect() };
        assert_eq!(of(lines(&program, &[])), ids);
        assert_eq!(of(lines(&program, &["--limit", "7000"])), ids[5345..]);
        assert_eq!(lines(&program, &["--refused"]).len(), 0);
    }
}
