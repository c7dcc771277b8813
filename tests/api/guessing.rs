//! Guessing passwords online (bar F25): what counts as a guess, how long one waits, and what ends the wait.

use chrono::TimeDelta;
use serde_json::{Value, json};
use unforget::clock::Clock;
use unforget::flows::By;

use crate::accounts::{
    ADMIN, ANN, BOB, CHANGE, FULL_APP, NEW, NOBODY, SESSIONS, USERS, VERIFY, WRONG, too_many,
};
use crate::both;
use crate::helpers::{Backend, OLD_PASSWORD, Reply, TestApp};
use crate::recovery::{assert_refused, shape, user_ref};

/// So many failures in a row that the pause after the next one, 2048 s, outlasts any test.
const MANY: i64 = 20;

/// The seconds that a refused caller is told to wait.
fn wait_of(reply: &Reply) -> i64 {
    assert_refused(reply, 429, &too_many(), "too many");
    reply.header("retry-after").parse().unwrap()
}

/// Every way to guess: what is sent where, with a wrong password.
fn guesses(email: &str) -> [(&'static str, &'static str, Value); 3] {
    [
        ("POST", VERIFY, json!({"email": email, "password": WRONG})),
        ("POST", SESSIONS, json!({"email": email, "password": WRONG})),
        (
            "PUT",
            CHANGE,
            json!({"email": email, "old_password": WRONG, "password": NEW}),
        ),
    ]
}

both! {
    async fn f25_ten_guesses_are_free_then_each_costs_a_longer_pause(app: TestApp) {
        app.user(ANN).await;
        let token = app.lasting_token(FULL_APP).await;
        for count in 1..=10 {
            let (method, path, body) = guesses(ANN)[count % 3].clone();
            assert_eq!(app.send(method, path, &token, body).await.said(), "400 wrong_credentials", "{count}");
        }
        assert_eq!(app.failures(ANN).await, 10);
        // The pause after the tenth was a second. From the 15th on it is long enough not to end by itself meanwhile.
        app.let_fail(ANN, 14).await;
        for failures in 15..20 {
            let before = app.clock.now();
            assert_eq!(app.verify(&token, ANN, WRONG).await.said(), "400 wrong_credentials");
            let wait = wait_of(&app.verify(&token, ANN, OLD_PASSWORD).await);
            let pause = 1 << (failures - 10);
            let passed = (app.clock.now() - before).num_seconds() + 1;
            assert!(wait <= pause && wait >= pause - passed, "{wait} of {pause}");
            assert_eq!(app.failures(ANN).await, failures, "who is told to wait has not guessed");
            app.advance(wait);
        }
        // Even now the owner is let in, and the count begins anew.
        assert_eq!(app.verify(&token, ANN, OLD_PASSWORD).await.said(), "200 password_verified");
        assert_eq!(app.failures(ANN).await, 0);
        assert_eq!(app.verify(&token, ANN, OLD_PASSWORD).await.status, 200);
    }

    async fn f25_the_longest_pause_is_an_hour_and_from_the_hundredth_failure_a_day(app: TestApp) {
        app.user(ANN).await;
        let token = app.lasting_token(FULL_APP).await;
        for (failures, longest) in [(80, 3600), (99, 86_400), (5000, 86_400)] {
            app.let_fail(ANN, failures).await;
            assert_eq!(app.verify(&token, ANN, WRONG).await.said(), "400 wrong_credentials");
            let wait = wait_of(&app.verify(&token, ANN, OLD_PASSWORD).await);
            assert!(wait <= longest && wait > longest / 2, "{wait}");
            app.advance(wait);
            assert_eq!(app.verify(&token, ANN, OLD_PASSWORD).await.status, 200, "it always ends by itself");
        }
    }

    async fn f25_all_ways_to_guess_and_all_spellings_of_an_address_are_counted_together(app: TestApp) {
        app.user(ANN).await;
        app.user(BOB).await;
        let token = app.lasting_token(FULL_APP).await;
        let own = app.user_token(&token, ANN, OLD_PASSWORD).await;
        for (method, path, body) in guesses("ANN@Example.COM") {
            assert_eq!(app.send(method, path, &token, body).await.said(), "400 wrong_credentials", "{path}");
        }
        assert_eq!(app.change_own(&own, WRONG, NEW).await.said(), "400 wrong_credentials");
        assert_eq!((app.failures(ANN).await, app.failures(BOB).await), (4, 0));

        app.let_fail(ANN, MANY).await;
        assert_eq!(app.verify(&token, ANN, WRONG).await.said(), "400 wrong_credentials");
        for (method, path, body) in guesses("aNN@EXAMPLE.com") {
            wait_of(&app.send(method, path, &token, body).await);
        }
        wait_of(&app.change_own(&own, OLD_PASSWORD, NEW).await);
        assert_eq!(app.verify(&token, BOB, OLD_PASSWORD).await.status, 200, "nobody else waits");
    }

    async fn f25_what_cannot_succeed_whatever_the_old_password_is_no_guess(app: TestApp) {
        app.user(ANN).await;
        let token = app.lasting_token(FULL_APP).await;
        for (body, said) in [
            (json!({"email": ANN, "old_password": WRONG, "password": "short"}), "400 wrong_password"),
            (json!({"email": ANN, "old_password": WRONG, "password": NEW, "password_confirmation": "x"}), "400 wrong_password"),
            (json!({"email": ANN, "old_password": WRONG}), "400 invalid_request"),
            (json!({"email": ANN, "old_password": 1, "password": NEW}), "400 invalid_request"),
        ] {
            assert_eq!(app.send("PUT", CHANGE, &token, body).await.said(), said);
        }
        let unscoped = app.token("password:remind").await;
        for (method, path, body) in guesses(ANN) {
            assert_eq!(app.send(method, path, &unscoped, body).await.status, 403);
        }
        assert_eq!(app.failures(ANN).await, 0);
    }

    async fn f25_known_and_unknown_addresses_are_slowed_down_with_the_same_words(app: TestApp) {
        app.user(ANN).await;
        app.user("off@example.com").await;
        app.flows.disable_user(By::Operator, user_ref("off@example.com"), true).await.unwrap();
        app.user_without_password("bare@example.com").await;
        let token = app.token(&format!("{FULL_APP} users:disclose")).await;
        let mut heard = Vec::new();
        for email in [ANN, NOBODY, "off@example.com", "bare@example.com"] {
            let mut told = Vec::new();
            for _ in 0..3 {
                told.push(shape(&app.verify(&token, email, WRONG).await));
            }
            app.let_fail(email, MANY).await;
            for (method, path, body) in [guesses(email).as_slice(), &guesses(email)].concat() {
                let reply = app.send(method, path, &token, body).await;
                if reply.status == 429 {
                    let wait = wait_of(&reply);
                    assert!((1024..=2048).contains(&wait), "{email}: {wait}");
                }
                told.push(shape(&reply));
            }
            heard.push(told);
        }
        assert!(heard.iter().all(|told| *told == heard[0]), "{heard:#?}");
        let statuses: Vec<_> = heard[0].iter().map(|(status, ..)| *status).collect();
        assert_eq!(statuses, [400, 400, 400, 400, 429, 429, 429, 429, 429]);
    }

    async fn f25_a_success_forgets_the_failures_before_it(app: TestApp) {
        app.user(ANN).await;
        let token = app.lasting_token(FULL_APP).await;
        for round in 0..4 {
            for _ in 0..9 {
                assert_eq!(app.verify(&token, ANN, WRONG).await.said(), "400 wrong_credentials", "{round}");
            }
            match round % 3 {
                0 => assert_eq!(app.verify(&token, ANN, OLD_PASSWORD).await.status, 200),
                1 => assert_eq!(app.session(&token, ANN, OLD_PASSWORD).await.status, 201),
                _ => assert_eq!(app.change(&token, ANN, OLD_PASSWORD, OLD_PASSWORD).await.status, 200),
            }
            assert_eq!(app.failures(ANN).await, 0, "{round}");
        }
    }

    async fn f25_a_new_password_by_mail_or_by_an_administrator_ends_the_pause(app: TestApp) {
        let id = app.user(ANN).await;
        let token = app.lasting_token(FULL_APP).await;
        let admin = app.token(ADMIN).await;
        let link = app.mailed_token(&token, ANN).await;
        for (round, by) in ["mail", "administrator"].iter().enumerate() {
            app.let_fail(ANN, MANY).await;
            assert_eq!(app.verify(&token, ANN, WRONG).await.said(), "400 wrong_credentials");
            let password = format!("{NEW} {round}");
            wait_of(&app.verify(&token, ANN, &password).await);
            let set = match round {
                0 => app.reset(&token, ANN, &link, &password).await,
                _ => app.admin_set(&admin, id, &password).await,
            };
            assert_eq!(set.status, 200, "{by}");
            assert_eq!(app.verify(&token, ANN, &password).await.status, 200, "{by}");
        }
    }

    async fn f27_a_new_account_inherits_no_failures_of_its_address(app: TestApp) {
        let id = app.user(ANN).await;
        let (token, admin) = (app.lasting_token(FULL_APP).await, app.token(ADMIN).await);
        app.let_fail(ANN, MANY).await;
        assert_eq!(app.verify(&token, ANN, WRONG).await.status, 400);
        // Nothing about the address is kept when its owner goes.
        assert_eq!(app.bare("DELETE", &format!("{USERS}/{id}"), &admin).await.status, 200);
        assert_eq!(app.failures(ANN).await, 0);
        // What was guessed while nobody had the address does not shut out whoever gets it.
        app.let_fail(ANN, MANY).await;
        assert_eq!(app.verify(&token, ANN, OLD_PASSWORD).await.status, 400);
        let body = json!({"email": ANN, "password": NEW});
        assert_eq!(app.post(USERS, &admin, body.clone()).await.status, 201);
        assert_eq!(app.verify(&token, ANN, NEW).await.status, 200);
        // But asking for an account that there is already changes nothing.
        app.let_fail(ANN, MANY).await;
        assert_eq!(app.post(USERS, &admin, body).await.said(), "409 user_exists");
        assert_eq!(app.failures(ANN).await, MANY);
    }

    async fn d10_failures_are_forgotten_a_week_after_the_last(app: TestApp) {
        app.let_fail(ANN, MANY).await;
        let Clock::Shifted(_) = app.clock else { panic!("a clock in the test's hand") };
        app.clock.advance(TimeDelta::days(7) - TimeDelta::minutes(5));
        assert_eq!(app.flows.purge().await.unwrap().guesses, 0);
        assert_eq!(app.failures(ANN).await, MANY);
        app.clock.advance(TimeDelta::minutes(10));
        assert_eq!(app.flows.purge().await.unwrap().guesses, 1);
        assert_eq!(app.failures(ANN).await, 0);
    }
}
