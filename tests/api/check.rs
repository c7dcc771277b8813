//! `POST /v1/password/check`: whether a link is alive, nothing else about it, and never at its expense.

use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};
use unforget::domain::{PlainToken, ResetToken};
use unforget::flows::By;

use crate::both;
use crate::helpers::{APP, Backend, TestApp};
use crate::recovery::{
    CHECK, REMIND, RESET, assert_refused, shape, unreadable, user_ref, wrong_field, wrong_token,
};

both! {
    async fn f18_check_tells_that_the_link_is_alive_until_when_and_nothing_about_whose_it_is(app: TestApp) {
        app.user("ann@example.com").await;
        // Also to a client that may know users.
        for scopes in ["password:remind password:reset", "password:remind password:reset users:disclose"] {
            let token = app.token(scopes).await;
            let before = app.clock.now();
            let reset_token = app.mailed_token(&token, "ann@example.com").await;
            let after = app.clock.now();
            for reply in app.post_both_ways(CHECK, &token, &[("token", &reset_token)]).await {
                assert_eq!(reply.status, 200, "{reply:?}");
                let mut body = reply.json();
                let expires_at = body["expires_at"].take();
                let expected = json!({"status": "token_valid", "success": "The reset token is valid.", "expires_at": null});
                assert_eq!(body, expected);
                let expires_at = expires_at.as_str().unwrap();
                assert!(expires_at.ends_with('Z') && expires_at.len() == "2026-01-01T00:00:00Z".len(), "{expires_at}");
                let expires_at: DateTime<Utc> = expires_at.parse().unwrap();
                // In whole seconds, an hour after the request.
                let hour = Duration::hours(1);
                assert!((before + hour - Duration::seconds(1)..=after + hour).contains(&expires_at), "{expires_at}");
            }
            app.later(61).await;
        }
    }

    async fn f18_every_dead_token_gets_the_same_answer(app: TestApp) {
        let token = app.token(APP).await;
        for email in ["used@example.com", "off@example.com", "gone@example.com", "late@example.com"] {
            app.user(email).await;
        }
        let used = app.mailed_token(&token, "used@example.com").await;
        assert_eq!(app.reset(&token, "used@example.com", &used, "a new secret").await.status, 200);
        app.mails(2).await;
        let off = app.mailed_token(&token, "off@example.com").await;
        assert!(app.flows.disable_user(By::Operator, user_ref("off@example.com"), true).await.unwrap());
        let gone = app.mailed_token(&token, "gone@example.com").await;
        assert!(app.flows.delete_user(By::Operator, user_ref("gone@example.com")).await.unwrap());
        let late = app.mailed_token(&token, "late@example.com").await;
        app.later(3601).await;
        let unknown = PlainToken::<ResetToken>::from_random([7; 32]).expose().to_owned();
        // The clock stands an hour later, so the access token has expired too.
        let token = app.token(APP).await;
        let expected = app.check(&token, &unknown).await;
        assert_refused(&expected, 400, &wrong_token(), "unknown");
        let changed = format!("{}{}", &late[..late.len() - 1], if late.ends_with('x') { 'y' } else { 'x' });
        for (what, dead) in [
            ("used", used.as_str()),
            ("of a disabled user", &off),
            ("of a deleted user", &gone),
            ("expired", &late),
            ("with a wrong checksum", &changed),
            ("an access token", &token),
            ("in capitals", &late.to_uppercase()),
            ("with a space after it", &format!("{late} ")),
            ("empty", ""),
            ("something else", "' OR 1=1 --"),
            ("very long", &"uf_rt_".repeat(1000)),
        ] {
            for reply in app.post_both_ways(CHECK, &token, &[("token", dead)]).await {
                assert_eq!(shape(&reply), shape(&expected), "{what}");
            }
        }
    }

    async fn check_names_the_field_that_is_wrong(app: TestApp) {
        let token = app.token(APP).await;
        let (json, form) = ("application/json", "application/x-www-form-urlencoded");
        for (content_type, body, expected) in [
            (json, "{}", wrong_field("token")),
            (json, r#"{"token": null}"#, wrong_field("token")),
            (json, r#"{"token": 7}"#, wrong_field("token")),
            (json, r#"{"token": ["uf_rt_x"]}"#, wrong_field("token")),
            (json, r#"{"token": "a", "token": "b"}"#, wrong_field("token")),
            (json, "[]", unreadable()),
            (json, "", unreadable()),
            (form, "", wrong_field("token")),
            (form, "token=a&token=b", wrong_field("token")),
            (form, "token=%zz", unreadable()),
        ] {
            let reply = app.post_bytes(CHECK, &token, content_type, body).await;
            assert_refused(&reply, 400, &expected, body);
        }
    }

    async fn f18_check_does_not_take_the_token_from_the_url(app: TestApp) {
        app.user("ann@example.com").await;
        let token = app.token(APP).await;
        let reset_token = app.mailed_token(&token, "ann@example.com").await;
        let reply = app.post(&format!("{CHECK}?token={reset_token}"), &token, json!({})).await;
        assert_refused(&reply, 400, &wrong_field("token"), "in the query");
    }

    async fn check_speaks_french_to_those_who_ask_for_it(app: TestApp) {
        app.user("ann@example.com").await;
        let token = app.token(APP).await;
        let reset_token = app.mailed_token(&token, "ann@example.com").await;
        let valid = app.post_in_french(CHECK, &token, json!({"token": reset_token})).await.json();
        assert_eq!((&valid["status"], &valid["success"]), (&json!("token_valid"), &json!("Le jeton de réinitialisation est valide.")));
        let wrong: Value = app.post_in_french(CHECK, &token, json!({"token": "x"})).await.json();
        assert_eq!((&wrong["status"], &wrong["error"]), (&json!("wrong_token"), &json!("Le jeton de réinitialisation n'est pas valide.")));
    }

    async fn f17_looking_never_uses_a_link_up(app: TestApp) {
        app.user("ann@example.com").await;
        let token = app.token(APP).await;
        let reset_token = app.mailed_token(&token, "ann@example.com").await;
        // As mail scanners do: GET and HEAD, with and without the app's own rights, on every path that knows the token.
        let body = json!({"email": "ann@example.com", "token": reset_token, "password": "a scanner's", "password_confirmation": "a scanner's"});
        for method in ["GET", "HEAD"] {
            for path in [REMIND, CHECK, RESET] {
                let path = format!("{path}?token={reset_token}&email=ann@example.com&password=a+scanner%27s");
                let bare = app.request(method, &path).send().await.unwrap();
                let full = app.request(method, &path).bearer_auth(&token).json(&body).send().await.unwrap();
                assert_eq!((bare.status(), full.status()), (405.try_into().unwrap(), 405.try_into().unwrap()), "{method} {path}");
            }
            let page = app.request(method, &format!("/reset?token={reset_token}")).send().await.unwrap();
            assert!(!page.status().is_server_error(), "{page:?}");
        }
        for round in 0..100 {
            assert_eq!(app.check(&token, &reset_token).await.said(), "200 token_valid", "round {round}");
        }
        let reply = app.reset(&token, "ann@example.com", &reset_token, "a new secret").await;
        assert_eq!(reply.said(), "200 password_reset");
    }
}
