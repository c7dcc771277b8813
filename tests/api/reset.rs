//! `POST /v1/password/reset`: what it answers, to whom a token belongs, what a success ends, and what a refusal leaves alone.

use serde_json::json;
use unforget::domain::{PlainToken, ResetToken};
use unforget::flows::By;

use crate::both;
use crate::helpers::{APP, Backend, OLD_PASSWORD, TestApp};
use crate::recovery::{
    RESET, assert_refused, eventually, password_reset, shape, unreadable, user_ref, wrong_field,
    wrong_password, wrong_token, wrong_user,
};
use crate::smtp::Behaviour;

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";
const NEW: &str = "a new secret";

/// A token of the right form that was never mailed.
fn garbage() -> String {
    PlainToken::<ResetToken>::from_random([9; 32])
        .expose()
        .to_owned()
}

both! {
    async fn f22_reset_sets_the_password_and_hands_out_nothing_in_both_encodings(app: TestApp) {
        let token = app.token(APP).await;
        for email in [ANN, BOB] {
            app.user(email).await;
        }
        let links = [app.mailed_token(&token, ANN).await, app.mailed_token(&token, BOB).await];
        let by_json = json!({"email": ANN, "token": links[0], "password": NEW, "password_confirmation": NEW});
        let by_form = [("email", BOB), ("token", &links[1]), ("password", NEW), ("password_confirmation", NEW)];
        let replies = [app.post(RESET, &token, by_json).await, app.post_form(RESET, &token, &by_form).await];
        for (reply, email) in replies.iter().zip([ANN, BOB]) {
            assert_eq!((reply.status, reply.json()), (200, password_reset()));
            assert!(app.password_is(email, NEW).await);
            for name in ["set-cookie", "authorization", "location"] {
                assert_eq!(reply.header(name), "");
            }
        }
    }

    async fn reset_names_the_field_that_is_wrong(app: TestApp) {
        let token = app.token(APP).await;
        let (json, form) = ("application/json", "application/x-www-form-urlencoded");
        for (content_type, body, expected) in [
            (json, r#"{"token": "t", "password": "secret"}"#, wrong_field("email")),
            (json, r#"{"email": "a@b.example", "password": "secret"}"#, wrong_field("token")),
            (json, r#"{"email": "a@b.example", "token": "t"}"#, wrong_field("password")),
            (json, r#"{"email": ["a@b.example"], "token": "t", "password": "secret"}"#, wrong_field("email")),
            (json, r#"{"email": "a@b.example", "token": 7, "password": "secret"}"#, wrong_field("token")),
            (json, r#"{"email": "a@b.example", "token": "t", "password": 123456}"#, wrong_field("password")),
            (json, r#"{"email": "a@b.example", "token": "t", "password": ["secret"]}"#, wrong_field("password")),
            (json, r#"{"email": "a@b.example", "token": "t", "password": "secret", "password_confirmation": 7}"#, wrong_field("password_confirmation")),
            (json, r#"{"email": "a@b.example", "token": "t", "password": "secret", "password": "other!"}"#, wrong_field("password")),
            (json, r#"{"email": "a@b.example", "token": "t", "token": "t", "password": "secret"}"#, wrong_field("token")),
            (json, "[]", unreadable()),
            (json, "", unreadable()),
            (form, "token=t&password=secret", wrong_field("email")),
            (form, "email=a@b.example&password=secret", wrong_field("token")),
            (form, "email=a@b.example&token=t", wrong_field("password")),
            (form, "email=a@b.example&token=t&password=secret&password=other!", wrong_field("password")),
            (form, "email=a@b.example&token=t&password=%", unreadable()),
        ] {
            let reply = app.post_bytes(RESET, &token, content_type, body).await;
            assert_refused(&reply, 400, &expected, body);
        }
    }

    async fn reset_refuses_with_the_documented_texts_in_both_encodings(app: TestApp) {
        app.user(ANN).await;
        let discreet = app.token(APP).await;
        let disclosing = app.token("password:reset users:disclose").await;
        let long = "x".repeat(1025);
        let garbage = garbage();
        let cases: [(&str, &str, &str, &str, serde_json::Value); 10] = [
            ("unknown token", &discreet, ANN, NEW, wrong_token()),
            ("unknown token, disclosing", &disclosing, ANN, NEW, wrong_token()),
            ("unknown user", &discreet, "nobody@example.com", NEW, wrong_token()),
            ("unknown user, disclosing", &disclosing, "nobody@example.com", NEW, wrong_user()),
            ("malformed address, disclosing", &disclosing, "nobody", NEW, wrong_user()),
            ("too short", &discreet, ANN, "short", wrong_password(&["too_short"], 6)),
            ("empty", &discreet, ANN, "", wrong_password(&["too_short"], 6)),
            ("too long", &discreet, ANN, &long, wrong_password(&["too_long"], 6)),
            ("NUL", &discreet, ANN, "a new\0secret", wrong_password(&["forbidden_character"], 6)),
            // The password rule comes before the look-up.
            ("too short for an unknown user", &disclosing, "nobody@example.com", "short", wrong_password(&["too_short"], 6)),
        ];
        for (what, token, email, password, expected) in cases {
            let fields = [("email", email), ("token", &garbage), ("password", password)];
            for reply in app.post_both_ways(RESET, token, &fields).await {
                assert_refused(&reply, 400, &expected, what);
            }
        }
        for (password, confirmation, reasons) in [
            (NEW, "another secret", &["mismatch"][..]),
            (NEW, "", &["mismatch"]),
            ("short", "shorT", &["too_short", "mismatch"]),
        ] {
            let fields = [("email", ANN), ("token", &garbage), ("password", password), ("password_confirmation", confirmation)];
            for reply in app.post_both_ways(RESET, &discreet, &fields).await {
                assert_refused(&reply, 400, &wrong_password(reasons, 6), confirmation);
            }
        }
    }

    async fn reset_speaks_french_to_those_who_ask_for_it(app: TestApp) {
        app.user(ANN).await;
        let token = app.token("password:remind password:reset users:disclose").await;
        let link = app.mailed_token(&token, ANN).await;
        for (email, link, password, status, key, text) in [
            (ANN, &link, "short", "wrong_password", "error", "Le mot de passe n'est pas valide."),
            (ANN, &garbage(), NEW, "wrong_token", "error", "Le jeton de réinitialisation n'est pas valide."),
            (BOB, &link, NEW, "wrong_user", "error", "L'adresse e-mail ne correspond à aucun utilisateur."),
            (ANN, &link, NEW, "password_reset", "success", "Le nouveau mot de passe a été enregistré."),
        ] {
            let body = json!({"email": email, "token": link, "password": password});
            let reply = app.post_in_french(RESET, &token, body).await.json();
            assert_eq!((&reply["status"], &reply[key]), (&json!(status), &json!(text)));
        }
    }

    async fn f13_a_refused_reset_does_not_use_the_link_up(app: TestApp) {
        app.user(ANN).await;
        app.user(BOB).await;
        let token = app.token(APP).await;
        let link = app.mailed_token(&token, ANN).await;
        for (what, email, password, confirmation, said) in [
            ("too short", ANN, "short", "short", "400 wrong_password"),
            ("NUL", ANN, "a\0new secret", "a\0new secret", "400 wrong_password"),
            ("mismatch", ANN, NEW, "a new secreT", "400 wrong_password"),
            ("another user's address", BOB, NEW, NEW, "400 wrong_token"),
            ("nobody's address", "nobody@example.com", NEW, NEW, "400 wrong_token"),
        ] {
            let body = json!({"email": email, "token": link, "password": password, "password_confirmation": confirmation});
            assert_eq!(app.post(RESET, &token, body).await.said(), said, "{what}");
            assert_eq!(app.check(&token, &link).await.said(), "200 token_valid", "{what}");
        }
        for email in [ANN, BOB] {
            assert!(app.password_is(email, OLD_PASSWORD).await);
        }
        assert_eq!(app.reset(&token, ANN, &link, NEW).await.said(), "200 password_reset");
    }
}

both! {
    async fn f13_a_fault_of_the_service_does_not_use_the_link_up(backend: Backend) {
        // A cost that bcrypt refuses: whoever gets as far as hashing fails.
        let mut app = TestApp::start_with(backend, |settings| settings.bcrypt_cost = 99).await;
        app.user_without_password(ANN).await;
        let token = app.token(APP).await;
        let link = app.mailed_token(&token, ANN).await;
        let failed = app.reset(&token, ANN, &link, NEW).await;
        assert_eq!(failed.said(), "500 internal");
        assert_eq!(app.stored_user(ANN).await.password_hash, None);

        app.settings.bcrypt_cost = 4;
        let (mended, base) = app.second();
        app.base = base;
        assert_eq!(app.reset(&token, ANN, &link, NEW).await.said(), "200 password_reset");
        mended.stop().await;
    }
}

both! {
    async fn f14_a_success_ends_every_link_of_the_user_and_of_nobody_else(app: TestApp) {
        app.user(ANN).await;
        app.user(BOB).await;
        let token = app.token(APP).await;
        let others = app.mailed_token(&token, BOB).await;
        let mut links = Vec::new();
        for _ in 0..3 {
            links.push(app.mailed_token(&token, ANN).await);
            app.later(61).await;
        }
        assert_eq!(app.reset(&token, ANN, &links[1], NEW).await.said(), "200 password_reset");
        for link in &links {
            assert_eq!(app.check(&token, link).await.said(), "400 wrong_token");
            assert_refused(&app.reset(&token, ANN, link, "yet another one").await, 400, &wrong_token(), "dead");
        }
        assert!(app.password_is(ANN, NEW).await);
        assert_eq!(app.check(&token, &others).await.said(), "200 token_valid");
        assert!(app.password_is(BOB, OLD_PASSWORD).await);
    }

    async fn f14_a_success_cancels_the_reset_mails_that_still_wait(app: TestApp) {
        app.user(ANN).await;
        let token = app.token(APP).await;
        let link = app.mailed_token(&token, ANN).await;
        app.later(61).await;
        app.sink.behave(Behaviour::later());
        assert_eq!(app.remind(&token, ANN).await.said(), "200 reminder_sent");
        eventually("the second mail is refused for now", || app.sink.attempts() >= 2).await;
        assert_eq!(app.reset(&token, ANN, &link, NEW).await.said(), "200 password_reset");
        eventually("so is the notice", || app.sink.attempts() >= 3).await;
        app.sink.behave(Behaviour::default());
        app.advance(900);
        app.quiet().await;
        let mails = app.sink.received();
        assert_eq!(mails.len(), 2, "the first link and the notice");
        let subject = mails[1].parse().header("Subject");
        assert_eq!(subject.as_deref(), Some("Your password for Teen Quotes was changed"));
    }

    async fn f15_a_token_with_another_users_address_is_as_good_as_garbage(app: TestApp) {
        app.user(ANN).await;
        app.user(BOB).await;
        let disclosing = app.token("password:remind password:reset users:disclose").await;
        let discreet = app.token(APP).await;
        let anns = app.mailed_token(&discreet, ANN).await;
        let bobs = app.mailed_token(&discreet, BOB).await;
        for token in [&discreet, &disclosing] {
            let expected = app.reset(token, BOB, &garbage(), NEW).await;
            assert_refused(&expected, 400, &wrong_token(), "garbage");
            for (email, link) in [(BOB, &anns), (ANN, &bobs), (BOB, &garbage()), (BOB, &"garbage".to_owned())] {
                let reply = app.reset(token, email, link, NEW).await;
                assert_eq!(shape(&reply), shape(&expected), "{email}");
                assert!(app.password_is(email, OLD_PASSWORD).await);
            }
        }
        for link in [&anns, &bobs] {
            assert_eq!(app.check(&discreet, link).await.said(), "200 token_valid");
        }
    }

    async fn f21_the_notice_goes_to_the_stored_address_and_holds_no_secret(app: TestApp) {
        app.user("Ann@Example.com").await;
        let token = app.token(APP).await;
        let link = app.mailed_token(&token, ANN).await;
        assert_eq!(app.reset(&token, "aNN@example.com", &link, NEW).await.status, 200);
        let mail = app.mails(2).await.remove(1);
        assert_eq!(mail.to, ["Ann@example.com"]);
        let notice = mail.parse();
        assert_eq!(notice.header("Subject").as_deref(), Some("Your password for Teen Quotes was changed"));
        for part in [&notice.text, &notice.html] {
            assert!(part.contains("was changed"), "{part}");
            for secret in ["uf_", NEW, OLD_PASSWORD, "quotes.example", "unforget.example", "href"] {
                assert!(!part.contains(secret), "{secret}: {part}");
            }
        }
    }

    async fn f27_a_disabled_user_gets_no_mail_and_old_links_stay_dead(app: TestApp) {
        app.user(ANN).await;
        let token = app.token(APP).await;
        let link = app.mailed_token(&token, ANN).await;
        app.later(61).await;
        app.sink.behave(Behaviour::later());
        app.remind(&token, ANN).await;
        eventually("a second mail waits", || app.sink.attempts() >= 2).await;
        app.sink.behave(Behaviour::default());

        assert!(app.flows.disable_user(By::Operator, user_ref(ANN), true).await.unwrap());
        let dead = app.reset(&token, ANN, &link, NEW).await;
        assert_refused(&dead, 400, &wrong_token(), "disabled");
        app.advance(61);
        let reply = app.remind(&token, ANN).await;
        assert_eq!(reply.said(), "200 reminder_sent");
        app.quiet().await;

        assert!(app.flows.disable_user(By::Operator, user_ref(ANN), false).await.unwrap());
        assert_eq!(app.check(&token, &link).await.said(), "400 wrong_token");
        app.advance(900);
        app.quiet().await;
        assert_eq!(app.sink.received().len(), 1, "what was asked for before or meanwhile is not sent");
        let fresh = app.mailed_token(&token, ANN).await;
        assert_eq!(app.reset(&token, ANN, &fresh, NEW).await.said(), "200 password_reset");
    }

    async fn f27_a_new_account_does_not_inherit_the_links_of_a_deleted_one(app: TestApp) {
        app.user(ANN).await;
        let token = app.token(APP).await;
        let link = app.mailed_token(&token, ANN).await;
        app.later(61).await;
        app.sink.behave(Behaviour::later());
        app.remind(&token, ANN).await;
        eventually("a second mail waits", || app.sink.attempts() >= 2).await;
        app.sink.behave(Behaviour::default());

        assert!(app.flows.delete_user(By::Operator, user_ref(ANN)).await.unwrap());
        app.advance(61);
        assert_eq!(app.remind(&token, ANN).await.said(), "200 reminder_sent");
        app.quiet().await;
        app.user(ANN).await;
        app.advance(900);
        app.quiet().await;
        assert_eq!(app.sink.received().len(), 1);
        assert_eq!(app.check(&token, &link).await.said(), "400 wrong_token");
        assert_refused(&app.reset(&token, ANN, &link, NEW).await, 400, &wrong_token(), "inherited");
        assert!(app.password_is(ANN, OLD_PASSWORD).await);
    }
}
