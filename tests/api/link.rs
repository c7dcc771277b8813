//! The link in the mail: its secret and where that is not, where the link leads, how long and how many of them live.

use std::fmt::Write;

use chrono::TimeDelta;
use diesel::sql_types::Text;
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, sql_query};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::both;
use crate::delivery::first_failure;
use crate::helpers::{APP, Backend, TestApp};
use crate::recovery::{REMIND, eventually};
use crate::smtp::{Behaviour, DropAt};

const ANN: &str = "ann@example.com";

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

/// Whether these bytes are anywhere in the database: on SQLite in its files, the log of changes included; on PostgreSQL in
/// any column of any table, as text or as bytes.
fn database_holds(app: &TestApp, bytes: &[u8]) -> bool {
    if let Some(folder) = app.database.folder() {
        let files = std::fs::read_dir(folder).unwrap();
        let mut contents = files.map(|file| std::fs::read(file.unwrap().path()).unwrap());
        return contents.any(|content| content.windows(bytes.len()).any(|window| window == bytes));
    }
    #[derive(QueryableByName)]
    struct Line {
        #[diesel(sql_type = Text)]
        line: String,
    }
    let mut connection = PgConnection::establish(&app.database.url()).unwrap();
    let mut lines = |query: String| sql_query(query).load::<Line>(&mut connection).unwrap();
    let tables = lines(
        "SELECT tablename::text AS line FROM pg_tables WHERE schemaname = 'public'".to_owned(),
    );
    assert!(tables.len() > 5, "the tables are somewhere else");
    let (text, hex) = (String::from_utf8_lossy(bytes), hex(bytes));
    tables
        .into_iter()
        .flat_map(|table| {
            lines(format!(
                "SELECT t::text AS line FROM \"{}\" AS t",
                table.line
            ))
        })
        .any(|row| row.line.contains(&*text) || row.line.contains(&hex))
}

/// Asserts that the database knows a token's digest, and no part of the token that would be of use.
fn assert_only_the_digest_is_stored(app: &TestApp, token: &str) {
    assert!(
        database_holds(app, &Sha256::digest(token.as_bytes())),
        "the search finds nothing at all"
    );
    for part in [
        token,
        &token["uf_rt_".len()..],
        &token[6..6 + 43],
        &token[6..6 + 20],
    ] {
        assert!(
            !database_holds(app, part.as_bytes()),
            "the token is stored: {part}"
        );
    }
}

both! {
    async fn f08_a_reset_token_is_long_random_and_safe_in_a_url(app: TestApp) {
        const MANY: usize = 300; // more than a byte of randomness has values
        let token = app.token(APP).await;
        for number in 0..MANY {
            let email = format!("user{number}@example.com");
            app.user_without_password(&email).await;
            assert_eq!(app.remind(&token, &email).await.status, 200);
        }
        let mut seen = std::collections::HashSet::new();
        let mut characters = std::collections::HashSet::new();
        for mail in app.mails(MANY).await {
            let link = mail.parse().token();
            assert_eq!(link.len(), 6 + 43 + 6, "{link}"); // 43 base62 characters carry 256 bits
            assert!(link.starts_with("uf_rt_") && link[6..].chars().all(|c| c.is_ascii_alphanumeric()), "{link}");
            // Nothing in it repeats from one token to the next, as a counter or a time would.
            assert!(seen.insert(link[6..6 + 8].to_owned()), "{link}");
            assert!(seen.insert(link[6 + 35..6 + 43].to_owned()), "{link}");
            characters.extend(link[7..6 + 43].chars());
        }
        assert_eq!(characters.len(), 62);
    }

    async fn f09_the_token_is_in_the_mail_and_nowhere_else(app: TestApp) {
        app.user_without_password(ANN).await;
        let token = app.token(APP).await;
        // The server takes the mail and falls silent: the service has to keep it in its queue and send it again.
        app.sink.behave(Behaviour::drop(DropAt::AfterDotBeforeReply).first(1));
        let queued = app.mailed_token(&token, ANN).await;
        assert_only_the_digest_is_stored(&app, &queued);
        // By the time of the second try the mail is a retry, with a token of its own.
        first_failure(&app).await;
        app.advance(10);
        app.mails(2).await;
        app.quiet().await;
        let sent = app.sink.received()[1].parse().token();
        assert_ne!(sent, queued);
        for link in [&queued, &sent] {
            assert_only_the_digest_is_stored(&app, link);
            assert_eq!(app.check(&token, link).await.said(), "200 token_valid", "whichever copy arrived works");
        }
        assert_eq!(app.reset(&token, ANN, &sent, "a new secret").await.status, 200);
        assert_only_the_digest_is_stored(&app, &sent);
        assert!(!database_holds(&app, b"a new secret"));
    }
}

both! {
    async fn f10_a_link_lives_for_its_lifetime_and_not_a_second_longer(backend: Backend) {
        for lifetime in [TimeDelta::hours(1), TimeDelta::minutes(10)] {
            let app = TestApp::start_with(backend, |settings| {
                settings.recovery.lifetime = lifetime;
                settings.token_lifetime = TimeDelta::hours(5);
            }).await;
            app.user(ANN).await;
            let token = app.token(APP).await;
            let before = app.clock.now();
            let link = app.mailed_token(&token, ANN).await;
            let after = app.clock.now();

            // The clock runs on by itself, so the first look comes a few seconds before the end.
            app.later((before + lifetime - app.clock.now()).num_seconds() - 3).await;
            assert_eq!(app.check(&token, &link).await.said(), "200 token_valid");
            app.later((after + lifetime - app.clock.now()).num_seconds() + 1).await;
            assert_eq!(app.check(&token, &link).await.said(), "400 wrong_token");
            assert_eq!(app.reset(&token, ANN, &link, "a new secret").await.said(), "400 wrong_token");
        }
    }
}

both! {
    async fn f10_the_lifetime_counts_from_the_request_however_late_the_mail(app: TestApp) {
        app.user(ANN).await;
        let token = app.token(APP).await;
        app.sink.behave(Behaviour::later().first(1));
        assert_eq!(app.remind(&token, ANN).await.said(), "200 reminder_sent");
        let asked = app.clock.now();
        eventually("the mail is refused for now", || app.sink.attempts() >= 1).await;
        app.advance(1800);
        let link = app.mails(1).await[0].parse().token();
        let token = app.token(APP).await;
        assert_eq!(app.check(&token, &link).await.said(), "200 token_valid");
        app.later((asked + TimeDelta::hours(1) - app.clock.now()).num_seconds() + 1).await;
        let token = app.token(APP).await;
        assert_eq!(app.check(&token, &link).await.said(), "400 wrong_token");
    }

    async fn f14_the_last_three_links_work_and_a_fourth_ends_the_oldest(app: TestApp) {
        app.user(ANN).await;
        let token = app.token(APP).await;
        let mut links = Vec::new();
        for _ in 0..3 {
            links.push(app.mailed_token(&token, ANN).await);
            app.later(61).await;
        }
        for link in &links {
            assert_eq!(app.check(&token, link).await.said(), "200 token_valid");
        }
        links.push(app.mailed_token(&token, ANN).await);
        let mut said = Vec::new();
        for link in &links {
            said.push(app.check(&token, link).await.said());
        }
        assert_eq!(said, ["400 wrong_token", "200 token_valid", "200 token_valid", "200 token_valid"]);
        assert_eq!(app.reset(&token, ANN, &links[1], "a new secret").await.said(), "200 password_reset");
        for link in &links {
            assert_eq!(app.check(&token, link).await.said(), "400 wrong_token");
        }
    }
}

both! {
    async fn f19_nothing_in_a_request_decides_where_the_link_leads(backend: Backend) {
        // Not even what a trusted proxy says.
        let app = TestApp::start_with(backend, |settings| {
            settings.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        }).await;
        let client = app.client_with(APP, |new| new.reset_url = None).await;
        let token = app.token_of(&client).await;
        let own = app.base.trim_start_matches("http://").to_owned();
        let forgeries = [
            (REMIND, "evil.example", "", 200),
            (REMIND, "evil.example:443", "", 200),
            (REMIND, "unforget.example.evil.example", "", 200),
            (REMIND, "unforget.example:80@evil.example", "", 200),
            (REMIND, &own, "Host: evil.example\r\n", 400),
            (REMIND, &own, "X-Forwarded-Host: evil.example\r\n", 200),
            (REMIND, &own, "X-Forwarded-Proto: http\r\nX-Forwarded-Port: 666\r\nX-Forwarded-Server: evil.example\r\n", 200),
            (REMIND, &own, "Forwarded: for=192.0.2.1;host=evil.example;proto=http\r\n", 200),
            (REMIND, &own, "Origin: https://evil.example\r\nReferer: https://evil.example/\r\nX-Host: evil.example\r\n", 200),
            (REMIND, &own, "X-Original-URL: https://evil.example/\r\nX-Rewrite-URL: https://evil.example/\r\n", 200),
            ("http://evil.example/v1/password/remind", "evil.example", "", 200),
            ("http://evil.example/v1/password/remind", &own, "", 200),
        ];
        let mut expected = 0;
        for (number, (target, host, extra, status)) in forgeries.into_iter().enumerate() {
            let email = format!("user{number}@example.com");
            app.user_without_password(&email).await;
            let body = json!({"email": email}).to_string();
            let request = format!(
                "POST {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\nConnection: close\r\n{extra}\r\n{body}",
                body.len()
            );
            let answer = app.raw(request.as_bytes());
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
            assert!(!answer.contains("evil"), "{answer}");
            expected += usize::from(status == 200);
        }
        app.quiet().await;
        let mails = app.mails(expected).await;
        assert_eq!(mails.len(), expected);
        for mail in mails {
            let raw = String::from_utf8_lossy(&mail.raw).into_owned();
            assert!(!raw.contains("evil"), "{raw}");
            let mail = mail.parse();
            let link = format!("https://unforget.example/reset#token={}", mail.token());
            assert!(mail.text.contains(&format!("\n{link}\r\n")) || mail.text.contains(&format!("\n{link}\n")), "{}", mail.text);
            assert!(mail.html.contains(&format!("href=\"{link}\"")), "{}", mail.html);
            assert_eq!(mail.text.matches("://").count(), 1, "{}", mail.text);
        }
    }
}

both! {
    async fn the_link_is_the_clients_template_with_the_values_encoded(app: TestApp) {
        let email = "o'neil+tag@bücher.example";
        let encoded = "o%27neil%2Btag%40xn--bcher-kva.example";
        for (number, (template, locale, link)) in [
            ("https://quotes.example/reset?token={token}", "en", "https://quotes.example/reset?token=TOKEN".to_owned()),
            ("https://quotes.example/{locale}/#/reset/{token}/{email}", "fr-CA", format!("https://quotes.example/fr/#/reset/TOKEN/{encoded}")),
            ("https://quotes.example/?e={email}&t={token}&l={locale}", "en", format!("https://quotes.example/?e={encoded}&t=TOKEN&l=en")),
            ("quotes://reset?t={token}&e={email}", "en", format!("quotes://reset?t=TOKEN&e={encoded}")),
        ].into_iter().enumerate() {
            // Another user each time: the address of the one before is in its cool-down.
            let email = format!("{number}{email}");
            let link = link.replace(encoded, &format!("{number}{encoded}"));
            app.user_without_password(&email).await;
            let client = app.client_with(APP, |new| new.reset_url = Some(template.parse().unwrap())).await;
            let token = app.token_of(&client).await;
            let reply = app.post(REMIND, &token, json!({"email": email, "locale": locale})).await;
            assert_eq!(reply.said(), "200 reminder_sent");
            let mail = app.mails(number + 1).await[number].parse();
            let link = link.replace("TOKEN", &mail.token());
            assert!(mail.text.lines().any(|line| line == link), "{link}: {}", mail.text);
            assert!(mail.html.replace("&amp;", "&").replace("&#38;", "&").contains(&format!("href=\"{link}\"")), "{link}: {}", mail.html);
            assert_eq!(app.check(&token, &mail.token()).await.said(), "200 token_valid");
        }
    }
}
