//! New passwords: what counts as a character, what is refused and why, and how they are stored.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use unforget::config::Settings;
use unforget::domain::{PasswordPolicy, PlainToken, ResetToken};

use crate::both;
use crate::helpers::{APP, Backend, OLD_PASSWORD, Reply, TestApp};
use crate::recovery::{
    CHECK, REMIND, RESET, assert_refused, password_reset, unreadable, wrong_field, wrong_password,
    wrong_token, wrong_user,
};

const ANN: &str = "lemuel.bednar@quotes.example";

/// A service on which one user may reset as often as a test likes.
async fn patient(backend: Backend, change: impl FnOnce(&mut Settings)) -> (TestApp, String) {
    let app = TestApp::start_with(backend, |settings| {
        settings.recovery.cooldown = TimeDelta::zero();
        settings.recovery.per_hour = 1000;
        change(settings);
    })
    .await;
    app.user_without_password(ANN).await;
    let token = app.token(APP).await;
    (app, token)
}

fn policy(min_length: usize, max_length: usize, blocklist: bool) -> PasswordPolicy {
    PasswordPolicy {
        min_length,
        max_length,
        blocklist,
    }
}

/// Resets the user's password with a fresh link.
async fn set(app: &TestApp, token: &str, password: &str) -> Reply {
    app.quiet().await; // the notice of the reset before
    let link = app.mailed_token(token, ANN).await;
    app.reset(token, ANN, &link, password).await
}

/// Sets a password that must be accepted and returns what is stored.
async fn stored(app: &TestApp, token: &str, password: &str) -> String {
    let reply = set(app, token, password).await;
    assert_eq!(
        (reply.status, reply.json()),
        (200, password_reset()),
        "{password:?}"
    );
    app.stored_hash(ANN).await
}

/// Verifies as bcrypt and passlib's bcrypt_sha256 (version 2) do, cutting at 72 bytes as most implementations of bcrypt do.
fn verifies(hash: &str, password: &str) -> bool {
    let Some(long) = hash.strip_prefix("$bcrypt-sha256$v=2,t=2b,r=") else {
        assert!(hash.starts_with("$2b$"), "{hash}");
        return bcrypt::verify(password, hash).unwrap();
    };
    let parts: Vec<_> = long.split('$').collect();
    let [cost, salt, digest] = parts[..] else {
        panic!("not passlib's format: {hash}");
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(salt.as_bytes()).unwrap();
    mac.update(password.as_bytes());
    let key = STANDARD.encode(mac.finalize().into_bytes());
    let inner = format!("$2b${cost:0>2}${salt}{digest}");
    bcrypt::verify(key, &inner).unwrap()
}

both! {
    async fn p02_length_counts_code_points_after_nfc(backend: Backend) {
        let (app, token) = patient(backend, |settings| settings.policy = policy(15, 64, false)).await;
        let link = app.mailed_token(&token, ANN).await;
        for (what, password, reason) in [
            ("14 emoji are 56 bytes", "🔑".repeat(14), "too_short"),
            ("14 letters and 14 accents are 14", "e\u{301}".repeat(14), "too_short"),
            ("14 letters", "x".repeat(14), "too_short"),
            ("65 letters", "x".repeat(65), "too_long"),
            ("65 emoji", "🔑".repeat(65), "too_long"),
        ] {
            let reply = app.reset(&token, ANN, &link, &password).await;
            assert_refused(&reply, 400, &wrong_password(&[reason], 15), what);
        }
        for password in ["🔑".repeat(15), "e\u{301}".repeat(64), "x".repeat(15), "x".repeat(64)] {
            stored(&app, &token, &password).await;
        }
    }

    async fn p03_sixty_four_characters_of_four_bytes_are_stored_whole(backend: Backend) {
        let (app, token) = patient(backend, |_| {}).await;
        let password = "\u{1F511}".repeat(64);
        let hash = stored(&app, &token, &password).await;
        assert!(hash.starts_with("$bcrypt-sha256$v=2,t=2b,r=4$"), "{hash}");
        assert!(verifies(&hash, &password));
        for other in [63, 65, 18] {
            assert!(!verifies(&hash, &"\u{1F511}".repeat(other)), "{other}");
        }
        // The longest that the contract promises.
        let password = "\u{1F511}".repeat(1024);
        assert!(verifies(&stored(&app, &token, &password).await, &password));
    }

    async fn p04_no_byte_of_a_long_password_is_ignored(backend: Backend) {
        let (app, token) = patient(backend, |_| {}).await;
        // 71 bytes are the most that bcrypt takes with its closing NUL.
        for (length, prefix) in [(70, "$2b$04$"), (71, "$2b$04$"), (72, "$bcrypt-sha256$"), (73, "$bcrypt-sha256$"), (80, "$bcrypt-sha256$")] {
            let password: String = ('!'..='~').take(length).collect();
            let hash = stored(&app, &token, &password).await;
            assert!(hash.starts_with(prefix), "{length}: {hash}");
            assert!(verifies(&hash, &password), "{length}");
            for shorter in [71, 72, length - 1] {
                assert!(shorter >= length || !verifies(&hash, &password[..shorter]), "{shorter} of {length}");
            }
            assert!(!verifies(&hash, &format!("{password}x")), "{length}");
            // As plain bcrypt would have stored it: what it cuts must not be all that counts.
            let end_changed = format!("{}x", &password[..length - 1]);
            assert!(!verifies(&hash, &end_changed), "{length}");
        }
    }
}

both! {
    async fn p05_nul_is_refused_in_every_field(app: TestApp) {
        app.user(ANN).await;
        let token = app.token(APP).await;
        let link = app.mailed_token(&token, ANN).await;
        let (good, nul) = ("a new secret", "a new\0secret");
        let email = |text: &'static str| ("email", text);
        for (path, fields, expected) in [
            (REMIND, vec![email("lemuel.bednar\0@quotes.example")], wrong_user()),
            (REMIND, vec![email("lemuel.bednar@quotes.example\0")], wrong_user()),
            (REMIND, vec![email(ANN), ("locale", "fr\0")], wrong_field("locale")),
            (CHECK, vec![("token", "\0")], wrong_token()),
            (CHECK, vec![("token", &format!("{link}\0"))], wrong_token()),
            (RESET, vec![email("lemuel.bednar@quotes.example\0"), ("token", &link), ("password", good)], wrong_user()),
            (RESET, vec![email(ANN), ("token", &format!("{link}\0")), ("password", good)], wrong_token()),
            (RESET, vec![email(ANN), ("token", &link), ("password", nul)], wrong_password(&["forbidden_character"], 6)),
            (RESET, vec![email(ANN), ("token", &link), ("password", "\0")], wrong_password(&["forbidden_character"], 6)),
            (RESET, vec![email(ANN), ("token", &link), ("password", nul), ("password_confirmation", nul)], wrong_password(&["forbidden_character"], 6)),
            (RESET, vec![email(ANN), ("token", &link), ("password", good), ("password_confirmation", "a new secret\0")], wrong_password(&["mismatch"], 6)),
        ] {
            for reply in app.post_both_ways(path, &token, &fields).await {
                assert_refused(&reply, 400, &expected, &format!("{path} {fields:?}"));
            }
        }
        assert!(app.password_is(ANN, OLD_PASSWORD).await);
    }
}

both! {
    async fn p06_nfc_is_the_only_change_to_a_password(backend: Backend) {
        let (app, token) = patient(backend, |_| {}).await;
        // Decomposed as some keyboards send it, stored composed.
        let hash = stored(&app, &token, "pa\u{302}te\u{301} feuillete\u{301}e").await;
        assert!(verifies(&hash, "p\u{e2}t\u{e9} feuillet\u{e9}e"));
        // Compatibility forms stay as they are: NFKC would fold them.
        let hash = stored(&app, &token, "ﬁne ２ words").await;
        assert!(verifies(&hash, "ﬁne ２ words") && !verifies(&hash, "fine 2 words"));
        for password in ["  spaces stay  ", "\ttabs stay\n", "CaSe stays"] {
            let hash = stored(&app, &token, password).await;
            assert!(verifies(&hash, password));
            assert!(!verifies(&hash, password.trim()) || password.trim() == password, "{password:?}");
            assert!(!verifies(&hash, &password.to_lowercase()) || password.to_lowercase() == password, "{password:?}");
        }
    }

    async fn p07_what_is_not_unicode_is_refused_and_not_replaced(backend: Backend) {
        let (app, token) = patient(backend, |_| {}).await;
        let link = app.mailed_token(&token, ANN).await;
        for (what, bytes) in [
            ("not UTF-8", &b"secret\xff"[..]),
            ("cut short", b"secret\xe2\x82"),
            ("overlong", b"secret\xc0\xaf"),
            ("a surrogate", b"secret\xed\xa0\x80"),
            ("beyond Unicode", b"secret\xf4\x90\x80\x80"),
            ("an escaped lone surrogate", br"secret\ud800"),
            ("an escaped low surrogate first", br"secret\udc00\ud800"),
            ("half an escape", br"secret\u12"),
        ] {
            let mut body = format!(r#"{{"email": "{ANN}", "token": "{link}", "password": ""#).into_bytes();
            body.extend_from_slice(bytes);
            body.extend_from_slice(br#""}"#);
            let reply = app.post_bytes(RESET, &token, "application/json", body).await;
            assert_refused(&reply, 400, &unreadable(), what);
        }
        for encoded in ["%FF", "%E2%82", "%C0%AF", "%ED%A0%80", "%F4%90%80%80", "%C0%80"] {
            let body = format!("email={ANN}&token={link}&password=secret{encoded}");
            let reply = app.post_bytes(RESET, &token, "application/x-www-form-urlencoded", body).await;
            assert_refused(&reply, 400, &unreadable(), encoded);
        }
        assert_eq!(app.stored_user(ANN).await.password_hash, None);
        // A pair of surrogates is one character.
        let body = format!(r#"{{"email": "{ANN}", "token": "{link}", "password": "secret \ud83d\udd11"}}"#);
        assert_eq!(app.post_bytes(RESET, &token, "application/json", body).await.said(), "200 password_reset");
        assert!(verifies(&app.stored_hash(ANN).await, "secret \u{1F511}"));
    }

    async fn p08_any_characters_will_do(backend: Backend) {
        let (app, token) = patient(backend, |settings| settings.policy = policy(15, 64, false)).await;
        for password in [
            "quiet otters juggle", // no capital, digit or sign
            "               a",
            "двенадцать стульев",
            "正確馬電池釘書針是一個很好的密碼",
            "🦊🎈🌵🧊🪁🍋🎻🐌🧦🛶🥨🪐🦔🎲🧭",
            "+&=%;\"'\\<>{}[]|^~`/?#",
            "ÜBUNG macht #1 Meister",
        ] {
            let reply = set(&app, &token, password).await;
            assert_eq!(reply.said(), "200 password_reset", "{password}: {reply:?}");
            assert!(verifies(&app.stored_hash(ANN).await, password), "{password}");
        }
        // The same through a form.
        let password = "+&=%;\"'\\<>{}[]|^~`/?# é";
        app.quiet().await;
        let link = app.mailed_token(&token, ANN).await;
        let fields = [("email", ANN), ("token", &link), ("password", password)];
        assert_eq!(app.post_form(RESET, &token, &fields).await.said(), "200 password_reset");
        assert!(verifies(&app.stored_hash(ANN).await, password));
    }

    async fn p01_p09_the_nist_policy_says_why_it_refuses_and_keeps_the_link_alive(backend: Backend) {
        let (app, token) = patient(backend, |settings| settings.policy = policy(15, 1024, true)).await;
        let link = app.mailed_token(&token, ANN).await;
        for (password, reasons) in [
            ("otters, juggle", &["too_short"][..]), // 14
            ("short", &["too_short", "common"]),
            ("passwordpassword", &["common"]),
            ("PasswordPassword", &["common"]),
            ("1234567890123456", &["common"]),
            ("qwertyuiopasdfghjkl", &["common"]),
            ("violet BEDNAR umbrella", &["context"]), // the local part
            ("lemuel likes otters", &["context"]),
            ("seventeen Quotes daily", &["context"]), // the domain
            ("my Unforget phrase 9", &["context"]), // the service
        ] {
            let reply = app.reset(&token, ANN, &link, password).await;
            assert_refused(&reply, 400, &wrong_password(reasons, 15), password);
        }
        let reply = app.reset(&token, ANN, &link, "otters, juggles").await; // 15
        assert_eq!(reply.said(), "200 password_reset");
    }

    async fn p11_bcrypt_has_the_configured_cost_and_a_fresh_salt(backend: Backend) {
        for (cost, plain, long) in [(4, "$2b$04$", "$bcrypt-sha256$v=2,t=2b,r=4$"), (5, "$2b$05$", "$bcrypt-sha256$v=2,t=2b,r=5$")] {
            let (app, token) = patient(backend, |settings| settings.bcrypt_cost = cost).await;
            let hashes = [stored(&app, &token, "the same secret").await, stored(&app, &token, "the same secret").await];
            assert!(hashes.iter().all(|hash| hash.starts_with(plain) && hash.len() == 60), "{hashes:?}");
            assert_ne!(hashes[0][7..29], hashes[1][7..29]);
            let password = "y".repeat(100);
            let hashes = [stored(&app, &token, &password).await, stored(&app, &token, &password).await];
            assert!(hashes.iter().all(|hash| hash.starts_with(long)), "{hashes:?}");
            assert_ne!(hashes[0], hashes[1]);
        }
    }

    async fn p13_what_will_be_refused_is_refused_without_bcrypt(backend: Backend) {
        // A cost that bcrypt refuses: whoever gets as far as hashing is answered 500.
        let (app, token) = patient(backend, |settings| settings.bcrypt_cost = 99).await;
        let link = app.mailed_token(&token, ANN).await;
        let body = |password: &str| json!({"email": ANN, "token": link, "password": password});
        let large = json!({"status": "payload_too_large", "error": "The body is larger than 16 KiB."});
        let reply = app.post(RESET, &token, body(&"x".repeat(1 << 20))).await;
        assert_refused(&reply, 413, &large, "1 MiB");
        let chunked = format!(
            "POST {RESET} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n4400\r\n{}\r\n0\r\n\r\n",
            "x".repeat(0x4400)
        );
        let answer = app.raw(chunked.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("payload_too_large"), "{answer}");

        let reply = app.post(RESET, &token, body(&"x".repeat(16_000))).await;
        assert_refused(&reply, 400, &wrong_password(&["too_long"], 6), "16 000 characters");
        let unknown = PlainToken::<ResetToken>::from_random([5; 32]);
        let reply = app.reset(&token, ANN, unknown.expose(), "a new secret").await;
        assert_refused(&reply, 400, &wrong_token(), "no such token");
        let reply = app.reset(&token, "nobody@quotes.example", &link, "a new secret").await;
        assert_refused(&reply, 400, &wrong_token(), "no such user");
        // And the trap is there.
        assert_eq!(app.post(RESET, &token, body("a new secret")).await.said(), "500 internal");
    }
}
