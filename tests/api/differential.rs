//! The same few hundred calls, right ones and wrong ones, on SQLite and on PostgreSQL: the answers are the same octet by octet, but
//! for ids, tokens and times (bar D07), and so is what stands in lists (bar D08).
#![expect(clippy::print_stdout, reason = "what was measured")]

use std::collections::HashSet;

use serde_json::{Value, json};
use unforget::domain::EmailAddress;

use crate::accounts::{CHANGE, FULL_APP, NEW, SESSIONS, USERS, VERIFY};
use crate::helpers::{APP, Backend, OLD_PASSWORD, Program, Reply, TestApp};

/// Addresses that databases are tempted to treat each in its own way: case of other alphabets, forms of one letter, the dotted I,
/// trailing spaces, wildcards, octets that no text may have.
const ADDRESSES: [&str; 24] = [
    "ann@example.com",
    "ANN@EXAMPLE.COM",
    "Zoe@example.com",
    "anna@example.com",
    "_ann@example.com",
    "a%@example.com",
    "a_n@example.com",
    "ann+tag@example.com",
    "o'ann@example.com",
    "ünal@example.com",
    "ÜNAL@example.com",
    "u\u{308}nal@example.com",
    "straße@exämple.de",
    "STRASSE@EXÄMPLE.DE",
    "ΟΔΟΣ@example.com",
    "οδος@example.com",
    "İstanbul@example.com",
    "istanbul@example.com",
    "ﬁ@example.com",
    "😀@example.com",
    "ann @example.com",
    "ann\u{0}@example.com",
    "ann@",
    "",
];

/// Numbers and texts that a column may cut, round or refuse.
fn profiles() -> Vec<Value> {
    vec![
        json!({"n": [9_007_199_254_740_993_i64, u64::MAX, i64::MIN, 0.1, 1e300, -0.0, 5e-324]}),
        json!({"text": "\u{1}\u{7f}\u{fffd}\u{10ffff} trailing  ", "": {"": []}}),
        json!({"nul": "a\u{0}b"}),
        json!({"b": 1, "a": 2, "B": 3}),
        json!({"long": "ä".repeat(3000)}),
        json!(null),
        json!([1]),
    ]
}

/// An answer with what must differ taken out: digits of times, ids, and secrets but for their kind.
fn normal(text: &str) -> String {
    let mut all = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
        let (before, from) = rest.split_at(start);
        let of_word = |c: char| !(c.is_ascii_alphanumeric() || "_-:.+".contains(c));
        let (word, after) = from.split_at(from.find(of_word).unwrap_or(from.len()));
        all.push_str(before);
        if uuid::Uuid::parse_str(word).is_ok() {
            all.push_str("ID");
        } else if word.starts_with("uf_") && word.len() > 20 {
            all.push_str(&word[..6]);
        } else if chrono::DateTime::parse_from_rfc3339(word).is_ok() {
            // How many digits there are says which precision was kept.
            all.extend(
                word.chars()
                    .map(|c| if c.is_ascii_digit() { '0' } else { c }),
            );
        } else {
            all.push_str(word);
        }
        rest = after;
    }
    all + rest
}

/// Status, headers and body, as they are compared.
fn told(reply: &Reply) -> String {
    const TIMES: [&str; 6] = [
        "date",
        "retry-after",
        "x-runtime",
        "x-ratelimit-reset",
        "etag",
        "expires",
    ];
    let mut headers: Vec<_> = reply
        .headers
        .iter()
        .map(|(name, value)| match name.as_str() {
            name if TIMES.contains(&name) => name.to_owned(),
            name => format!("{name}: {}", normal(value.to_str().unwrap())),
        })
        .collect();
    headers.sort();
    format!(
        "{} {}\n{}",
        reply.status,
        headers.join("; "),
        normal(&reply.text)
    )
}

/// What was asked and what was answered.
struct Record<'a> {
    app: &'a TestApp,
    calls: Vec<(String, String)>,
}

impl Record<'_> {
    async fn call(&mut self, method: &str, path: &str, token: &str, body: &Value) -> Reply {
        let mut request = self.app.request(method, path).bearer_auth(token);
        if !body.is_null() {
            request = request.json(body);
        }
        self.send(&format!("{method} {path} {body}"), request).await
    }

    async fn send(&mut self, name: &str, request: reqwest::RequestBuilder) -> Reply {
        let reply = Reply::of(request.send().await.unwrap()).await;
        self.calls.push((normal(name), told(&reply)));
        reply
    }
}

/// The calls. What depends on an earlier answer uses it: an id, a token.
async fn record(app: &TestApp) -> Vec<(String, String)> {
    let admin = app
        .lasting_token("users:read users:write users:resetPassword users:disclose")
        .await;
    let full = app.lasting_token(FULL_APP).await;
    let disclosing = app
        .lasting_token("password:remind password:reset users:disclose")
        .await;
    let mut record = Record {
        app,
        calls: Vec::new(),
    };
    let mut ids = Vec::new();
    for email in ADDRESSES {
        let body = json!({"email": email, "password": OLD_PASSWORD});
        let reply = record.call("POST", USERS, &admin, &body).await;
        if reply.status == 201 {
            ids.push(reply.json()["user"]["id"].as_str().unwrap().to_owned());
        }
    }
    for email in ADDRESSES {
        let upper = email.to_uppercase();
        for name in [email, &upper] {
            let query: String = url_encoded(name);
            let path = format!("{USERS}?email={query}");
            record.call("GET", &path, &admin, &Value::Null).await;
            let body = json!({"email": name, "password": OLD_PASSWORD});
            record.call("POST", VERIFY, &full, &body).await;
        }
        let body = json!({"email": email, "password": "not the secret"});
        record.call("POST", SESSIONS, &full, &body).await;
        for token in [&full, &disclosing] {
            record
                .call(
                    "POST",
                    "/v1/password/remind",
                    token,
                    &json!({"email": email}),
                )
                .await;
        }
        let reset = json!({"email": email, "token": "uf_rt_x", "password": NEW});
        record
            .call("POST", "/v1/password/reset", &disclosing, &reset)
            .await;
        let change = json!({"email": email, "old_password": "no", "password": NEW});
        record.call("PUT", CHANGE, &full, &change).await;
    }
    for (number, profile) in profiles().iter().enumerate() {
        let body = json!({"email": format!("p{number}@example.com"), "profile": profile});
        let reply = record.call("POST", USERS, &admin, &body).await;
        if reply.status == 201 {
            let id = reply.json()["user"]["id"].as_str().unwrap().to_owned();
            let path = format!("{USERS}/{id}");
            record.call("GET", &path, &admin, &Value::Null).await;
            record
                .call("PATCH", &path, &admin, &json!({"profile": {"n": number}}))
                .await;
            record
                .call("PATCH", &path, &admin, &json!({"email": "ANN@example.com"}))
                .await;
            ids.push(id);
        }
    }
    for id in [
        "",
        "x",
        "00000000-0000-0000-0000-000000000000",
        &ids[0].to_uppercase(),
        "%00",
        "9223372036854775808",
    ] {
        let path = format!("{USERS}/{id}");
        for method in ["GET", "DELETE", "POST"] {
            if method != "DELETE" || id != ids[0].to_uppercase() {
                record.call(method, &path, &admin, &Value::Null).await;
            }
        }
    }
    for password in [
        "",
        "short",
        "a\u{0}bcdefg",
        "ünïcödé",
        "u\u{308}ni\u{308}code",
        &"x".repeat(71),
        &"x".repeat(1024),
        &"x".repeat(1025),
    ] {
        let path = format!("{USERS}/{}/password", ids[1]);
        record
            .call("PUT", &path, &admin, &json!({"password": password}))
            .await;
        let body = json!({"email": "zoe@example.com", "password": password});
        record.call("POST", VERIFY, &full, &body).await;
    }
    for body in [
        "",
        "{",
        "null",
        "[]",
        "{\"email\":1}",
        "{\"email\":\"a@b.de\",\"email\":\"a@b.de\"}",
        "{\"email\":\"\u{0}\"}",
        "{\"email\":\"\\u0000\"}",
        "{\"email\":\"\\ud800\"}",
    ] {
        for path in ["/v1/password/remind", VERIFY, "/v1/password/check"] {
            let request = app.request("POST", path).bearer_auth(&full);
            let request = request
                .header("content-type", "application/json")
                .body(body.to_owned());
            record.send(&format!("POST {path} {body:?}"), request).await;
        }
    }
    let mailed = app.mails(1).await;
    let first = mailed
        .iter()
        .find(|mail| mail.to[0].eq_ignore_ascii_case("ann@example.com"));
    if let Some(reset) = first.map(|mail| mail.parse().token()) {
        record
            .call(
                "POST",
                "/v1/password/check",
                &full,
                &json!({"token": reset}),
            )
            .await;
        for _ in 0..2 {
            let body = json!({"email": "ann@example.com", "token": reset, "password": NEW});
            record
                .call("POST", "/v1/password/reset", &full, &body)
                .await;
        }
    }
    for id in &ids {
        let path = format!("{USERS}/{id}");
        record.call("DELETE", &path, &admin, &Value::Null).await;
        record.call("GET", &path, &admin, &Value::Null).await;
    }
    record.calls
}

fn url_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d07_a_record_of_calls_is_answered_with_the_same_octets_on_both_databases() {
    let (sqlite, postgres) = tokio::join!(
        TestApp::start(Backend::Sqlite),
        TestApp::start(Backend::Postgres)
    );
    let (ours, theirs) = tokio::join!(record(&sqlite), record(&postgres));
    println!("{} calls", ours.len());
    assert!(ours.len() > 300);
    let mut kinds: Vec<_> = ours.iter().map(|(_, told)| &told[..3]).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert!(kinds.len() > 5, "{kinds:?}");
    assert!(
        !kinds.contains(&"500"),
        "{:?}",
        ours.iter().find(|(_, told)| told.starts_with("500"))
    );
    for ((call, ours), (same, theirs)) in ours.iter().zip(&theirs) {
        assert_eq!(call, same);
        assert_eq!(ours, theirs, "{call}");
    }
    assert_eq!(ours.len(), theirs.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d08_lists_come_in_the_same_order_on_both_databases() {
    let mut lists = Vec::new();
    let hash = bcrypt::hash(OLD_PASSWORD, 4).unwrap();
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let app = TestApp::start(backend).await;
        let mut known = HashSet::new();
        for email in ADDRESSES {
            if EmailAddress::parse(email).is_ok_and(|email| known.insert(email.key())) {
                app.user_with_hash(email, &hash).await;
                app.advance(1); // ids of one millisecond are in no order
            }
        }
        assert!(known.len() > 10);
        for name in ["zebra", "Zebra", "Äpfel", "apple", "_", "10", "9"] {
            app.client_with(APP, |new| new.name = name.parse().unwrap())
                .await;
            app.advance(1);
        }
        let program = Program::new(&[("DATABASE_URL", &app.database.url())]);
        let all = [
            ["user", "list", "--json"].as_slice(),
            &["client", "list", "--json"],
            &["audit", "--json"],
            &["user", "export", "-"],
        ];
        let printed = all.map(|arguments| {
            let output = program.run(arguments);
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(text.len() > 500, "{arguments:?}: {text}");
            normal(&text)
        });
        lists.push(printed);
    }
    let theirs = lists.pop().unwrap();
    for (ours, theirs) in lists[0].iter().zip(&theirs) {
        assert_eq!(ours, theirs);
    }
}

#[test]
fn what_is_compared_keeps_all_but_what_must_differ() {
    let id = "01976f5e-7f3c-7a1b-8c2d-0123456789ab";
    let token = format!("uf_rt_{}", "x".repeat(49));
    let text = format!(
        "{{\"id\":\"{id}\",\"t\":\"{token}\",\"at\":\"2026-11-22T12:00:00.123456Z\",\"n\":17}}"
    );
    let expected =
        "{\"id\":\"ID\",\"t\":\"uf_rt_\",\"at\":\"0000-00-00T00:00:00.000000Z\",\"n\":17}";
    assert_eq!(normal(&text), expected);
}
