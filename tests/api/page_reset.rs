//! What the page's script may send: the live link is its authority, and it is read as strictly as the API reads.

use serde_json::{Value, json};
use unforget::domain::{PlainToken, ResetToken};
use unforget::flows::By;

use crate::both;
use crate::helpers::{APP, Backend, OLD_PASSWORD, TestApp};
use crate::http_headers::sent;
use crate::recovery::{
    assert_refused, password_reset, shape, unreadable, user_ref, wrong_field, wrong_password,
    wrong_token,
};

const ANN: &str = "ann@example.com";

fn check_body(token: &str) -> Value {
    json!({"token": token})
}

fn reset_body(token: &str, password: &str) -> Value {
    json!({"token": token, "password": password, "password_confirmation": password})
}

both! {
    async fn f20_a_mailed_link_sets_a_new_password_without_any_app(app: TestApp) {
        app.user(ANN).await;
        let client = app.client_with(APP, |new| new.reset_url = None).await;
        let token = app.token_of(&client).await;
        let link = app.mailed_token(&token, ANN).await;
        let text = app.sink.received()[0].parse().text;
        assert!(text.contains(&format!("https://unforget.example/reset#token={link}")), "{text}");

        let by_app = app.check(&token, &link).await;
        let by_page = app.page_post("/reset/check", check_body(&link)).await;
        assert_eq!(by_page.said(), "200 token_valid");
        assert_eq!(by_page.json(), by_app.json(), "f18: the same words, and no more");

        let reply = app.page_post("/reset", reset_body(&link, "a new secret")).await;
        assert_eq!((reply.status, reply.json()), (200, password_reset()));
        assert!(app.password_is(ANN, "a new secret").await);
        let notice = app.mails(2).await.remove(1).parse();
        assert_eq!(notice.header("Subject").as_deref(), Some("Your password for Teen Quotes was changed"));

        for path in ["/reset/check", "/reset"] {
            let reply = app.page_post(path, reset_body(&link, "a newer secret")).await;
            assert_refused(&reply, 400, &wrong_token(), path);
        }
        assert_eq!(app.check(&token, &link).await.said(), "400 wrong_token");
        assert!(app.password_is(ANN, "a new secret").await);
    }

    async fn the_link_is_the_authority_and_an_apps_token_is_none(app: TestApp) {
        app.user(ANN).await;
        let token = app.token("password:remind password:reset users:disclose").await;
        let link = app.mailed_token(&token, ANN).await;
        // Whatever stands in the header, the page does not look at it.
        for path in ["/reset/check", "/reset"] {
            for bearer in [token.as_str(), "x", &link] {
                assert_eq!(app.post(path, bearer, reset_body("x", "a new secret")).await.said(), "400 wrong_token");
            }
        }
        // An address in the body is not looked at either: the account is that of the link.
        let mut body = reset_body(&link, "a new secret");
        body["email"] = json!("bob@example.com");
        assert_eq!(app.page_post("/reset", body).await.said(), "200 password_reset");
        assert!(app.password_is(ANN, "a new secret").await);
    }

    async fn f15_f18_every_dead_link_gets_the_same_answer(app: TestApp) {
        let client = app.client(APP).await;
        let (off, gone) = (app.client(APP).await, app.client(APP).await);
        let token = app.token_of(&client).await;
        let of = |name: &str| format!("{name}@example.com");
        for name in ["used", "disabled", "deleted", "late", "off", "gone"] {
            app.user(&of(name)).await;
        }
        let used = app.mailed_token(&token, &of("used")).await;
        assert_eq!(app.page_post("/reset", reset_body(&used, "a new secret")).await.status, 200);
        app.mails(2).await;
        let disabled = app.mailed_token(&token, &of("disabled")).await;
        assert!(app.flows.disable_user(By::Operator, user_ref(&of("disabled")), true).await.unwrap());
        let deleted = app.mailed_token(&token, &of("deleted")).await;
        assert!(app.flows.delete_user(By::Operator, user_ref(&of("deleted"))).await.unwrap());
        let late = app.mailed_token(&token, &of("late")).await;
        let by_off = app.mailed_token(&app.token_of(&off).await, &of("off")).await;
        let by_gone = app.mailed_token(&app.token_of(&gone).await, &of("gone")).await;
        assert!(app.flows.disable_client(By::Operator, off.client_id(), true).await.unwrap());
        assert!(app.flows.delete_client(By::Operator, gone.client_id()).await.unwrap());
        let unknown = PlainToken::<ResetToken>::from_random([7; 32]).expose().to_owned();
        let expected = app.page_post("/reset/check", check_body(&unknown)).await;
        assert_refused(&expected, 400, &wrong_token(), "unknown");
        for (what, dead) in [
            ("used", used.as_str()),
            ("of a disabled user", &disabled),
            ("of a deleted user", &deleted),
            ("of a disabled client", &by_off),
            ("of a deleted client", &by_gone),
            ("of another kind", &token),
            ("empty", ""),
            ("something else", "' OR 1=1 --"),
        ] {
            assert_eq!(shape(&app.page_post("/reset/check", check_body(dead)).await), shape(&expected), "{what}");
            // Also with a password that would be refused: a dead link is told first.
            for password in ["a new secret", "short"] {
                assert_eq!(shape(&app.page_post("/reset", reset_body(dead, password)).await), shape(&expected), "{what}");
            }
        }
        assert!(app.password_is(&of("off"), OLD_PASSWORD).await);
        // A client that is switched on again gives its links back.
        assert!(app.flows.disable_client(By::Operator, off.client_id(), false).await.unwrap());
        assert_eq!(app.page_post("/reset", reset_body(&by_off, "a new secret")).await.said(), "200 password_reset");

        app.later(3601).await;
        assert_eq!(shape(&app.page_post("/reset/check", check_body(&late)).await), shape(&expected), "expired");
        assert_eq!(shape(&app.page_post("/reset", reset_body(&late, "a new secret")).await), shape(&expected), "expired");
    }

    async fn f17_whoever_looks_at_the_page_uses_nothing_up(app: TestApp) {
        app.user(ANN).await;
        let token = app.token(APP).await;
        let link = app.mailed_token(&token, ANN).await;
        let bare = sent(app.request("GET", "/reset")).await;
        let path = format!("/reset?token={link}&password=a+scanner%27s&password_confirmation=a+scanner%27s");
        for _ in 0..100 {
            let page = sent(app.request("GET", &path).json(&reset_body(&link, "a scanner's"))).await;
            assert_eq!((page.status, &page.text), (200, &bare.text), "the token is not even looked at");
            assert_eq!(sent(app.request("HEAD", &path)).await.status, 200);
            assert_eq!(app.page_post("/reset/check", check_body(&link)).await.status, 200);
        }
        // Nor does a query count where a body does.
        assert_refused(&app.page_post(&path, json!({})).await, 400, &wrong_field("token"), "in the query");
        assert!(app.password_is(ANN, OLD_PASSWORD).await);
        assert_eq!(app.page_post("/reset", reset_body(&link, "a new secret")).await.said(), "200 password_reset");
    }

    async fn what_the_page_sends_is_read_as_strictly_as_the_api_reads(app: TestApp) {
        let json = "application/json";
        for (path, content_type, body, status, expected) in [
            ("/reset/check", json, "{}", 400, wrong_field("token")),
            ("/reset/check", json, r#"{"token": 7}"#, 400, wrong_field("token")),
            ("/reset/check", json, "[]", 400, unreadable()),
            ("/reset", json, "{}", 400, wrong_field("token")),
            ("/reset", json, r#"{"token": "x"}"#, 400, wrong_field("password")),
            ("/reset", json, r#"{"token": "x", "token": "y", "password": "a new secret"}"#, 400, wrong_field("token")),
            ("/reset", json, r#"{"token": "x", "password": "a new secret", "password_confirmation": 7}"#, 400, wrong_field("password_confirmation")),
        ] {
            let request = app.request("POST", path).header("content-type", content_type).body(body);
            assert_refused(&sent(request).await, status, &expected, body);
        }
        assert_eq!(sent(app.request("POST", "/reset").body("x")).await.said(), "415 unsupported_media_type");
        let large = app.request("POST", "/reset").json(&reset_body("x", &"x".repeat(17_000)));
        assert_eq!(sent(large).await.said(), "413 payload_too_large");
        let french = app.request("POST", "/reset").header("accept-language", "fr").json(&reset_body("x", "a new secret"));
        assert_eq!(sent(french).await.json()["error"], "Le jeton de réinitialisation n'est pas valide.");
    }
}

both! {
    async fn f13_p09_a_refused_password_names_its_reasons_and_does_not_use_the_link_up(backend: Backend) {
        let app = TestApp::start_with(backend, |settings| {
            settings.policy.min_length = 15;
            settings.policy.blocklist = true;
        }).await;
        app.user_without_password("annette@example.com").await;
        let link = app.mailed_token(&app.token(APP).await, "annette@example.com").await;
        let long = "nine green kites ride uphill ".repeat(40);
        for (password, confirmation, reasons) in [
            ("qf7#kz", "qf7#kz", vec!["too_short", "common"]),
            ("nine green kites", "ten green kites", vec!["mismatch"]),
            // The account is known by the link alone, and so are the words that its password must not hold.
            ("Annette rides green kites", "Annette rides green kites", vec!["context"]),
            ("the unforget green kites", "the unforget green kites", vec!["context"]),
            ("nine green kites\0", "nine green kites\0", vec!["forbidden_character"]),
            (&long, &long, vec!["too_long"]),
        ] {
            let body = json!({"token": link, "password": password, "password_confirmation": confirmation});
            let reply = app.page_post("/reset", body).await;
            assert_refused(&reply, 400, &wrong_password(&reasons, 15), password);
        }
        let reply = app.page_post("/reset", reset_body(&link, "nine green kites ride uphill")).await;
        assert_eq!(reply.said(), "200 password_reset");
    }
}
