//! Whoever asks learns nothing of who has an account: at every route that takes an address, the raw answers for all kinds of accounts
//! are the same bytes, but for what differs between any two answers (F01, F03, F15, F23, F24; how long they take is `timing.rs`'s).
//!
//! The contracts of OCARIoT and SWIFT take no address: they name a user by an id, or by the user's own token.

use std::collections::BTreeSet;

use unforget::domain::{Client, ClientId};
use unforget::flows::By;
use unforget::storage::clients;

use crate::accounts::{CHANGE, FULL_APP, SESSIONS, VERIFY, WRONG};
use crate::both;
use crate::contracts::garbage;
use crate::helpers::{APP, Backend, OLD_PASSWORD, TestApp};
use crate::recovery::{REMIND, RESET, user_ref};
use crate::smtp::Behaviour;

const PAGE_CLIENT: &str = "uf_cl_page";
/// What can stand behind an address. The mails to `bounces` are refused by the mail server.
const KINDS: [&str; 5] = ["known", "unknown", "disabled", "newcomer", "bounces"];
/// Failures in a row after which the pause outlasts the test.
const MANY: i64 = 20;

/// A call that names an address: `EMAIL` stands for it, `PASSWORD` for one that is not the account's.
struct Route {
    method: &'static str,
    path: &'static str,
    json: bool,
    body: &'static str,
}

const fn json(method: &'static str, path: &'static str, body: &'static str) -> Route {
    Route {
        method,
        path,
        json: true,
        body,
    }
}

const fn form(path: &'static str, body: &'static str) -> Route {
    Route {
        method: "POST",
        path,
        json: false,
        body,
    }
}

/// Those that send a mail.
const ASKING: [Route; 6] = [
    json("POST", REMIND, r#"{"email":"EMAIL"}"#),
    form(REMIND, "email=EMAIL"),
    json("POST", "/auth/reset/password-email", r#"{"email":"EMAIL"}"#),
    json(
        "POST",
        "/api/v1/users/password",
        r#"{"user":{"email":"EMAIL"}}"#,
    ),
    json("POST", "/forgot", r#"{"email":"EMAIL"}"#),
    form("/forgot", "email=EMAIL"),
];

/// Those that compare a password.
const GUESSING: [Route; 3] = [
    json("POST", VERIFY, r#"{"email":"EMAIL","password":"PASSWORD"}"#),
    json(
        "POST",
        SESSIONS,
        r#"{"email":"EMAIL","password":"PASSWORD"}"#,
    ),
    json(
        "PUT",
        CHANGE,
        r#"{"email":"EMAIL","old_password":"PASSWORD","password":"a new secret"}"#,
    ),
];

/// Those that use a link up.
const LINKING: [Route; 2] = [
    json(
        "POST",
        RESET,
        r#"{"email":"EMAIL","token":"LINK","password":"a new secret"}"#,
    ),
    form(RESET, "email=EMAIL&token=LINK&password=a+new+secret"),
];

/// Fields whose value is of the moment, or of the one request.
const OF_THE_MOMENT: [&str; 4] = ["date", "x-runtime", "etag", "retry-after"];

impl Route {
    fn ask(&self, app: &TestApp, token: &str, email: &str, password: &str, link: &str) -> String {
        let body = self.body.replace("EMAIL", email);
        let body = body.replace("PASSWORD", password).replace("LINK", link);
        let kind = if self.json {
            "json"
        } else {
            "x-www-form-urlencoded"
        };
        let (method, path) = (self.method, self.path);
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/{kind}\r\nContent-Length: {}\r\n",
            body.len()
        );
        if path != "/forgot" {
            head += &format!("Authorization: Bearer {token}\r\n");
        }
        masked(&app.raw(format!("{head}\r\n{body}").as_bytes()))
    }
}

/// An answer with every id made the same, and the values that are of the moment left out.
fn masked(answer: &str) -> String {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let mut lines = Vec::new();
    for line in head.lines() {
        let name = line
            .split(':')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        let kept = if OF_THE_MOMENT.contains(&name.as_str()) {
            &name
        } else {
            line
        };
        lines.push(without_ids(kept));
    }
    // The service puts them in another order each time.
    lines[1..].sort();
    format!("{}\n\n{}", lines.join("\n"), without_ids(body))
}

fn without_ids(text: &str) -> String {
    let mut masked = text.to_owned();
    for at in 0..text.len() {
        let word = text.get(at..at + 36);
        if word.is_some_and(|word| uuid::Uuid::try_parse(word).is_ok()) {
            masked.replace_range(at..at + 36, &"#".repeat(36));
        }
    }
    masked
}

/// A service whose page works, with one account of each kind for each of these routes.
async fn start(backend: Backend, routes: usize) -> TestApp {
    let app = TestApp::start_with(backend, |settings| {
        settings.page_client = Some(ClientId::new(PAGE_CLIENT));
        settings.recovery.per_hour = 2;
        settings.recovery.cooldown = chrono::TimeDelta::zero();
    })
    .await;
    let (name, scopes) = ("Our accounts".parse().unwrap(), APP.parse().unwrap());
    let client = Client::new(ClientId::new(PAGE_CLIENT), name, scopes, app.clock.now());
    let stored = app
        .flows
        .storage
        .write(move |c| clients::insert(c, &client));
    stored.await.unwrap();
    for route in 0..routes {
        for kind in ["known", "disabled", "bounces"] {
            app.user(&address(kind, route)).await;
        }
        app.user_without_password(&address("newcomer", route)).await;
        let disabled = user_ref(&address("disabled", route));
        assert!(
            app.flows
                .disable_user(By::Operator, disabled, true)
                .await
                .unwrap()
        );
    }
    app
}

fn address(kind: &str, route: usize) -> String {
    format!("{kind}@route{route}.example")
}

/// What all kinds are answered, which must be the same.
fn one_answer(app: &TestApp, token: &str, route: &Route, number: usize, link: &str) -> String {
    let answers = KINDS.map(|kind| {
        // Even the right password tells nothing of an account that is switched off.
        let password = if kind == "disabled" {
            OLD_PASSWORD
        } else {
            WRONG
        };
        route.ask(app, token, &address(kind, number), password, link)
    });
    for (kind, answer) in KINDS.iter().zip(&answers) {
        assert_eq!(
            answer, &answers[0],
            "{} {}: {kind}",
            route.method, route.path
        );
    }
    answers[0].clone()
}

both! {
    async fn f01_f03_asking_for_a_mail_is_answered_in_the_same_bytes_for_every_account(backend: Backend) {
        let app = start(backend, ASKING.len()).await;
        app.sink.behave(Behaviour::no_such_user());
        let token = app.token(APP).await;
        for (number, route) in ASKING.iter().enumerate() {
            // Allowed, allowed once more while the first mail is refused, and too often.
            let codes: Vec<_> = [0, 1, 2]
                .map(|_| one_answer(&app, &token, route, number, "")[9..12].to_owned())
                .into();
            assert!(codes[0].starts_with('2') && codes[1] == codes[0], "{codes:?}");
            assert_eq!(codes[2], "429", "{}", route.path);
        }
        app.quiet().await;
        let states: BTreeSet<_> = app.flows.list_mails(None, 1000).await.unwrap().into_iter().map(|mail| mail.state).collect();
        assert_eq!(states.into_iter().collect::<Vec<_>>(), ["failed", "skipped"]);
    }

    async fn f23_f24_a_wrong_password_is_answered_in_the_same_bytes_for_every_account(backend: Backend) {
        let app = start(backend, GUESSING.len()).await;
        let token = app.lasting_token(FULL_APP).await;
        for (number, route) in GUESSING.iter().enumerate() {
            let answer = one_answer(&app, &token, route, number, "");
            assert!(answer.contains("wrong_credentials"), "{answer}");
            for kind in KINDS {
                app.let_fail(&address(kind, number), MANY).await;
            }
            // One more guess, and all of them have to wait.
            let codes = [0, 1].map(|_| one_answer(&app, &token, route, number, "")[9..12].to_owned());
            assert_eq!(codes, ["400", "429"], "{}", route.path);
        }
    }

    async fn f15_a_dead_link_is_answered_in_the_same_bytes_for_every_account(backend: Backend) {
        let app = start(backend, LINKING.len()).await;
        let token = app.token(APP).await;
        app.user("ann@example.com").await;
        let another = app.mailed_token(&token, "ann@example.com").await;
        for (number, route) in LINKING.iter().enumerate() {
            let [foreign, unknown] = [another.as_str(), &garbage()].map(|link| one_answer(&app, &token, route, number, link));
            assert_eq!(foreign, unknown);
            assert!(foreign.contains("wrong_token"), "{foreign}");
        }
        assert_eq!(app.check(&token, &another).await.said(), "200 token_valid");
    }
}

#[test]
fn f01_the_mask_hides_what_is_of_the_moment_and_nothing_else() {
    let answer = |id: &str, date: &str, word: &str| {
        masked(&format!(
            "HTTP/1.1 200 OK\r\nDate: {date}\r\nX-Request-Id: {id}\r\n\r\n{{\"é\":\"{id}\",\"x\":\"{word}\"}}"
        ))
    };
    let (one, other) = (
        "0191e0a0-0000-7000-8000-000000000000",
        "0191e0a0-ffff-7000-8000-ffffffffffff",
    );
    assert_eq!(answer(one, "now", "a"), answer(other, "later", "a"));
    assert_ne!(answer(one, "now", "a"), answer(one, "now", "b"));
}
