//! The audit of those who look after accounts: over HTTP, and as the operator.

use serde_json::json;
use unforget::domain::audit::Act;
use unforget::flows::By;
use unforget::flows::import::{Format, ImportOptions};
use uuid::Uuid;

use crate::accounts::{ADMIN, ANN, BOB, FULL_APP, NEW, USERS, password_of, path_of};
use crate::audit::watched;
use crate::both;
use crate::helpers::{Backend, TestApp};
use crate::recovery::user_ref;

both! {
    async fn what_an_administrator_does_over_http_leaves_its_entries(backend: Backend) {
        let app = TestApp::start(backend).await;
        let (mut watch, token, ann) = watched(&app, ADMIN).await;
        let nobody = Uuid::from_u128(7);
        for (id, password, entry) in [
            (ann, "tiny", "password.set wrong_password by app to ann"),
            (nobody, "tiny", "password.set wrong_password by app"),
            (nobody, NEW, "password.set wrong_user by app"),
            (ann, NEW, "password.set done by app to ann"),
        ] {
            watch.saw(&app.admin_set(&token, id, password).await, &[entry]).await;
        }
        let odd = app.send("PUT", &password_of(ann).replace(&ann.to_string(), "odd"), &token, json!({"password": NEW})).await;
        watch.saw(&odd, &["password.set wrong_user by app"]).await;

        for (email, password, entry) in [
            (ANN, NEW, "user.add user_exists by app"),
            (BOB, "tiny", "user.add wrong_password by app"),
            (BOB, "a nul \0 inside", "user.add wrong_password by app"),
        ] {
            watch.saw(&app.post(USERS, &token, json!({"email": email, "password": password})).await, &[entry]).await;
        }
        let bob = app.post(USERS, &token, json!({"email": BOB})).await;
        let id: Uuid = bob.json()["user"]["id"].as_str().unwrap().parse().unwrap();
        watch.name(id, "bob");
        watch.saw(&bob, &["user.add done by app to bob"]).await;

        for (id, change, entries) in [
            (id, json!({"locale": "fr"}), vec!["user.change done by app to bob"]),
            (id, json!({}), vec!["user.change done by app to bob"]),
            (id, json!({"email": ANN}), vec!["user.change user_exists by app to bob"]),
            (id, json!({"disabled": true}), vec!["user.disable done by app to bob"]),
            (id, json!({"disabled": false}), vec!["user.enable done by app to bob"]),
            (id, json!({"disabled": true, "locale": null}), vec!["user.change done by app to bob", "user.disable done by app to bob"]),
            (id, json!({"disabled": false, "email": ANN}), vec!["user.change user_exists by app to bob"]),
            (nobody, json!({"locale": "fr"}), vec!["user.change wrong_user by app"]),
        ] {
            watch.saw(&app.patch(&token, id, change).await, &entries).await;
        }
        watch.saw(&app.send("PATCH", "/v1/users/odd", &token, json!({"disabled": true})).await, &["user.disable wrong_user by app"]).await;
        watch.saw(&app.bare("DELETE", &path_of(id), &token).await, &["user.delete done by app to bob"]).await;
        for path in [path_of(id), "/v1/users/odd".to_owned()] {
            watch.saw(&app.bare("DELETE", &path, &token).await, &["user.delete wrong_user by app"]).await;
        }
        // Reading is no act.
        watch.saw(&app.bare("GET", &path_of(ann), &token).await, &[]).await;
    }

    async fn an_operators_acts_leave_entries_without_a_client(backend: Backend) {
        let app = TestApp::start(backend).await;
        let (mut watch, _, ann) = watched(&app, FULL_APP).await;
        let bob = app.user(BOB).await;
        watch.name(bob, "bob");
        watch.saw_operator(&["user.add done to bob"]).await;
        for (disabled, entry) in [(true, "user.disable done to bob"), (false, "user.enable done to bob")] {
            assert!(app.flows.disable_user(By::Operator, user_ref(BOB), disabled).await.unwrap());
            watch.saw_operator(&[entry]).await;
        }
        assert!(app.flows.delete_user(By::Operator, user_ref(BOB)).await.unwrap());
        watch.saw_operator(&["user.delete done to bob"]).await;
        assert!(!app.flows.delete_user(By::Operator, user_ref(BOB)).await.unwrap());
        watch.saw_operator(&["user.delete wrong_user"]).await;
        assert!(!app.flows.disable_user(By::Operator, user_ref(BOB), true).await.unwrap());
        watch.saw_operator(&["user.disable wrong_user"]).await;

        let cat = Uuid::from_u128(3);
        watch.name(cat, "cat");
        let file = format!(
            "{{\"email\": \"cat@example.com\", \"id\": \"{cat}\"}}\n{{\"email\": \"{ANN}\", \"locale\": \"fr\"}}\n{{\"email\": \"odd\"}}\n"
        );
        let update = ImportOptions { update: true, ..ImportOptions::default() };
        for (options, entries) in [
            (ImportOptions { dry_run: true, ..update }, vec![]),
            (update, vec!["user.import done to ann", "user.import done to cat"]),
            (update, vec![]), // the same again changes nothing
        ] {
            app.flows.import_users(file.as_bytes(), Format::Jsonl, options, |_| {}).await.unwrap();
            let mut new: Vec<_> = watch.new_entries().await.iter().map(|entry| watch.short(entry)).collect();
            new.sort();
            assert_eq!(new, entries);
        }
        assert!(app.audit().await.iter().filter(|entry| entry.act == Act::UserImport).all(|entry| entry.at <= app.clock.now()));
        assert_ne!(ann, cat);
    }
}
