//! What a mail looks like on the wire (E01 to E07).

use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt;

use chrono::{DateTime, TimeDelta};
use serde_json::json;
use unforget::domain::EmailAddress;
use unforget::flows::By;
use unforget::flows::users::NewUser;
use uuid::Uuid;

use crate::both;
use crate::helpers::{APP, Backend, Program, TestApp};
use crate::smtp::{Mail, Received, assert_clean_line_endings};

/// The headers of every mail: no more, no fewer, each once.
pub(crate) const HEADERS: [&str; 8] = [
    "Auto-Submitted",
    "Content-Type",
    "Date",
    "From",
    "MIME-Version",
    "Message-ID",
    "Subject",
    "To",
];

pub(crate) fn header_names(mail: &Mail) -> Vec<String> {
    let mut names: Vec<_> = mail.headers().into_iter().map(|(name, _)| name).collect();
    names.sort();
    names
}

/// The reset mail that a client of this name makes us send.
pub(crate) async fn mail_of(app: &TestApp, name: &str, email: &str) -> Received {
    let client = app
        .client_with(APP, |new| new.name = name.parse().unwrap())
        .await;
    let token = app.token_of(&client).await;
    let before = app.sink.received().len();
    let reply = app.remind(&token, email).await;
    assert_eq!(reply.said(), "200 reminder_sent");
    app.mails(before + 1).await.remove(before)
}

pub(crate) async fn user_of_language(app: &TestApp, email: &str, locale: Option<&str>) {
    let new = NewUser {
        email: EmailAddress::parse(email).unwrap(),
        password: None,
        password_hash: None,
        locale: locale.map(|l| l.parse().unwrap()),
        profile: serde_json::Map::new(),
    };
    app.flows.add_user(By::Operator, new).await.unwrap();
}

both! {
    async fn e01_a_mail_goes_to_the_stored_address_and_to_nobody_else(app: TestApp) {
        app.user("Ann.Lee@Example.COM").await;
        let token = app.token(APP).await;
        app.remind(&token, "ANN.lee@example.com").await;
        let mail = app.mails(1).await.remove(0);
        assert_eq!(mail.to, ["Ann.Lee@example.com"]);
        assert_eq!(mail.from, "no-reply@unforget.example"); // bounces come back to us
        assert_eq!(mail.parse().header("To").as_deref(), Some("Ann.Lee@example.com"));
        let recipients = app.sink.commands().iter().filter(|line| line.starts_with("RCPT")).count();
        assert_eq!(recipients, 1);
    }

    async fn e02_no_name_of_an_app_becomes_a_header_or_markup(app: TestApp) {
        let dots = ".".repeat(100); // quoted-printable breaks it, so that lines begin with a dot
        let names = [
            "Teen Quotes",
            "<b>x</b><img src=x onerror=alert(1)>",
            "{{99*99}} {% if 1 %} ${HOME} { $until } %s",
            "\"Quotes\" & 'Co' \\",
            "a@b.example, Bcc: eve@evil.example",
            "Bcc: eve@evil.example",
            "Élan 日本語 🦀",
            "007",
            dots.as_str(),
        ];
        for (index, name) in names.into_iter().enumerate() {
            let email = format!("u{index}@example.com");
            user_of_language(&app, &email, None).await;
            let received = mail_of(&app, name, &email).await;
            assert_clean_line_endings(&received.wire);
            let mail = received.parse();
            assert_eq!(header_names(&mail), HEADERS, "{name}");
            assert_eq!(mail.header("Subject"), Some(format!("Reset your password for {name}")));
            assert!(mail.text.contains(&format!("your account at {name}.")), "{}", mail.text);
            for markup in ["<b>", "<img", "\"Quotes\"", "9801"] {
                assert!(!mail.html.contains(markup), "{markup}: {}", mail.html);
            }
            assert_eq!(received.to, [email]);
        }
    }

    async fn e02_no_line_break_gets_past_a_call(app: TestApp) {
        app.user("ann@example.com").await;
        let token = app.token(APP).await;
        let ends = ["\r\nBcc: eve@evil.example", "\nBcc: eve@evil.example", "\r", "\0", "\u{2028}", "\u{85}"];
        for end in ends {
            let body = json!({"email": "ann@example.com", "locale": format!("fr{end}")});
            let reply = app.post("/v1/password/remind", &token, body).await;
            assert_eq!((reply.said(), reply.json()["field"].clone()), ("400 invalid_request".to_owned(), json!("locale")));
            let reply = app.remind(&token, &format!("ann@example.com{end}")).await;
            assert_eq!(reply.said(), "400 wrong_user", "{end:?}");
        }
        assert_eq!(app.remind(&token, "ann@example.com").await.said(), "200 reminder_sent");
        app.quiet().await;
        assert_eq!(app.sink.offered().len(), 1);
    }

    async fn e03_only_crlf_ends_a_line_and_only_the_end_is_a_lone_dot(app: TestApp) {
        user_of_language(&app, "ann@example.com", Some("fr")).await;
        let mail = mail_of(&app, &". . .".repeat(20), "ann@example.com").await;
        let token = app.token(APP).await;
        app.reset(&token, "ann@example.com", &mail.parse().token(), "a new secret").await;
        for mail in app.mails(2).await {
            assert_clean_line_endings(&mail.wire);
            let body = mail.wire.strip_suffix(b"\r\n.\r\n").unwrap();
            assert!(!body.windows(5).any(|w| w == b"\r\n.\r\n"));
            let longest = mail.raw.split(|b| *b == b'\n').map(<[u8]>::len).max();
            assert!(longest <= Some(998), "{longest:?}"); // E07, RFC 5322 section 2.1.1
        }
    }

    async fn e04_e06_e07_the_headers_are_complete_and_say_that_a_machine_wrote(app: TestApp) {
        app.user("ann@example.com").await;
        let before = app.clock.now() - TimeDelta::seconds(1); // a Date has whole seconds
        let received = mail_of(&app, "Teen Quotes", "ann@example.com").await;
        let raw = String::from_utf8(received.raw.clone()).unwrap();
        let mail = received.parse();
        assert_eq!(header_names(&mail), HEADERS); // so no List-Unsubscribe, no Cc, no Reply-To
        let header = |name: &str| mail.header(name).unwrap();
        assert_eq!(header("Auto-Submitted"), "auto-generated");
        assert_eq!(header("MIME-Version"), "1.0");
        assert_eq!(header("Subject"), "Reset your password for Teen Quotes");
        assert!(header("From").ends_with("<no-reply@unforget.example>"), "{}", header("From"));
        assert!(header("Content-Type").starts_with("multipart/alternative"));
        let date = DateTime::parse_from_rfc2822(&header("Date")).unwrap();
        assert!(before <= date && date <= app.clock.now(), "{date}");
        // The last part is what a mail program prefers (RFC 2046 section 5.1.4).
        let text = raw.find("Content-Type: text/plain").unwrap();
        assert!(text < raw.find("Content-Type: text/html").unwrap());
    }

    async fn e05_each_mail_has_a_message_id_of_its_own_in_our_domain(app: TestApp) {
        let mut seen = HashSet::new();
        for email in ["ann@example.com", "bob@example.com"] {
            app.user(email).await;
            let mail = mail_of(&app, "Teen Quotes", email).await.parse();
            let id = mail.header("Message-ID").unwrap();
            let inner = id.strip_prefix('<').and_then(|id| id.strip_suffix("@unforget.example>"));
            assert!(inner.unwrap().parse::<Uuid>().is_ok(), "{id}");
            assert!(seen.insert(id));
        }
    }
}

both! {
    async fn a_mail_folder_gets_one_private_file_for_each_mail(backend: Backend) {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("not/yet/there");
        let app = TestApp::start_with(backend, |s| {
            s.mail.url = format!("file:{}", folder.display()).parse().unwrap();
        })
        .await;
        let token = app.token(APP).await;
        for email in ["ann@example.com", "bob@example.com"] {
            app.user(email).await;
            assert_eq!(app.remind(&token, email).await.said(), "200 reminder_sent");
        }
        app.quiet().await;
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder), 0o700);
        let reports = app.flows.list_mails(None, 10).await.unwrap();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
        for report in reports {
            assert_eq!(report.state, "sent");
            let path = folder.join(format!("{}.eml", report.mail.id));
            assert_eq!(mode(&path), 0o600);
            let text = std::fs::read_to_string(path).unwrap();
            assert!(text.contains(&format!("Message-ID: <{}@unforget.example>\r\n", report.mail.id)));
        }
    }
}

#[test]
fn e02_names_and_languages_with_control_characters_are_never_registered() {
    let program = Program::new(&[]);
    let long = "x".repeat(101);
    let names = [
        "a\rb",
        "a\r\nBcc: eve@evil.example",
        "a\nb",
        "a\tb",
        "\u{1b}[31mred",
        "a\u{85}b",
        "a\u{2028}b",
        "a\u{2029}b",
        "gnp.\u{202e}exe",
        "\u{200b}",
        "\u{200d}",
        "verify at https://evil.example",
        "",
        "  ",
        &long,
    ];
    let bad = |arguments: &[&str], words: &str| {
        let output = program.run(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr.contains(words), "{stderr}");
        assert!(output.stdout.is_empty());
    };
    for name in names {
        bad(
            &["client", "add", name, "--scope", APP],
            "no control or invisible characters",
        );
    }
    let client = ["client", "add", "Quotes", "--scope", APP];
    let user = ["user", "add", "ann@example.com"];
    for locale in ["fr\r\nBcc: eve@evil.example", "../fr", "f"] {
        bad(
            &[&client[..], &["--locale", locale]].concat(),
            "a language tag",
        );
        bad(
            &[&user[..], &["--locale", locale]].concat(),
            "a language tag",
        );
    }
    let url = "https://a.example/\r\nBcc:%20x?t={token}";
    bad(
        &[&client[..], &["--reset-url", url]].concat(),
        "must be absolute",
    );
    assert_eq!(std::fs::read_dir(program.folder.path()).unwrap().count(), 0);
}
