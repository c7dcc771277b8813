//! `PUT /v1/users/{id}/password`: an administrator sets a password (bar F26).

use serde_json::{Value, json};
use uuid::Uuid;

use crate::accounts::{
    ADMIN, ANN, FULL_APP, NEW, USERS, password_of, password_updated, unknown_user,
};
use crate::both;
use crate::helpers::{Backend, OLD_PASSWORD, Reply, TestApp};
use crate::http::face;
use crate::recovery::{assert_refused, eventually, user_ref, wrong_field, wrong_password};
use crate::smtp::Behaviour;
use unforget::flows::By;

both! {
    async fn an_administrator_sets_a_password_which_the_user_should_change(app: TestApp) {
        let ann = app.user(ANN).await;
        let bare = app.user_without_password("bare@example.com").await;
        let (token, admin) = (app.token(FULL_APP).await, app.token("users:resetPassword").await);
        for (id, email) in [(ann, ANN), (bare, "bare@example.com")] {
            let reply = app.admin_set(&admin, id, NEW).await;
            assert_eq!((reply.status, reply.json()), (200, password_updated()));
            assert_eq!(app.verify(&token, email, OLD_PASSWORD).await.said(), "400 wrong_credentials");
            let verified = app.verify(&token, email, NEW).await.json();
            assert_eq!(verified["user"]["password_must_change"], true);
            assert!(verified["user"]["password_changed_at"].is_string());
        }
        let request = app.request("PUT", &password_of(ann)).bearer_auth(&admin);
        let form = Reply::of(request.form(&[("password", "by a form")]).send().await.unwrap()).await;
        assert_eq!(form.said(), "200 password_updated");
        let request = app.request("PUT", &password_of(ann)).bearer_auth(&admin).header("accept-language", "fr");
        let french = Reply::of(request.json(&json!({"password": NEW})).send().await.unwrap()).await;
        assert_eq!(french.json()["success"], "Le nouveau mot de passe a été enregistré.");
    }

    async fn b07_f26_whether_there_is_such_a_user_is_told_after_the_scope_only(app: TestApp) {
        let id = app.user(ANN).await;
        let ids = [id.to_string(), Uuid::nil().to_string(), "nonsense".to_owned(), "%00".to_owned(), "%FF".to_owned()];
        let unscoped = app.token(&format!("{FULL_APP} users:read users:write users:disclose")).await;
        let mut heard = Vec::new();
        for id in &ids {
            for body in [json!({"password": NEW}), json!({"password": "short"}), json!({}), Value::Null] {
                let reply = app.send("PUT", &format!("{USERS}/{id}/password"), &unscoped, body).await;
                assert_eq!(reply.said(), "403 insufficient_scope", "{id}");
                heard.push(face(&reply));
            }
        }
        assert!(heard.iter().all(|told| *told == heard[0]), "{heard:#?}");
        let admin = app.token("users:resetPassword").await;
        for id in &ids[1..] {
            let reply = app.send("PUT", &format!("{USERS}/{id}/password"), &admin, json!({"password": NEW})).await;
            assert_refused(&reply, 404, &unknown_user(), id);
        }
        assert!(app.password_is(ANN, OLD_PASSWORD).await);
    }

    async fn admin_set_refuses_bodies_and_passwords_before_it_looks_for_the_user(app: TestApp) {
        let known = app.user(ANN).await;
        let admin = app.token(ADMIN).await;
        for id in [known, Uuid::nil()] {
            for (body, expected) in [
                (json!({}), wrong_field("password")),
                (json!({"password": null}), wrong_field("password")),
                (json!({"password": 123_456}), wrong_field("password")),
                (json!({"password": NEW, "password_confirmation": 1}), wrong_field("password_confirmation")),
                (json!({"password": "short"}), wrong_password(&["too_short"], 6)),
                (json!({"password": "x".repeat(1025)}), wrong_password(&["too_long"], 6)),
                (json!({"password": "a new\0secret"}), wrong_password(&["forbidden_character"], 6)),
                (json!({"password": NEW, "password_confirmation": "x"}), wrong_password(&["mismatch"], 6)),
            ] {
                let reply = app.send("PUT", &password_of(id), &admin, body.clone()).await;
                assert_refused(&reply, 400, &expected, &body.to_string());
            }
        }
        assert!(app.password_is(ANN, OLD_PASSWORD).await);
        assert!(app.sink.received().is_empty());
    }

    async fn f14_f21_f26_admin_set_ends_links_and_waiting_mails_and_tells_the_user(app: TestApp) {
        let id = app.user(ANN).await;
        let (token, admin) = (app.token(FULL_APP).await, app.token(ADMIN).await);
        let link = app.mailed_token(&token, ANN).await;
        app.later(61).await;
        app.sink.behave(Behaviour::later());
        assert_eq!(app.remind(&token, ANN).await.said(), "200 reminder_sent");
        eventually("the second link is refused for now", || app.sink.attempts() >= 2).await;

        assert_eq!(app.admin_set(&admin, id, NEW).await.status, 200);
        eventually("so is the notice", || app.sink.attempts() >= 3).await;
        app.sink.behave(Behaviour::default());
        assert_eq!(app.check(&token, &link).await.said(), "400 wrong_token");
        app.advance(900);
        app.quiet().await;
        let mails = app.sink.received();
        assert_eq!(mails.len(), 2, "the first link and the notice");
        assert_eq!(mails[1].to, [ANN]);
        let notice = mails[1].parse();
        assert_eq!(notice.header("Subject").as_deref(), Some("Your password for Teen Quotes was changed"));
        for secret in ["uf_", NEW, OLD_PASSWORD] {
            assert!(!notice.text.contains(secret) && !notice.html.contains(secret), "{secret}");
        }
    }

    async fn a_disabled_user_can_be_given_a_password_and_stays_disabled(app: TestApp) {
        let id = app.user(ANN).await;
        let (token, admin) = (app.token(FULL_APP).await, app.token(ADMIN).await);
        assert!(app.flows.disable_user(By::Operator, user_ref(ANN), true).await.unwrap());
        assert_eq!(app.admin_set(&admin, id, NEW).await.said(), "200 password_updated");
        for password in [OLD_PASSWORD, NEW] {
            assert_eq!(app.verify(&token, ANN, password).await.said(), "400 wrong_credentials");
            assert_eq!(app.session(&token, ANN, password).await.said(), "400 wrong_credentials");
            assert_eq!(app.change(&token, ANN, password, "another one").await.said(), "400 wrong_credentials");
        }
        let enabled = app.patch(&admin, id, json!({"disabled": false})).await.json();
        assert_eq!(enabled["user"]["disabled"], false);
        assert_eq!(app.verify(&token, ANN, NEW).await.status, 200);
    }
}
