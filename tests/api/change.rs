//! `PUT /v1/password`: for apps that name a user, and for users with a token of their own.

use serde_json::{Value, json};

use crate::accounts::{
    ADMIN, ANN, BOB, CHANGE, FULL_APP, NEW, NOBODY, WRONG, password_updated, wrong_credentials,
};
use crate::both;
use crate::helpers::{Backend, OLD_PASSWORD, Reply, TestApp};
use crate::recovery::{
    assert_refused, eventually, shape, unreadable, user_ref, wrong_field, wrong_password,
};
use crate::smtp::Behaviour;
use unforget::flows::By;

/// `PUT /v1/password` of a body as it is.
async fn put(app: &TestApp, token: &str, content_type: &str, body: &str) -> Reply {
    let request = app.request("PUT", CHANGE).bearer_auth(token);
    let request = request.header("content-type", content_type);
    Reply::of(request.body(body.to_owned()).send().await.unwrap()).await
}

both! {
    async fn an_app_changes_the_password_of_a_user_who_knows_the_old_one_in_both_encodings(app: TestApp) {
        app.user(ANN).await;
        let token = app.token("password:change password:verify").await;
        let json = app.change(&token, "aNN@example.com", OLD_PASSWORD, NEW).await;
        let form = "email=ann%40example.com&old_password=a+new+secret&password=yet+another&password_confirmation=yet+another";
        let form = put(&app, &token, "application/x-www-form-urlencoded", form).await;
        for reply in [json, form] {
            assert_eq!((reply.status, reply.json()), (200, password_updated()));
        }
        for (password, said) in [(OLD_PASSWORD, "400 wrong_credentials"), (NEW, "400 wrong_credentials"), ("yet another", "200 password_verified")] {
            assert_eq!(app.verify(&token, ANN, password).await.said(), said);
        }
    }

    async fn a_user_changes_the_own_password_and_nobody_elses(app: TestApp) {
        app.user(ANN).await;
        app.user(BOB).await;
        let token = app.token(FULL_APP).await;
        for (round, email) in [json!(BOB), json!(NOBODY), json!("nonsense"), json!(""), Value::Null].into_iter().enumerate() {
            let old = if round == 0 { OLD_PASSWORD.to_owned() } else { format!("{NEW} {}", round - 1) };
            let new = format!("{NEW} {round}");
            let user_token = app.user_token(&token, ANN, &old).await;
            // Bob's password would fit as well as Ann's the first time.
            let body = json!({"email": email, "old_password": old, "password": new});
            let reply = app.send("PUT", CHANGE, &user_token, body).await;
            assert_eq!((reply.status, reply.json()), (200, password_updated()), "{email}");
            assert!(app.password_is(ANN, &new).await, "{email}");
            assert!(app.password_is(BOB, OLD_PASSWORD).await, "{email}");
            assert!(!app.speaks(&user_token).await, "the token of the call ends with it");
        }
    }

    async fn change_names_the_field_that_is_wrong(app: TestApp) {
        app.user(ANN).await;
        let token = app.token(FULL_APP).await;
        let user_token = app.user_token(&token, ANN, OLD_PASSWORD).await;
        let (json, form) = ("application/json", "application/x-www-form-urlencoded");
        for (content_type, body, expected) in [
            (json, r#"{"email": "ann@example.com", "password": "secret"}"#, wrong_field("old_password")),
            (json, r#"{"email": "ann@example.com", "old_password": "secret"}"#, wrong_field("password")),
            (json, r#"{"email": "ann@example.com", "old_password": null, "password": "secret"}"#, wrong_field("old_password")),
            (json, r#"{"email": "ann@example.com", "old_password": ["x"], "password": "secret"}"#, wrong_field("old_password")),
            (json, r#"{"email": "ann@example.com", "old_password": "x", "password": 1}"#, wrong_field("password")),
            (json, r#"{"email": ["ann@example.com"], "old_password": "x", "password": "secret"}"#, wrong_field("email")),
            (json, r#"{"email": "a@b.example", "old_password": "x", "password": "secret", "password_confirmation": 1}"#, wrong_field("password_confirmation")),
            (json, r#"{"email": "a@b.example", "email": "b@b.example", "old_password": "x", "password": "secret"}"#, wrong_field("email")),
            (json, r#"{"email": "a@b.example", "old_password": "x", "old_password": "x", "password": "secret"}"#, wrong_field("old_password")),
            (json, "{", unreadable()),
            (form, "email=a@b.example&password=secret", wrong_field("old_password")),
            (form, "email=a@b.example&old_password=x&password=%", unreadable()),
        ] {
            for caller in [&token, &user_token] {
                assert_refused(&put(&app, caller, content_type, body).await, 400, &expected, body);
            }
        }
        // Who a user's token speaks for is known; an app has to say.
        let body = r#"{"old_password": "x", "password": "secret"}"#;
        assert_refused(&put(&app, &token, json, body).await, 400, &wrong_field("email"), "app");
        assert_refused(&put(&app, &user_token, json, body).await, 400, &wrong_credentials(), "user");
    }

    async fn change_refuses_the_new_password_before_it_looks_at_anything_else(app: TestApp) {
        app.user(ANN).await;
        let token = app.token(FULL_APP).await;
        let user_token = app.user_token(&token, ANN, OLD_PASSWORD).await;
        let long = "x".repeat(1025);
        for (password, confirmation, reasons) in [
            ("short", None, &["too_short"][..]),
            ("", None, &["too_short"]),
            (&long, None, &["too_long"]),
            ("a new\0secret", None, &["forbidden_character"]),
            (NEW, Some("a new secreT"), &["mismatch"]),
            (NEW, Some(""), &["mismatch"]),
            ("short", Some("shorT"), &["too_short", "mismatch"]),
        ] {
            for (email, old) in [(ANN, OLD_PASSWORD), (ANN, WRONG), (NOBODY, WRONG), ("nonsense", WRONG), (ANN, "the old\0secret")] {
                let mut body = json!({"email": email, "old_password": old, "password": password});
                if let Some(confirmation) = confirmation {
                    body["password_confirmation"] = json!(confirmation);
                }
                for caller in [&token, &user_token] {
                    let reply = app.send("PUT", CHANGE, caller, body.clone()).await;
                    assert_refused(&reply, 400, &wrong_password(reasons, 6), &format!("{email} {old:?} {reasons:?}"));
                }
            }
        }
        assert!(app.password_is(ANN, OLD_PASSWORD).await);
        assert!(app.speaks(&user_token).await);
        assert_eq!(app.failures(ANN).await, 0);
    }

    async fn f23_f24_change_tells_the_same_of_unknown_disabled_passwordless_and_wrong(app: TestApp) {
        app.user(ANN).await;
        app.user("off@example.com").await;
        app.flows.disable_user(By::Operator, user_ref("off@example.com"), true).await.unwrap();
        app.user_without_password("bare@example.com").await;
        let token = app.token(&format!("{FULL_APP} users:disclose")).await;
        let user_token = app.user_token(&token, ANN, OLD_PASSWORD).await;
        let expected = app.change(&token, ANN, WRONG, NEW).await;
        assert_refused(&expected, 400, &wrong_credentials(), "wrong");
        for (email, old) in [
            (NOBODY, OLD_PASSWORD),
            ("off@example.com", OLD_PASSWORD),
            ("bare@example.com", ""),
            ("bare@example.com", WRONG),
            ("nonsense", OLD_PASSWORD),
            ("ann\0@example.com", OLD_PASSWORD),
            (ANN, ""),
            (ANN, "the old secret\0"),
        ] {
            let reply = app.change(&token, email, old, NEW).await;
            assert_eq!(shape(&reply), shape(&expected), "{email:?} {old:?}");
        }
        assert_eq!(shape(&app.change_own(&user_token, WRONG, NEW).await), shape(&expected));
        assert!(app.password_is(ANN, OLD_PASSWORD).await);
        assert!(app.speaks(&user_token).await, "a refused change ends nothing");
    }

    async fn change_speaks_french_to_those_who_ask_for_it(app: TestApp) {
        app.user(ANN).await;
        let token = app.token(FULL_APP).await;
        for (old, new, text) in [
            (OLD_PASSWORD, "short", "Le mot de passe n'est pas valide."),
            (WRONG, NEW, "L'adresse e-mail ou le mot de passe n'est pas correct."),
            (OLD_PASSWORD, NEW, "Le nouveau mot de passe a été enregistré."),
        ] {
            let request = app.request("PUT", CHANGE).bearer_auth(&token).header("accept-language", "fr");
            let request = request.json(&json!({"email": ANN, "old_password": old, "password": new}));
            let body = Reply::of(request.send().await.unwrap()).await.json();
            assert_eq!(body.get("success").or(body.get("error")), Some(&json!(text)));
        }
    }

    async fn b03_change_needs_its_scope_or_a_users_token(app: TestApp) {
        app.user(ANN).await;
        let token = app.token("password:remind password:reset password:verify sessions:create users:write users:resetPassword").await;
        let reply = app.change(&token, ANN, OLD_PASSWORD, NEW).await;
        assert_eq!(reply.said(), "403 insufficient_scope");
        assert_eq!(reply.header("www-authenticate"), "Bearer realm=\"unforget\", error=\"insufficient_scope\", scope=\"password:change\"");
        assert!(app.password_is(ANN, OLD_PASSWORD).await);
    }
}

both! {
    async fn f14_f21_a_change_ends_every_link_mail_and_token_of_the_user_and_of_nobody_else(app: TestApp) {
        app.user("Ann@Example.com").await;
        app.user(BOB).await;
        let token = app.token(FULL_APP).await;
        let others = app.user_token(&app.token(FULL_APP).await, ANN, OLD_PASSWORD).await;
        let own = app.user_token(&token, ANN, OLD_PASSWORD).await;
        let bobs = app.user_token(&token, BOB, OLD_PASSWORD).await;
        let links = [app.mailed_token(&token, ANN).await, app.mailed_token(&token, BOB).await];
        app.later(61).await;
        app.sink.behave(Behaviour::later());
        assert_eq!(app.remind(&token, ANN).await.said(), "200 reminder_sent");
        eventually("the second link is refused for now", || app.sink.attempts() >= 3).await;

        assert_eq!(app.change_own(&own, OLD_PASSWORD, NEW).await.status, 200);
        eventually("so is the notice", || app.sink.attempts() >= 4).await;
        app.sink.behave(Behaviour::default());
        for dead in [&own, &others] {
            assert!(!app.speaks(dead).await);
        }
        assert!(app.speaks(&bobs).await);
        assert_eq!(app.check(&token, &links[0]).await.said(), "400 wrong_token");
        assert_eq!(app.check(&token, &links[1]).await.said(), "200 token_valid");

        app.advance(900);
        app.quiet().await;
        let mails = app.sink.received();
        assert_eq!(mails.len(), 3, "two links and the notice");
        assert_eq!(mails[2].to, ["Ann@example.com"], "to the stored address");
        let notice = mails[2].parse();
        assert_eq!(notice.header("Subject").as_deref(), Some("Your password for Teen Quotes was changed"));
        for part in [&notice.text, &notice.html] {
            for secret in ["uf_", NEW, OLD_PASSWORD, "quotes.example", "unforget.example", "href"] {
                assert!(!part.contains(secret), "{secret}: {part}");
            }
        }
    }

    async fn f26_a_change_or_a_reset_clears_that_an_administrator_chose_the_password(app: TestApp) {
        let id = app.user(ANN).await;
        let (token, admin) = (app.token(FULL_APP).await, app.token(ADMIN).await);
        let link = async || {
            app.later(61).await;
            app.mailed_token(&token, ANN).await
        };
        for round in 0..2 {
            assert_eq!(app.admin_set(&admin, id, "chosen by admin").await.status, 200);
            let verified = app.verify(&token, ANN, "chosen by admin").await.json();
            assert_eq!(verified["user"]["password_must_change"], true);
            let set = match round {
                0 => app.change(&token, ANN, "chosen by admin", NEW).await,
                _ => app.reset(&token, ANN, &link().await, NEW).await,
            };
            assert_eq!(set.status, 200, "{set:?}");
            assert_eq!(app.verify(&token, ANN, NEW).await.json()["user"]["password_must_change"], false);
        }
    }
}

both! {
    async fn p09_change_and_the_administrators_password_are_held_to_the_blocklist(backend: Backend) {
        let app = TestApp::start_with(backend, |settings| {
            settings.policy.min_length = 15;
            settings.policy.blocklist = true;
        }).await;
        let id = app.user_with_hash("lemuel.bednar@example.com", &bcrypt::hash("short", 4).unwrap()).await;
        let token = app.token(&format!("{FULL_APP} {ADMIN}")).await;
        // Verify holds nobody to a policy.
        assert_eq!(app.verify(&token, "lemuel.bednar@example.com", "short").await.status, 200);
        for (password, reason) in [
            ("passwordpassword", "common"),
            ("violet BEDNAR umbrella", "context"),
            ("my Unforget phrase 9", "context"),
            ("seven umbrellas", ""),
        ] {
            let create = json!({"email": format!("new.bednar.{}@example.com", password.len()), "password": password});
            let replies = [
                app.change(&token, "lemuel.bednar@example.com", "short", password).await,
                app.admin_set(&token, id, password).await,
                app.post("/v1/users", &token, create).await,
            ];
            for reply in replies {
                match reason {
                    "" => assert!([200, 201].contains(&reply.status), "{reply:?}"),
                    reason => assert_refused(&reply, 400, &wrong_password(&[reason], 15), password),
                }
            }
        }
    }
}
