//! `PATCH /v1/users/{id}`: what is stated changes, what is not stays, and switching off ends everything.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::accounts::{ADMIN, ANN, FULL_APP, NEW, USERS, path_of, unknown_user, wrong_credentials};
use crate::both;
use crate::helpers::{Backend, OLD_PASSWORD, Reply, TestApp};
use crate::recovery::{assert_refused, eventually, unreadable, wrong_field};
use crate::smtp::Behaviour;

both! {
    async fn what_a_patch_states_changes_and_nothing_else(app: TestApp) {
        let admin = app.token(ADMIN).await;
        let body = json!({"email": ANN, "password": OLD_PASSWORD, "locale": "fr", "profile": {"name": "Ann", "age": 7}});
        let created = app.post(USERS, &admin, body).await.json();
        let id: Uuid = created["user"]["id"].as_str().unwrap().parse().unwrap();
        let mut expected = created["user"].clone();
        for (change, member, value) in [
            (json!({}), "locale", json!("fr")),
            (json!({"unknown": 1, "id": Uuid::nil(), "created_at": null, "password_must_change": true}), "id", json!(id)),
            (json!({"locale": "en-GB"}), "locale", json!("en-GB")),
            (json!({"locale": null}), "locale", Value::Null),
            (json!({"profile": {"age": 8}}), "profile", json!({"name": "Ann", "age": 8})),
            (json!({"disabled": true}), "disabled", json!(true)),
            (json!({"disabled": true}), "disabled", json!(true)),
            (json!({"disabled": false}), "disabled", json!(false)),
            (json!({"email": "Ann@Example.com"}), "email", json!("Ann@example.com")),
        ] {
            let reply = app.patch(&admin, id, change.clone()).await;
            assert_eq!(reply.said(), "200 user_updated", "{change}: {reply:?}");
            assert_eq!(reply.json()["success"], "The user has been changed.");
            expected[member] = value;
            assert_eq!(reply.json()["user"], expected, "{change}");
            assert_eq!(app.bare("GET", &path_of(id), &admin).await.json()["user"], expected, "{change}");
        }
        let request = app.request("PATCH", &path_of(id)).bearer_auth(&admin).header("accept-language", "fr");
        let form = Reply::of(request.form(&[("disabled", "true"), ("locale", "de")]).send().await.unwrap()).await.json();
        assert_eq!(form["success"], "L'utilisateur a été modifié.");
        assert_eq!((&form["user"]["disabled"], &form["user"]["locale"]), (&json!(true), &json!("de")));
        app.quiet().await;
        assert!(app.sink.received().is_empty(), "a new spelling is no new address");
    }

    /// The cases of RFC 7396 appendix A that have objects on both sides, and null for all of it.
    async fn a_profile_is_changed_by_a_merge_patch(app: TestApp) {
        let admin = app.token(ADMIN).await;
        for (number, (before, patch, after)) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
            (json!({"a": [1, null]}), json!({"b": [null, {"c": null}]}), json!({"a": [1, null], "b": [null, {"c": null}]})),
            (json!({"a": "foo"}), Value::Null, json!({})),
        ].into_iter().enumerate() {
            let email = format!("user{number}@example.com");
            let created = app.post(USERS, &admin, json!({"email": email, "profile": before})).await;
            let reply = app.send("PATCH", created.header("location"), &admin, json!({"profile": patch})).await;
            assert_eq!(reply.json()["user"]["profile"], after, "{before} + {patch}");
            let read = app.bare("GET", created.header("location"), &admin).await;
            assert_eq!(read.json()["user"]["profile"], after, "{before} + {patch}");
        }
    }

    async fn many_small_patches_make_no_profile_beyond_16_kib(app: TestApp) {
        let id = app.user(ANN).await;
        let admin = app.token(ADMIN).await;
        let text = "x".repeat(5000);
        for key in ["a", "b", "c"] {
            assert_eq!(app.patch(&admin, id, json!({"profile": {key: text}})).await.status, 200);
        }
        let before = app.bare("GET", &path_of(id), &admin).await.json();
        let reply = app.patch(&admin, id, json!({"locale": "fr", "profile": {"d": text}})).await;
        assert_refused(&reply, 400, &wrong_field("profile"), "too large");
        assert_eq!(app.bare("GET", &path_of(id), &admin).await.json(), before, "nothing of it was done");
        assert_eq!(app.patch(&admin, id, json!({"profile": {"a": null, "d": text}})).await.status, 200);
    }

    async fn patch_names_the_field_that_is_wrong(app: TestApp) {
        let id = app.user(ANN).await;
        let admin = app.token(ADMIN).await;
        let before = app.bare("GET", &path_of(id), &admin).await.json();
        for (change, expected) in [
            (json!({"email": null}), wrong_field("email")),
            (json!({"email": ""}), wrong_field("email")),
            (json!({"email": "no address"}), wrong_field("email")),
            (json!({"email": ["bob@example.com"]}), wrong_field("email")),
            (json!({"email": "b\0b@example.com"}), wrong_field("email")),
            (json!({"locale": 1}), wrong_field("locale")),
            (json!({"locale": "f"}), wrong_field("locale")),
            (json!({"disabled": null}), wrong_field("disabled")),
            (json!({"disabled": "yes"}), wrong_field("disabled")),
            (json!({"disabled": 1}), wrong_field("disabled")),
            (json!({"profile": [1]}), wrong_field("profile")),
            (json!({"profile": {"a": "\0"}}), wrong_field("profile")),
            (json!({"locale": "fr", "disabled": true, "profile": 1}), wrong_field("profile")),
            (json!("x"), unreadable()),
        ] {
            for target in [id, Uuid::nil()] {
                assert_refused(&app.patch(&admin, target, change.clone()).await, 400, &expected, &change.to_string());
            }
        }
        assert_refused(&app.patch(&admin, Uuid::nil(), json!({"locale": "fr"})).await, 404, &unknown_user(), "unknown");
        assert_eq!(app.bare("GET", &path_of(id), &admin).await.json(), before);
    }

    async fn f27_a_user_who_is_switched_off_has_no_access_and_gets_none_of_the_old_back(app: TestApp) {
        let id = app.user(ANN).await;
        let (token, admin) = (app.token(FULL_APP).await, app.token(ADMIN).await);
        let user_token = app.user_token(&token, ANN, OLD_PASSWORD).await;
        let link = app.mailed_token(&token, ANN).await;
        app.later(61).await;
        app.sink.behave(Behaviour::later());
        assert_eq!(app.remind(&token, ANN).await.said(), "200 reminder_sent");
        eventually("a second link is refused for now", || app.sink.attempts() >= 2).await;

        assert_eq!(app.patch(&admin, id, json!({"disabled": true})).await.status, 200);
        app.sink.behave(Behaviour::default());
        assert!(!app.speaks(&user_token).await);
        assert_eq!(app.reset(&token, ANN, &link, NEW).await.said(), "400 wrong_token");
        for reply in [app.verify(&token, ANN, OLD_PASSWORD).await, app.session(&token, ANN, OLD_PASSWORD).await, app.change(&token, ANN, OLD_PASSWORD, NEW).await] {
            assert_refused(&reply, 400, &wrong_credentials(), "disabled");
        }
        assert_eq!(app.bare("GET", &path_of(id), &admin).await.json()["user"]["disabled"], true);

        assert_eq!(app.patch(&admin, id, json!({"disabled": false})).await.status, 200);
        assert!(!app.speaks(&user_token).await);
        assert_eq!(app.check(&token, &link).await.said(), "400 wrong_token");
        app.advance(900);
        app.quiet().await;
        assert_eq!(app.sink.received().len(), 1, "the mail that waited is not sent");
        assert_eq!(app.verify(&token, ANN, OLD_PASSWORD).await.status, 200, "the password is as before");
    }
}
