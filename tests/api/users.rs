//! `/v1/users`: create, read, find, delete.

use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::accounts::{
    ADMIN, ANN, FULL_APP, NEW, NOBODY, USERS, path_of, unknown_user, user_exists,
};
use crate::both;
use crate::helpers::{Backend, OLD_PASSWORD, TestApp};
use crate::http::face;
use crate::recovery::{assert_refused, eventually, unreadable, wrong_field, wrong_password};
use crate::smtp::Behaviour;

both! {
    async fn a_user_is_created_read_found_and_deleted(app: TestApp) {
        let (admin, token) = (app.token("users:read users:write").await, app.token(FULL_APP).await);
        let profile = json!({"name": "Ann \"🔑\" Bödnar", "tags": [1, -2, 1.5, null, true, {}], "deep": {"er": {"": "\u{1}"}}});
        let body = json!({"email": "Ann@Example.com", "password": OLD_PASSWORD, "password_confirmation": OLD_PASSWORD, "locale": "fr_CA", "profile": profile});
        let created = app.post(USERS, &admin, body).await;
        assert_eq!(created.status, 201, "{created:?}");
        let mut user = created.json()["user"].clone();
        let id: Uuid = user["id"].as_str().unwrap().parse().unwrap();
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(created.header("location"), path_of(id));
        assert_eq!((created.json()["status"].as_str(), created.json()["success"].as_str()), (Some("user_created"), Some("The user has been created.")));
        for name in ["created_at", "password_changed_at"] {
            let time = user[name].take();
            assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
        }
        assert_eq!(user, json!({
            "id": id, "email": "Ann@example.com", "locale": "fr-CA", "profile": profile, "created_at": null,
            "password_changed_at": null, "password_must_change": false, "disabled": false,
        }));
        assert_eq!(app.verify(&token, ANN, OLD_PASSWORD).await.status, 200);

        let read = app.bare("GET", &path_of(id), &admin).await;
        assert_eq!((read.status, &read.json()["user"]), (200, &created.json()["user"]));
        let found = app.bare("GET", &format!("{USERS}?email=aNN%40EXAMPLE.com"), &admin).await;
        assert_eq!((found.status, found.json()), (200, read.json()));
        assert_eq!(read.json()["status"], "user_found");

        let deleted = app.bare("DELETE", &path_of(id), &admin).await;
        assert_eq!((deleted.status, deleted.json()), (200, json!({"status": "user_deleted", "success": "The user has been deleted."})));
        for path in [path_of(id), format!("{USERS}?email={ANN}")] {
            assert_refused(&app.bare("GET", &path, &admin).await, 404, &unknown_user(), &path);
        }
        assert_refused(&app.bare("DELETE", &path_of(id), &admin).await, 404, &unknown_user(), "twice");
        assert_eq!(app.verify(&token, ANN, OLD_PASSWORD).await.said(), "400 wrong_credentials");
    }

    async fn an_address_is_enough_and_a_form_will_do(app: TestApp) {
        let admin = app.token(ADMIN).await;
        let json = app.post(USERS, &admin, json!({"email": ANN, "password": null, "password_hash": null, "locale": null, "profile": null})).await;
        let form = app.post_form(USERS, &admin, &[("email", NOBODY), ("locale", "")]).await;
        for reply in [json, form] {
            assert_eq!(reply.status, 201, "{reply:?}");
            let user = &reply.json()["user"];
            assert_eq!((&user["password_changed_at"], &user["locale"], &user["profile"]), (&Value::Null, &Value::Null, &json!({})));
        }
    }

    async fn a_user_comes_with_the_hash_of_another_system(app: TestApp) {
        let (admin, token) = (app.token(ADMIN).await, app.token(FULL_APP).await);
        let hash = bcrypt::hash("from elsewhere", 5).unwrap();
        let reply = app.post(USERS, &admin, json!({"email": ANN, "password_hash": hash})).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        assert!(!reply.text.contains("$2b$"), "{reply:?}");
        assert_eq!(app.verify(&token, ANN, "from elsewhere").await.status, 200);
    }

    async fn create_names_the_field_that_is_wrong(app: TestApp) {
        let admin = app.token(ADMIN).await;
        let good = bcrypt::hash("x", 4).unwrap();
        for (body, expected) in [
            (json!({}), wrong_field("email")),
            (json!({"email": null}), wrong_field("email")),
            (json!({"email": 7}), wrong_field("email")),
            (json!({"email": "no address"}), wrong_field("email")),
            (json!({"email": "ann\0@example.com"}), wrong_field("email")),
            (json!({"email": ANN, "password": 123_456}), wrong_field("password")),
            (json!({"email": ANN, "password": NEW, "password_confirmation": []}), wrong_field("password_confirmation")),
            (json!({"email": ANN, "password_hash": "md5"}), wrong_field("password_hash")),
            (json!({"email": ANN, "password_hash": ""}), wrong_field("password_hash")),
            (json!({"email": ANN, "password_hash": format!("{good}\0")}), wrong_field("password_hash")),
            (json!({"email": ANN, "password_hash": good.replacen("$04$", "$15$", 1)}), wrong_field("password_hash")),
            (json!({"email": ANN, "password": NEW, "password_hash": good}), wrong_field("password_hash")),
            (json!({"email": ANN, "locale": "not a locale"}), wrong_field("locale")),
            (json!({"email": ANN, "locale": "fr\0"}), wrong_field("locale")),
            (json!({"email": ANN, "locale": 1}), wrong_field("locale")),
            (json!({"email": ANN, "profile": "text"}), wrong_field("profile")),
            (json!({"email": ANN, "profile": []}), wrong_field("profile")),
            (json!({"email": ANN, "profile": {"a": [{"b": "\0"}]}}), wrong_field("profile")),
            (json!({"email": ANN, "profile": {"\0": 1}}), wrong_field("profile")),
            (json!({"email": ANN, "password": "short"}), wrong_password(&["too_short"], 6)),
            (json!({"email": ANN, "password": ""}), wrong_password(&["too_short"], 6)),
            (json!({"email": ANN, "password": "a new\0secret"}), wrong_password(&["forbidden_character"], 6)),
            (json!({"email": ANN, "password": NEW, "password_confirmation": ""}), wrong_password(&["mismatch"], 6)),
            (json!([]), unreadable()),
        ] {
            assert_refused(&app.post(USERS, &admin, body.clone()).await, 400, &expected, &body.to_string());
        }
        // Its own field, twice, and a key of a profile twice.
        for (body, expected) in [
            (r#"{"email":"a@b.example","email":"a@b.example"}"#, wrong_field("email")),
            (r#"{"email":"a@b.example","profile":{},"profile":{}}"#, wrong_field("profile")),
            (r#"{"email":"a@b.example","profile":{"a":1,"a":1}}"#, unreadable()),
            (r#"{"email":"a@b.example","other":1,"other":1}"#, unreadable()),
            (r#"{"email":"a@b.example","profile":{"a":"\ud800"}}"#, unreadable()),
            (r#"{"email":"a@b.example","profile":{"a":1e400}}"#, unreadable()),
        ] {
            assert_refused(&app.post_bytes(USERS, &admin, "application/json", body).await, 400, &expected, body);
        }
        assert_eq!(app.bare("GET", &format!("{USERS}?email={ANN}"), &admin).await.status, 404);
    }

    async fn a_body_of_16_kib_is_the_largest_profile(app: TestApp) {
        let admin = app.token(ADMIN).await;
        let body = |length: usize| {
            let frame = json!({"email": ANN, "profile": {"a": ""}}).to_string();
            let text = "x".repeat(length - frame.len());
            json!({"email": ANN, "profile": {"a": text}}).to_string()
        };
        let json = "application/json";
        assert_eq!(app.post_bytes(USERS, &admin, json, body(16 * 1024 + 1)).await.said(), "413 payload_too_large");
        let created = app.post_bytes(USERS, &admin, json, body(16 * 1024)).await;
        assert_eq!(created.said(), "201 user_created");
        let read = app.bare("GET", created.header("location"), &admin).await;
        assert_eq!(read.json()["user"], created.json()["user"]);
    }

    async fn users_are_found_by_one_well_formed_address(app: TestApp) {
        let admin = app.token(ADMIN).await;
        app.user("a+b@example.com").await;
        let find = async |query: &str| app.bare("GET", &format!("{USERS}{query}"), &admin).await;
        assert_eq!(find("?email=a%2Bb%40example.com").await.said(), "200 user_found");
        // In a query a plus is a space.
        for (query, said) in [
            ("?email=a+b@example.com", "400 invalid_request"),
            ("", "400 invalid_request"),
            ("?", "400 invalid_request"),
            ("?email", "400 invalid_request"),
            ("?email=", "400 invalid_request"),
            ("?email=nonsense", "400 invalid_request"),
            ("?email=%00", "400 invalid_request"),
            ("?email=%ff", "400 invalid_request"),
            ("?email=%", "400 invalid_request"),
            ("?email=a@b.example&email=a@b.example", "400 invalid_request"),
            ("?email=nobody@example.com", "404 wrong_user"),
        ] {
            assert_eq!(find(query).await.said(), said, "{query}");
        }
    }

    async fn an_id_that_cannot_be_one_is_an_unknown_one(app: TestApp) {
        app.user(ANN).await;
        let admin = app.token(ADMIN).await;
        for id in ["nonsense", "%00", "%FF", "%2F", "%F0%9F%94%91", "0", "..%2f", ANN, "00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-00000000000g"] {
            for (method, body) in [("GET", Value::Null), ("PATCH", json!({"locale": "fr"})), ("DELETE", Value::Null)] {
                let reply = app.send(method, &format!("{USERS}/{id}"), &admin, body).await;
                assert_refused(&reply, 404, &unknown_user(), &format!("{method} {id}"));
            }
        }
    }

    async fn h01_head_is_get_without_the_body(app: TestApp) {
        let id = app.user(ANN).await;
        let admin = app.token(ADMIN).await;
        for path in [path_of(id), format!("{USERS}?email={ANN}"), path_of(Uuid::nil()), format!("{USERS}?email={NOBODY}"), USERS.to_owned()] {
            let (get, head) = (app.bare("GET", &path, &admin).await, app.bare("HEAD", &path, &admin).await);
            assert_eq!(get.header("content-length"), get.text.len().to_string());
            assert_eq!((head.status, face(&head).1, head.text.as_str()), (get.status, face(&get).1, ""), "{path}");
        }
    }

    async fn users_are_spoken_of_in_french_to_those_who_ask_for_it(app: TestApp) {
        let admin = app.token(ADMIN).await;
        let body = json!({"email": ANN});
        assert_eq!(app.post_in_french(USERS, &admin, body.clone()).await.json()["success"], "L'utilisateur a été créé.");
        assert_eq!(app.post_in_french(USERS, &admin, body).await.json()["error"], "Il y a déjà un utilisateur avec cette adresse e-mail.");
    }
}

both! {
    async fn f06_an_address_belongs_to_one_user_however_many_ask_at_once(app: TestApp) {
        let admin = app.token(ADMIN).await;
        for round in 0..3 {
            let spelling = |number: usize| if number.is_multiple_of(2) { format!("user{round}@example.com") } else { format!("USER{round}@Example.Com") };
            let calls = (0..20).map(|number| app.post(USERS, &admin, json!({"email": spelling(number), "profile": {"n": number}})));
            let replies = join_all(calls).await;
            let (created, refused): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 201);
            assert_eq!(created.len(), 1, "{replies:?}");
            for reply in refused {
                assert_refused(reply, 409, &user_exists(), "taken");
            }
            let found = app.bare("GET", &format!("{USERS}?email=user{round}@example.com"), &admin).await;
            assert_eq!(found.json()["user"], created[0].json()["user"]);
        }
    }

    async fn f27_a_deleted_user_takes_links_tokens_and_mails_along(app: TestApp) {
        let id = app.user(ANN).await;
        let (token, admin) = (app.token(FULL_APP).await, app.token(ADMIN).await);
        let user_token = app.user_token(&token, ANN, OLD_PASSWORD).await;
        let link = app.mailed_token(&token, ANN).await;
        app.later(61).await;
        app.sink.behave(Behaviour::later());
        assert_eq!(app.admin_set(&admin, id, NEW).await.status, 200);
        assert_eq!(app.remind(&token, ANN).await.said(), "200 reminder_sent");
        eventually("a notice and a link are refused for now", || app.sink.attempts() >= 3).await;
        assert_eq!(app.bare("DELETE", &path_of(id), &admin).await.status, 200);
        app.sink.behave(Behaviour::default());

        let again = app.post(USERS, &admin, json!({"email": ANN, "password": OLD_PASSWORD})).await;
        assert_eq!(again.status, 201);
        assert_ne!(again.json()["user"]["id"], json!(id));
        assert!(!app.speaks(&user_token).await);
        assert_eq!(app.check(&token, &link).await.said(), "400 wrong_token");
        app.advance(900);
        app.quiet().await;
        assert_eq!(app.sink.received().len(), 1, "only what was sent before");
        assert_eq!(app.verify(&token, ANN, OLD_PASSWORD).await.status, 200);
    }
}
