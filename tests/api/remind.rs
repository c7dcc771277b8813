//! `POST /v1/password/remind`: what it answers, what it discloses to whom, and how often it sends.

use serde_json::json;

use crate::both;
use crate::helpers::{APP, Backend, OLD_PASSWORD, Reply, TestApp};
use crate::recovery::{
    REMIND, assert_refused, reminder_sent, shape, unreadable, user_ref, wrong_field, wrong_user,
};
use crate::smtp::Behaviour;
use unforget::flows::By;

/// The text of 429, in English.
const TOO_MANY: &str = "Too many requests; come back later.";

fn retry_after(reply: &Reply) -> i64 {
    reply.header("retry-after").parse().unwrap()
}

both! {
    async fn remind_sends_a_mail_and_says_so_in_both_encodings(app: TestApp) {
        app.user_without_password("ann@example.com").await;
        app.user_without_password("bob@example.com").await;
        let token = app.token(APP).await;
        let by_json = app.post(REMIND, &token, json!({"email": "ann@example.com"})).await;
        let by_form = app.post_form(REMIND, &token, &[("email", "bob@example.com")]).await;
        for reply in [by_json, by_form] {
            assert_eq!((reply.status, reply.json()), (200, reminder_sent()));
        }
        let mut recipients: Vec<_> = app.mails(2).await.into_iter().map(|mail| mail.to).collect();
        recipients.sort();
        assert_eq!(recipients, [["ann@example.com"], ["bob@example.com"]]);
    }

    async fn remind_names_the_field_that_is_wrong(app: TestApp) {
        let token = app.token(APP).await;
        let (json, form) = ("application/json", "application/x-www-form-urlencoded");
        for (content_type, body, expected) in [
            (json, "{}", wrong_field("email")),
            (json, r#"{"email": null}"#, wrong_field("email")),
            (json, r#"{"email": 7}"#, wrong_field("email")),
            (json, r#"{"email": true}"#, wrong_field("email")),
            (json, r#"{"email": "a@b.example", "locale": 7}"#, wrong_field("locale")),
            (json, r#"{"email": "a@b.example", "locale": "no tag"}"#, wrong_field("locale")),
            (json, r#"{"email": "a@b.example", "locale": "fr", "locale": "en"}"#, wrong_field("locale")),
            (json, "", unreadable()),
            (json, "[]", unreadable()),
            (json, r#""a@b.example""#, unreadable()),
            (json, r#"{"email": "a@b.example""#, unreadable()),
            (json, r#"{"email": "a@b.example"} x"#, unreadable()),
            (json, "email=a@b.example", unreadable()),
            (form, "", wrong_field("email")),
            (form, "mail=a@b.example", wrong_field("email")),
            (form, "email=a@b.example&locale=no+tag", wrong_field("locale")),
            (form, "email=a%4", unreadable()),
        ] {
            let reply = app.post_bytes(REMIND, &token, content_type, body).await;
            assert_refused(&reply, 400, &expected, body);
        }
    }

    async fn remind_does_not_take_its_fields_from_the_query(app: TestApp) {
        app.user_without_password("ann@example.com").await;
        let token = app.token(APP).await;
        let path = format!("{REMIND}?email=ann@example.com");
        let reply = app.post(&path, &token, json!({})).await;
        assert_refused(&reply, 400, &wrong_field("email"), &path);
    }

    async fn remind_speaks_french_to_those_who_ask_for_it(app: TestApp) {
        let token = app.token("password:remind users:disclose").await;
        app.user_without_password("ann@example.com").await;
        let sent = app.post_in_french(REMIND, &token, json!({"email": "ann@example.com"})).await;
        assert_eq!(sent.json(), json!({"status": "reminder_sent", "success": "Un e-mail a été envoyé à l'utilisateur."}));
        for (body, status, text) in [
            (json!({"email": "x@example.com"}), "wrong_user", "L'adresse e-mail ne correspond à aucun utilisateur."),
            (json!({"email": 7}), "invalid_request", "Ce champ est absent, répété, d'un type inattendu ou n'est pas valide."),
            (json!([]), "invalid_request", "La requête n'est pas valide."),
        ] {
            let reply = app.post_in_french(REMIND, &token, body).await;
            assert_eq!((&reply.json()["status"], &reply.json()["error"]), (&json!(status), &json!(text)));
        }
    }

    async fn f01_the_answer_is_the_same_for_every_kind_of_account(app: TestApp) {
        let token = app.token(APP).await;
        for email in ["known@example.com", "disabled@example.com", "bounces@example.com"] {
            app.user(email).await;
        }
        app.user_without_password("new@example.com").await;
        assert!(app.flows.disable_user(By::Operator, user_ref("disabled@example.com"), true).await.unwrap());
        // The mail server refuses this one for good.
        app.sink.behave(Behaviour::no_such_user());
        let refused = app.remind(&token, "bounces@example.com").await;
        app.quiet().await;
        app.sink.behave(Behaviour::default());

        let known = app.remind(&token, "known@example.com").await;
        assert_eq!((known.status, known.json()), (200, reminder_sent()));
        assert_eq!(shape(&refused), shape(&known), "a mail that will be refused");
        for (what, email) in [
            ("known, just mailed", "known@example.com"),
            ("unknown", "nobody@example.com"),
            ("unknown, just asked for", "nobody@example.com"),
            ("disabled", "disabled@example.com"),
            ("disabled, just asked for", "disabled@example.com"),
            ("without a password", "new@example.com"),
            ("mail was refused", "bounces@example.com"),
        ] {
            let reply = app.remind(&token, email).await;
            assert_eq!(shape(&reply), shape(&known), "{what}");
            assert_eq!(reply.text, known.text, "{what}");
        }
        app.quiet().await;
        let recipients: Vec<_> = app.sink.received().into_iter().map(|mail| mail.to).collect();
        assert_eq!(recipients.len(), 2, "{recipients:?}");
        assert!(recipients.contains(&vec!["known@example.com".to_owned()]), "{recipients:?}");
        assert!(recipients.contains(&vec!["new@example.com".to_owned()]), "{recipients:?}");
    }

    async fn only_a_disclosing_client_learns_that_there_is_no_such_user(app: TestApp) {
        app.user("known@example.com").await;
        let discreet = app.token(APP).await;
        let disclosing = app.token("password:remind users:disclose").await;
        for reply in app.post_both_ways(REMIND, &disclosing, &[("email", "nobody@example.com")]).await {
            assert_refused(&reply, 400, &wrong_user(), "unknown");
        }
        // It did not count as asking: the answer stays the same however often it is asked.
        for _ in 0..6 {
            assert_eq!(app.remind(&disclosing, "nobody@example.com").await.said(), "400 wrong_user");
        }
        assert_eq!(app.remind(&disclosing, "known@example.com").await.said(), "200 reminder_sent");
        assert_eq!(app.remind(&discreet, "nobody@example.com").await.said(), "200 reminder_sent");
        // What cannot be an address is nobody's, so saying so discloses nothing.
        for token in [&discreet, &disclosing] {
            for reply in app.post_both_ways(REMIND, token, &[("email", "not an address")]).await {
                assert_refused(&reply, 400, &wrong_user(), "malformed");
            }
        }
    }

    async fn within_the_cool_down_remind_answers_the_same_and_sends_nothing(app: TestApp) {
        app.user("ann@example.com").await;
        let token = app.token(APP).await;
        let first = app.remind(&token, "ann@example.com").await;
        app.mails(1).await;
        // Also under another spelling of the address, and to the end of the minute. (The clock runs on by itself too.)
        for (spelling, seconds) in [("ann@example.com", 0), ("ANN@Example.COM", 0), ("ann@example.com", 50)] {
            app.later(seconds).await;
            let again = app.remind(&token, spelling).await;
            assert_eq!(shape(&again), shape(&first), "{spelling} after {seconds} s");
        }
        app.quiet().await;
        assert_eq!(app.sink.received().len(), 1);

        app.later(10).await;
        assert_eq!(app.remind(&token, "ann@example.com").await.text, first.text);
        assert_eq!(app.mails(2).await[1].to, ["ann@example.com"]);
    }

    async fn f03_the_sixth_mail_in_an_hour_is_refused_whether_or_not_the_address_exists(app: TestApp) {
        app.user("known@example.com").await;
        let token = app.token(APP).await;
        let both = ["known@example.com", "nobody@example.com"];
        for _ in 0..5 {
            for email in both {
                assert_eq!(app.remind(&token, email).await.said(), "200 reminder_sent");
            }
            app.quiet().await;
            app.later(61).await;
        }
        let [known, unknown] = [app.remind(&token, both[0]).await, app.remind(&token, both[1]).await];
        for reply in [&known, &unknown] {
            assert_refused(reply, 429, &json!({"status": "too_many_requests", "error": TOO_MANY}), "sixth");
            // The first of five was 5 x 61 s ago, and whatever the test itself took.
            let wait = retry_after(reply);
            assert!((3600 - 5 * 61 - 20..=3600 - 5 * 61).contains(&wait), "{wait}");
        }
        assert_eq!(shape(&known), shape(&unknown));
        let by_form = app.post_form(REMIND, &token, &[("email", both[0])]).await;
        assert_eq!(shape(&by_form), shape(&known));
        let french = app.post_in_french(REMIND, &token, json!({"email": both[0]})).await;
        assert_eq!(french.status, 429);
        assert_eq!(french.json()["error"], "Trop de requêtes ; revenez plus tard.");
        app.quiet().await;
        assert_eq!(app.sink.received().len(), 5);

        // Refusals do not prolong the wait: it ends when it was said to end, and not long before.
        let patient = app.client(APP).await;
        app.later(retry_after(&by_form) - 20).await;
        let token = app.token_of(&patient).await; // the first one expires with the hour
        assert_eq!(app.remind(&token, both[0]).await.status, 429);
        app.later(20).await;
        for email in both {
            assert_eq!(app.remind(&token, email).await.said(), "200 reminder_sent");
        }
        assert_eq!(app.mails(6).await.len(), 6);
    }

    async fn f29_the_hourly_cap_counts_the_address_whoever_asks_and_however_it_is_written(app: TestApp) {
        app.user("ann@bücher.example").await;
        let tokens = [app.token(APP).await, app.token(APP).await];
        let spellings = ["ann@bücher.example", "ANN@BÜCHER.example", "Ann@xn--bcher-kva.example"];
        for round in 0..5 {
            let reply = app.remind(&tokens[round % 2], spellings[round % 3]).await;
            assert_eq!(reply.said(), "200 reminder_sent");
            app.later(61).await;
        }
        for token in &tokens {
            for spelling in spellings {
                assert_eq!(app.remind(token, spelling).await.said(), "429 too_many_requests", "{spelling}");
            }
        }
        // Another address is not concerned.
        assert_eq!(app.remind(&tokens[0], "bob@bücher.example").await.said(), "200 reminder_sent");
        app.quiet().await;
        assert_eq!(app.sink.received().len(), 5);
    }

    async fn f07_remind_changes_nothing_on_the_account(app: TestApp) {
        app.user("ann@example.com").await;
        let before = app.stored_user("ann@example.com").await;
        let token = app.token(APP).await;
        for _ in 0..6 {
            app.remind(&token, "ann@example.com").await;
            app.quiet().await;
            app.later(61).await;
        }
        let after = app.stored_user("ann@example.com").await;
        assert_eq!(after.password_hash, before.password_hash);
        assert_eq!(after.password_changed_at, before.password_changed_at);
        assert_eq!(after.disabled_at, None);
        assert!(app.password_is("ann@example.com", OLD_PASSWORD).await);
    }
}
