//! The built-in page at `/forgot`: whoever asks is answered the same (bar F01), on behalf of the client that the configuration
//! names.

use serde_json::{Value, json};
use unforget::domain::{Client, ClientId, Locale};
use unforget::flows::By;
use unforget::storage::{clients, mails};

use crate::both;
use crate::helpers::{APP, Backend, Database, Program, Reply, TestApp};
use crate::http_headers::sent;
use crate::page::{assert_is_page, assert_is_whole};
use crate::recovery::{
    assert_refused, eventually, reminder_sent, shape, user_ref, wrong_field, wrong_user,
};

const PAGE_CLIENT: &str = "uf_cl_page";
const ANN: &str = "ann@example.com";

/// A service whose page acts on behalf of a client with these scopes.
async fn start(backend: Backend, scopes: &str) -> TestApp {
    let app = start_without_client(backend).await;
    let (name, scopes) = ("Our accounts".parse().unwrap(), scopes.parse().unwrap());
    let client = Client::new(ClientId::new(PAGE_CLIENT), name, scopes, app.clock.now());
    let stored = app
        .flows
        .storage
        .write(move |c| clients::insert(c, &client));
    stored.await.unwrap();
    app
}

/// A service whose configuration names a client that nobody has registered.
async fn start_without_client(backend: Backend) -> TestApp {
    TestApp::start_with(backend, |settings| {
        settings.page_client = Some(ClientId::new(PAGE_CLIENT));
        settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
    .await
}

async fn forgot(app: &TestApp, email: &str) -> Reply {
    app.page_post("/forgot", json!({"email": email})).await
}

fn to(email: &str) -> Value {
    json!({"email": email})
}

both! {
    async fn a_visitor_asks_for_a_link_and_it_works(backend: Backend) {
        let app = start(backend, APP).await;
        app.user(ANN).await;
        let reply = forgot(&app, "Ann@Example.com").await;
        assert_eq!((reply.status, reply.json()), (200, reminder_sent()));
        let mail = app.mails(1).await.remove(0);
        assert_eq!(mail.to, [ANN]);
        let mail = mail.parse();
        assert_eq!(mail.header("Subject").as_deref(), Some("Reset your password for Our accounts"));
        let link = mail.token();
        assert!(mail.text.contains(&format!("https://unforget.example/reset#token={link}")), "{}", mail.text);
        let body = json!({"token": link, "password": "a new secret", "password_confirmation": "a new secret"});
        assert_eq!(app.page_post("/reset", body).await.said(), "200 password_reset");
        assert!(app.password_is(ANN, "a new secret").await);
    }

    async fn f20_the_page_has_its_policy_and_its_methods(backend: Backend) {
        let app = start(backend, APP).await;
        for (wish, language, title) in [("en", "en", "Forgot your password?"), ("fr", "fr", "Mot de passe oublié\u{a0}?")] {
            let page = sent(app.request("GET", "/forgot").header("accept-language", wish)).await;
            assert_is_page(&page, language);
            assert_is_whole(&page.text);
            assert!(page.text.contains(&format!("<title>{title}</title>")), "{}", page.text);
            assert_is_page(&sent(app.request("HEAD", "/forgot").header("accept-language", wish)).await, language);
        }
        for method in ["PUT", "PATCH", "DELETE"] {
            let reply = sent(app.request(method, "/forgot")).await;
            assert_eq!((reply.status, reply.header("allow")), (405, "GET, HEAD, POST"));
        }
        // Now the other page leads here.
        assert!(sent(app.request("GET", "/reset")).await.text.contains("href=\"forgot\""));
    }

    async fn f01_the_answer_is_the_same_for_every_kind_of_account(backend: Backend) {
        // Also when the client may know: a visitor may not.
        let app = start(backend, "password:remind users:disclose").await;
        for email in [ANN, "off@example.com", "gone@example.com"] {
            app.user(email).await;
        }
        assert!(app.flows.disable_user(By::Operator, user_ref("off@example.com"), true).await.unwrap());
        assert!(app.flows.delete_user(By::Operator, user_ref("gone@example.com")).await.unwrap());
        let expected = forgot(&app, ANN).await;
        assert_eq!(expected.said(), "200 reminder_sent");
        for (what, email) in [
            ("in its cool-down", ANN),
            ("unknown", "nobody@example.com"),
            ("unknown, in its cool-down", "nobody@example.com"),
            ("disabled", "off@example.com"),
            ("deleted", "gone@example.com"),
        ] {
            let reply = forgot(&app, email).await;
            assert_eq!((shape(&reply), &reply.text), (shape(&expected), &expected.text), "{what}");
        }
        app.quiet().await;
        assert_eq!(app.sink.received().len(), 1);
    }

    async fn f29_an_address_that_is_asked_for_too_often_is_refused_known_or_not(backend: Backend) {
        let app = start(backend, APP).await;
        app.user(ANN).await;
        let mut shapes = Vec::new();
        for email in [ANN, "bob@example.com"] {
            for _ in 0..5 {
                assert_eq!(forgot(&app, email).await.said(), "200 reminder_sent");
                app.later(61).await;
            }
            let reply = forgot(&app, email).await;
            assert_eq!(reply.said(), "429 too_many_requests");
            assert!(reply.header("retry-after").parse::<i64>().unwrap() > 3000, "{reply:?}");
            shapes.push(shape(&reply));
        }
        assert_eq!(shapes[0], shapes[1]);
    }

    async fn f01_without_its_client_the_answer_is_the_same_and_nothing_is_sent(backend: Backend) {
        let app = start(backend, APP).await;
        app.user(ANN).await;
        assert!(app.flows.disable_client(By::Operator, ClientId::new(PAGE_CLIENT), true).await.unwrap());
        let disabled = forgot(&app, ANN).await;
        assert!(app.flows.delete_client(By::Operator, ClientId::new(PAGE_CLIENT)).await.unwrap());
        let deleted = forgot(&app, ANN).await;
        for reply in [disabled, deleted] {
            assert_eq!((reply.status, reply.json()), (200, reminder_sent()));
        }
        let queued = app.flows.storage.read(|c| mails::list(c, None, 10)).await.unwrap();
        assert!(queued.is_empty(), "{queued:?}");
    }

    async fn the_mail_is_in_the_language_of_the_request_if_we_speak_it_else_in_the_accounts(backend: Backend) {
        let app = start(backend, APP).await;
        let fr: Locale = "fr".parse().unwrap();
        for (number, (wish, account, subject)) in [
            ("fr-CA, en;q=0.5", None, "Réinitialisez"),
            ("en", Some(&fr), "Reset"),
            ("de", Some(&fr), "Réinitialisez"),
            ("", Some(&fr), "Réinitialisez"),
            ("de", None, "Reset"),
        ].into_iter().enumerate() {
            let email = format!("user{number}@example.com");
            app.user_with_locale(&email, account.cloned()).await;
            let reply = sent(app.request("POST", "/forgot").header("accept-language", wish).json(&to(&email))).await;
            assert_eq!(reply.said(), "200 reminder_sent");
            let mail = app.mails(number + 1).await[number].parse();
            assert!(mail.header("Subject").unwrap().starts_with(subject), "{wish} {account:?}");
        }
    }

    async fn what_a_visitor_sends_is_read_strictly(backend: Backend) {
        let app = start(backend, APP).await;
        for (body, expected) in [
            (json!({}), wrong_field("email")),
            (json!({"email": 7}), wrong_field("email")),
            (to("ann"), wrong_user()),
            (to("ann@example.com, bob@example.com"), wrong_user()),
        ] {
            assert_refused(&app.page_post("/forgot", body.clone()).await, 400, &expected, &body.to_string());
        }
        assert_refused(&app.page_post("/forgot?email=ann@example.com", json!({})).await, 400, &wrong_field("email"), "in the query");
    }

    async fn f19_nothing_in_a_visitors_request_decides_where_the_link_leads(backend: Backend) {
        let app = start(backend, APP).await;
        let own = app.base.trim_start_matches("http://").to_owned();
        let forgeries = [
            ("/forgot", "evil.example", ""),
            ("/forgot", "evil.example:443", ""),
            ("/forgot", "unforget.example:80@evil.example", ""),
            ("/forgot", &own, "X-Forwarded-Host: evil.example\r\n"),
            ("/forgot", &own, "X-Forwarded-Proto: http\r\nX-Forwarded-Port: 666\r\n"),
            ("/forgot", &own, "Forwarded: for=192.0.2.1;host=evil.example;proto=http\r\n"),
            ("/forgot", &own, "Origin: https://evil.example\r\nReferer: https://evil.example/\r\n"),
            ("http://evil.example/forgot", "evil.example", ""),
        ];
        for (number, (target, host, extra)) in forgeries.into_iter().enumerate() {
            let email = format!("user{number}@example.com");
            app.user_without_password(&email).await;
            let body = to(&email).to_string();
            let answer = app.raw(format!(
                "POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
                 Connection: close\r\n{extra}\r\n{body}",
                body.len()
            ).as_bytes());
            assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.contains("evil"), "{answer}");
        }
        for mail in app.mails(8).await {
            assert!(!String::from_utf8_lossy(&mail.raw).contains("evil"));
            let mail = mail.parse();
            assert!(mail.text.contains(&format!("https://unforget.example/reset#token={}", mail.token())), "{}", mail.text);
        }
    }
}

both! {
    async fn without_a_client_in_the_configuration_there_is_no_such_page(app: TestApp) {
        app.user(ANN).await;
        for method in ["GET", "HEAD", "POST", "PUT", "OPTIONS"] {
            let reply = sent(app.request(method, "/forgot").json(&to(ANN))).await;
            assert_eq!(reply.status, 404, "{method}");
            assert!(method == "HEAD" || reply.said() == "404 not_found", "{reply:?}");
        }
        let page = sent(app.request("GET", "/reset")).await.text;
        assert!(!page.contains("href=\"forgot\""), "{page}");
    }
}

both! {
    async fn an_operator_finds_in_the_log_that_the_pages_client_is_missing(backend: Backend) {
        let database = Database::create(backend);
        let program = Program::new(&[
            ("UNFORGET_DATABASE_URL", &database.url()),
            ("UNFORGET_PAGE__CLIENT", PAGE_CLIENT),
        ]);
        let service = program.serve().await;
        let request = reqwest::Client::new().post(format!("{}/forgot", service.base)).json(&to(ANN));
        assert_eq!(sent(request).await.said(), "200 reminder_sent");
        eventually("the warning is in the log", || {
            program.log().lines().any(|line| line.contains("WARN") && line.contains("page.client") && line.contains(PAGE_CLIENT))
        }).await;
        assert!(!program.log().contains(ANN));
    }
}
