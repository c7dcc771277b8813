//! `POST /v1/password/verify`: what it answers, to whom one answer is given, and what a success does to an old hash.

use futures_util::future::join_all;
use serde_json::json;

use crate::accounts::{
    ANN, BOB, FULL_APP, NEW, NOBODY, SESSIONS, VERIFY, WRONG, path_of, wrong_credentials,
};
use crate::both;
use crate::helpers::{Backend, OLD_PASSWORD, TestApp};
use crate::recovery::{assert_refused, shape, unreadable, user_ref, wrong_field};
use unforget::flows::By;

/// bcrypt of `OLD_PASSWORD` with this cost.
fn hash_of_cost(cost: u32) -> String {
    bcrypt::hash(OLD_PASSWORD, cost).unwrap()
}

both! {
    async fn verify_tells_whose_password_it_is_in_both_encodings(app: TestApp) {
        let id = app.user("Ann@Example.com").await;
        let token = app.token("password:verify").await;
        let fields = [("email", "aNN@example.COM"), ("password", OLD_PASSWORD)];
        for reply in app.post_both_ways(VERIFY, &token, &fields).await {
            assert_eq!(reply.status, 200, "{reply:?}");
            let mut body = reply.json();
            for name in ["created_at", "password_changed_at"] {
                let time = body["user"][name].take();
                assert!(chrono::DateTime::parse_from_rfc3339(time.as_str().unwrap()).is_ok(), "{time}");
            }
            assert_eq!(body, json!({
                "status": "password_verified",
                "success": "The password is right.",
                "user": {
                    "id": id,
                    "email": "Ann@example.com",
                    "locale": null,
                    "profile": {},
                    "created_at": null,
                    "password_changed_at": null,
                    "password_must_change": false,
                    "disabled": false,
                },
            }));
        }
    }

    async fn verify_and_sessions_name_the_field_that_is_wrong(app: TestApp) {
        let token = app.token(FULL_APP).await;
        let (json, form) = ("application/json", "application/x-www-form-urlencoded");
        for (content_type, body, expected) in [
            (json, r#"{"password": "secret"}"#, wrong_field("email")),
            (json, r#"{"email": null, "password": "secret"}"#, wrong_field("email")),
            (json, r#"{"email": ["ann@example.com"], "password": "secret"}"#, wrong_field("email")),
            (json, r#"{"email": "ann@example.com"}"#, wrong_field("password")),
            (json, r#"{"email": "ann@example.com", "password": 123456}"#, wrong_field("password")),
            (json, r#"{"email": "ann@example.com", "email": "bob@example.com", "password": "x"}"#, wrong_field("email")),
            (json, r#"{"email": "ann@example.com", "password": "x", "password": "y"}"#, wrong_field("password")),
            (json, r#"{"email": "ann@example.com", "password": "\ud800"}"#, unreadable()),
            (json, "null", unreadable()),
            (json, "", unreadable()),
            (form, "email=ann@example.com", wrong_field("password")),
            (form, "email=ann@example.com&password=x&password=y", wrong_field("password")),
            (form, "email=ann@example.com&password=%ff", unreadable()),
        ] {
            for path in [VERIFY, SESSIONS] {
                let reply = app.post_bytes(path, &token, content_type, body).await;
                assert_refused(&reply, 400, &expected, body);
            }
        }
        assert_eq!(app.failures(ANN).await, 0, "what cannot be read is no guess");
    }

    async fn verify_speaks_french_to_those_who_ask_for_it(app: TestApp) {
        app.user(ANN).await;
        let token = app.token("password:verify").await;
        for (password, status, key, text) in [
            (OLD_PASSWORD, "password_verified", "success", "Le mot de passe est correct."),
            (WRONG, "wrong_credentials", "error", "L'adresse e-mail ou le mot de passe n'est pas correct."),
        ] {
            let reply = app.post_in_french(VERIFY, &token, json!({"email": ANN, "password": password})).await.json();
            assert_eq!((&reply["status"], &reply[key]), (&json!(status), &json!(text)));
        }
    }

    async fn f24_whatever_is_wrong_the_answer_is_the_same(app: TestApp) {
        app.user(ANN).await;
        app.user("off@example.com").await;
        app.flows.disable_user(By::Operator, user_ref("off@example.com"), true).await.unwrap();
        app.user_without_password("bare@example.com").await;
        for (email, cost) in [("six@example.com", 6), ("eight@example.com", 8)] {
            app.user_with_hash(email, &hash_of_cost(cost)).await;
        }
        // What a success would still disclose to none of the others.
        let token = app.token(&format!("{FULL_APP} users:disclose")).await;
        for path in [VERIFY, SESSIONS] {
            let expected = app.post(path, &token, json!({"email": ANN, "password": WRONG})).await;
            assert_refused(&expected, 400, &wrong_credentials(), path);
            let long = "x".repeat(5000);
            for (email, password) in [
                (NOBODY, WRONG),
                ("off@example.com", WRONG),
                ("off@example.com", OLD_PASSWORD),
                ("bare@example.com", WRONG),
                ("bare@example.com", ""),
                ("six@example.com", WRONG),
                ("eight@example.com", WRONG),
                (ANN, ""),
                (ANN, "the old\0secret"),
                (ANN, &long),
                ("no address", OLD_PASSWORD),
                ("ann\0@example.com", OLD_PASSWORD),
                ("ann@example.com,bob@example.com", OLD_PASSWORD),
                ("", OLD_PASSWORD),
            ] {
                let reply = app.post(path, &token, json!({"email": email, "password": password})).await;
                assert_eq!(shape(&reply), shape(&expected), "{path} {email:?} {password:.20?}");
            }
        }
        for email in [ANN, "six@example.com", "eight@example.com"] {
            assert_eq!(app.verify(&token, email, OLD_PASSWORD).await.status, 200, "{email}");
        }
    }

    async fn p06_verify_compares_in_nfc_and_changes_nothing_else(app: TestApp) {
        app.user(ANN).await;
        app.user(BOB).await;
        let token = app.token(FULL_APP).await;
        let (composed, decomposed) = ("  Pâssé 1", "  Pa\u{302}sse\u{301} 1");
        assert_eq!(app.change(&token, ANN, OLD_PASSWORD, composed).await.status, 200);
        assert_eq!(app.change(&token, BOB, OLD_PASSWORD, decomposed).await.status, 200);
        for email in [ANN, BOB] {
            for right in [composed, decomposed] {
                assert_eq!(app.verify(&token, email, right).await.status, 200, "{right}");
            }
            for wrong in ["Pâssé 1", "  Pâssé 1 ", "  pâssé 1", "  Passe 1", "  PÂSSÉ 1"] {
                assert_eq!(app.verify(&token, email, wrong).await.said(), "400 wrong_credentials", "{wrong}");
            }
        }
    }

    async fn p04_no_tail_of_a_long_password_is_cut_whichever_way_it_was_set(app: TestApp) {
        let token = app.token(FULL_APP).await;
        let admin = app.token("users:resetPassword users:write").await;
        let long = "p".repeat(80);
        let set_by = async |way: &str, email: &str| match way {
            "create" => app.post("/v1/users", &admin, json!({"email": email, "password": long})).await,
            "change" => {
                app.user(email).await;
                app.change(&token, email, OLD_PASSWORD, &long).await
            }
            "reset" => {
                app.user(email).await;
                let link = app.mailed_token(&token, email).await;
                app.reset(&token, email, &link, &long).await
            }
            _ => {
                let id = app.user(email).await;
                app.admin_set(&admin, id, &long).await
            }
        };
        for way in ["create", "change", "reset", "admin"] {
            let email = format!("{way}@example.com");
            let reply = set_by(way, &email).await;
            assert!([200, 201].contains(&reply.status), "{way}: {reply:?}");
            app.quiet().await;
            for wrong in [long[..72].to_owned(), long[..71].to_owned(), long[..79].to_owned(), format!("{long}p"), format!("{}q", &long[..79])] {
                assert_eq!(app.verify(&token, &email, &wrong).await.said(), "400 wrong_credentials", "{way} {}", wrong.len());
            }
            assert_eq!(app.verify(&token, &email, &long).await.said(), "200 password_verified", "{way}");
        }
    }

    async fn p03_1024_characters_of_four_bytes_are_one_password(app: TestApp) {
        app.user(ANN).await;
        let token = app.token(FULL_APP).await;
        let long = "🔑".repeat(1024);
        assert_eq!(app.change(&token, ANN, OLD_PASSWORD, &long).await.status, 200);
        assert_eq!(app.verify(&token, ANN, &"🔑".repeat(1023)).await.said(), "400 wrong_credentials");
        assert_eq!(app.verify(&token, ANN, &long).await.status, 200);
    }
}

both! {
    async fn p11_a_hash_of_another_kind_or_cost_is_replaced_at_the_next_success(app: TestApp) {
        let token = app.token(FULL_APP).await;
        let admin = app.token("users:read").await;
        let six = hash_of_cost(6);
        for (number, stored) in [six.clone(), six.replacen("$2b$", "$2y$", 1), hash_of_cost(5).replacen("$2b$", "$2a$", 1)].iter().enumerate() {
            for path in [VERIFY, SESSIONS] {
                let email = format!("user{number}{}@example.com", path.len());
                let id = app.user_with_hash(&email, stored).await;
                let before = app.bare("GET", &path_of(id), &admin).await.body_without_id();
                let link = app.mailed_token(&token, &email).await;

                assert_eq!(app.post(path, &token, json!({"email": email, "password": WRONG})).await.status, 400);
                assert_eq!(&app.stored_hash(&email).await, stored, "a failure replaces nothing");
                let reply = app.post(path, &token, json!({"email": email, "password": OLD_PASSWORD})).await;
                assert!([200, 201].contains(&reply.status), "{reply:?}");
                let replaced = app.stored_hash(&email).await;
                assert!(replaced.starts_with("$2b$04$"), "{replaced}");
                assert_eq!(app.verify(&token, &email, OLD_PASSWORD).await.status, 200);
                assert_eq!(app.stored_hash(&email).await, replaced, "once is enough");

                // It is the same password: nothing that came with it ends, and nobody is told.
                let after = app.bare("GET", &path_of(id), &admin).await.body_without_id();
                assert_eq!(after, before);
                assert_eq!(app.check(&token, &link).await.said(), "200 token_valid");
            }
        }
        app.quiet().await;
        assert_eq!(app.sink.received().len(), 6, "the links alone");
    }

    async fn p11_a_hash_that_cut_the_password_is_replaced_by_one_that_does_not(app: TestApp) {
        // Made elsewhere, at our own cost, of the first 72 bytes.
        let token = app.token(FULL_APP).await;
        let long = "p".repeat(80);
        let id = app.user_with_hash(ANN, &bcrypt::hash(&long, 4).unwrap()).await;
        assert_eq!(app.verify(&token, ANN, &long).await.status, 200);
        let replaced = app.stored_hash(ANN).await;
        assert!(replaced.starts_with("$bcrypt-sha256$v=2,t=2b,r=4$"), "{id}: {replaced}");
        assert_eq!(app.verify(&token, ANN, &long[..72]).await.said(), "400 wrong_credentials");
        assert_eq!(app.verify(&token, ANN, &long).await.status, 200);
        assert_eq!(app.stored_hash(ANN).await, replaced);
    }

    async fn p11_callers_at_once_with_an_old_hash_all_succeed(app: TestApp) {
        let token = app.token(FULL_APP).await;
        for round in 0..5 {
            let email = format!("user{round}@example.com");
            app.user_with_hash(&email, &hash_of_cost(6)).await;
            let calls = (0..8).map(|number| {
                let path = if number % 2 == 0 { VERIFY } else { SESSIONS };
                app.post(path, &token, json!({"email": email, "password": OLD_PASSWORD}))
            });
            for reply in join_all(calls).await {
                assert!([200, 201].contains(&reply.status), "{reply:?}");
            }
            assert_eq!(app.failures(&email).await, 0);
            assert!(app.password_is(&email, OLD_PASSWORD).await);
        }
    }

    async fn p13_a_huge_password_is_refused_before_it_is_looked_at(app: TestApp) {
        app.user(ANN).await;
        let token = app.token(FULL_APP).await;
        let huge = "x".repeat(1 << 20);
        for path in [VERIFY, SESSIONS] {
            let reply = app.post(path, &token, json!({"email": ANN, "password": huge})).await;
            assert_eq!(reply.said(), "413 payload_too_large");
        }
        let change = json!({"email": ANN, "old_password": huge, "password": NEW});
        assert_eq!(app.send("PUT", "/v1/password", &token, change).await.said(), "413 payload_too_large");
        assert_eq!(app.failures(ANN).await, 0);
    }

    async fn p13_a_password_longer_than_any_policy_allows_is_nobodys(app: TestApp) {
        // Another system's bcrypt looked at the first 72 bytes only: it would match.
        let token = app.token(FULL_APP).await;
        let long = "x".repeat(2000);
        app.user_with_hash(ANN, &bcrypt::hash(&long, 4).unwrap()).await;
        assert_eq!(app.verify(&token, ANN, &long).await.said(), "400 wrong_credentials");
    }
}
