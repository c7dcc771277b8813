//! E-mail addresses: one rule for equality, look-alikes reach nobody, and one field is one mailbox.

use unforget::domain::EmailAddress;
use unforget::flows::By;
use unforget::flows::users::{AddUserError, NewUser};
use unforget::storage::{StorageError, mails, users};

use crate::both;
use crate::helpers::{APP, Backend, TestApp};
use crate::recovery::{REMIND, assert_refused, reminder_sent, wrong_field, wrong_user};

/// What is stored, what somebody types, and to whom a mail goes.
const LOOK_ALIKES: [(&str, &str, Option<&str>); 20] = [
    // Unicode's upper() and lower() would make these equal.
    ("mike@a.example", "mıke@a.example", None),
    ("ian@a.example", "İan@a.example", None),
    ("boss@a.example", "boſs@a.example", None),
    ("kate@a.example", "\u{212A}ate@a.example", None),
    ("straße@a.example", "STRASSE@a.example", None),
    ("Ödön@a.example", "ödön@a.example", None),
    // NFKC would.
    ("file@a.example", "ﬁle@a.example", None),
    ("full@a.example", "ｆull@a.example", None),
    // Not the same after IDNA either.
    ("ann@mike.example", "ann@mıke.example", None),
    ("ann@strasse.example", "ann@straße.example", None),
    // The same by the rule: ASCII case, and IDNA for the domain. The mail goes to what is stored.
    (
        "Case.Sensitive@a.example",
        "cASE.sENSITIVE@A.EXAMPLE",
        Some("Case.Sensitive@a.example"),
    ),
    (
        "andr\u{e9}@a.example",
        "ANDR\u{e9}@a.example",
        Some("andr\u{e9}@a.example"),
    ),
    (
        "ann@bücher.example",
        "ann@xn--bcher-kva.example",
        Some("ann@xn--bcher-kva.example"),
    ),
    (
        "ann@xn--mller-kva.example",
        "ann@Mu\u{308}ller.example",
        Some("ann@xn--mller-kva.example"),
    ),
    (
        "ann@kelvin.example",
        "ann@\u{212A}elvin.example",
        Some("ann@kelvin.example"),
    ),
    ("ann@long.example", "ann@ﬂong.example", None),
    (
        "ann@office.example",
        "ann@oﬃce.example",
        Some("ann@office.example"),
    ),
    (
        "ann@wide.example",
        "ann@ｗｉｄｅ。example",
        Some("ann@wide.example"),
    ),
    // A tag, or dots, are part of the name: some providers fold them, others have them as different mailboxes.
    ("tag@a.example", "tag+x@a.example", None),
    ("dotted@a.example", "dot.ted@a.example", None),
];

async fn add(app: &TestApp, email: &str) -> Result<(), AddUserError> {
    let new = NewUser {
        email: EmailAddress::parse(email).unwrap_or_else(|error| panic!("{email}: {error}")),
        password: None,
        password_hash: None,
        locale: None,
        profile: serde_json::Map::new(),
    };
    app.flows.add_user(By::Operator, new).await.map(drop)
}

both! {
    async fn f04_a_mail_goes_to_the_stored_address_and_never_to_the_typed_one(app: TestApp) {
        let token = app.token(APP).await;
        for (stored, _, _) in LOOK_ALIKES {
            add(&app, stored).await.unwrap();
        }
        for (_, typed, _) in LOOK_ALIKES {
            let reply = app.remind(&token, typed).await;
            assert_eq!((reply.status, reply.json()), (200, reminder_sent()), "{typed}");
        }
        app.quiet().await;
        let mut recipients: Vec<_> = app.sink.received().into_iter().flat_map(|mail| mail.to).collect();
        let mut expected: Vec<_> = LOOK_ALIKES.iter().filter_map(|(_, _, to)| *to).collect();
        recipients.sort();
        expected.sort_unstable();
        assert_eq!(recipients, expected);
        assert_eq!(app.sink.attempts(), expected.len());
    }

    /// Mail servers compare octets, so these are two mailboxes.
    async fn f04_a_composed_letter_is_not_the_decomposed_one(app: TestApp) {
        let token = app.token(APP).await;
        add(&app, "ren\u{e9}@a.example").await.unwrap();
        let said = app.remind(&token, "rene\u{301}@a.example").await.said();
        assert!(["200 reminder_sent", "400 wrong_user"].contains(&said.as_str()), "{said}");
        app.quiet().await;
        assert_eq!(app.sink.attempts(), 0);
        assert_eq!(app.remind(&token, "ren\u{e9}@a.example").await.said(), "200 reminder_sent");
        assert_eq!(app.mails(1).await[0].to, ["ren\u{e9}@a.example"]);
    }

    async fn f04_a_look_alike_does_not_reset_the_password_of_its_twin(app: TestApp) {
        app.user("kate@a.example").await;
        let token = app.token(APP).await;
        let reset_token = app.mailed_token(&token, "kate@a.example").await;
        for typed in ["\u{212A}ate@a.example", "kate@\u{430}.example"] {
            let reply = app.reset(&token, typed, &reset_token, "a new secret").await;
            assert_eq!(reply.said(), "400 wrong_token", "{typed}");
        }
        let reply = app.reset(&token, "KATE@A.example", &reset_token, "a new secret").await;
        assert_eq!(reply.said(), "200 password_reset");
    }

    async fn f05_the_address_is_one_mailbox_or_there_is_no_mail(app: TestApp) {
        let token = app.token(APP).await;
        for email in ["ann@a.example", "eve@a.example"] {
            add(&app, email).await.unwrap();
        }
        let (json, form) = ("application/json", "application/x-www-form-urlencoded");
        for (content_type, body) in [
            (json, r#"{"email": ["ann@a.example", "eve@a.example"]}"#),
            (json, r#"{"email": ["ann@a.example"]}"#),
            (json, r#"{"email": {"0": "ann@a.example", "1": "eve@a.example"}}"#),
            (json, r#"{"email": "ann@a.example", "email": "eve@a.example"}"#),
            (json, r#"{"email": "ann@a.example", "email": "ann@a.example"}"#),
            (json, r#"{"email": "ann@a.example", "\u0065mail": "eve@a.example"}"#),
            (json, r#"{"email": null, "email": "eve@a.example"}"#),
            (json, r#"{"Email": "ann@a.example"}"#),
            (json, r#"{"email[]": "ann@a.example"}"#),
            (form, "email=ann%40a.example&email=eve%40a.example"),
            (form, "email=ann%40a.example&%65mail=eve%40a.example"),
            (form, "email[]=ann%40a.example&email[]=eve%40a.example"),
            (form, "email[0]=ann%40a.example"),
        ] {
            let reply = app.post_bytes(REMIND, &token, content_type, body).await;
            assert_refused(&reply, 400, &wrong_field("email"), body);
        }
        for text in [
            "ann@a.example,eve@a.example",
            "ann@a.example, eve@a.example",
            "ann@a.example;eve@a.example",
            "ann@a.example eve@a.example",
            "ann@a.example\r\nBcc: eve@a.example",
            "ann@a.example\r\nRCPT TO:<eve@a.example>",
            "ann@a.example\nBcc: eve@a.example",
            "ann@a.example\n",
            "ann\r\n@a.example",
            "ann@a.example\u{2028}",
            "ann@a.example%0d%0aBcc:eve@a.example",
            " ann@a.example",
            "ann@a.example ",
            "\tann@a.example",
            "<ann@a.example>",
            "Ann <ann@a.example>",
            "\"ann\"@a.example",
            "ann(comment)@a.example",
            "ann@[127.0.0.1]",
            "ann@a.example@a.example",
            "ann＠a.example",
            "ann@a.example.",
            "ann@a..example",
            "ann@",
            "@a.example",
            "ann",
            "",
        ] {
            for reply in app.post_both_ways(REMIND, &token, &[("email", text)]).await {
                assert_refused(&reply, 400, &wrong_user(), text);
            }
        }
        let queued = app.flows.storage.read(|c| mails::list(c, None, 10)).await.unwrap();
        assert!(queued.is_empty(), "{queued:?}");
        assert_eq!(app.sink.connections(), 0);
    }

    async fn f06_two_users_cannot_have_equal_addresses(app: TestApp) {
        for (first, second) in [
            ("ann@a.example", "ann@a.example"),
            ("bob@a.example", "BOB@A.Example"),
            ("cat@bücher.example", "cat@xn--bcher-kva.example"),
            ("dan@müller.example", "dan@mu\u{308}ller.example"),
            ("eve@kelvin.example", "eve@\u{212A}elvin.example"),
            ("r\u{e9}@a.example", "R\u{e9}@a.example"),
        ] {
            add(&app, first).await.unwrap();
            let refused = add(&app, second).await;
            assert!(matches!(refused, Err(AddUserError::Exists)), "{second}: {refused:?}");
            // Nor past the flow: the database itself holds the rule, in one key of a unique index.
            let mut twin = app.stored_user(first).await;
            twin.id = uuid::Uuid::from_u128(7);
            twin.email = EmailAddress::parse(second).unwrap();
            let refused = app.flows.storage.write(move |c| users::insert(c, &twin)).await;
            assert!(matches!(refused, Err(StorageError::Exists)), "{second}: {refused:?}");
        }
    }

    async fn f06_look_alikes_are_different_users(app: TestApp) {
        for (stored, typed, to) in LOOK_ALIKES {
            if to.is_none() {
                add(&app, stored).await.unwrap();
                add(&app, typed).await.unwrap_or_else(|error| panic!("{typed}: {error}"));
                let [one, other] = [app.stored_user(stored).await, app.stored_user(typed).await];
                assert_ne!(one.id, other.id, "{typed}");
            }
        }
    }
}
