//! An account whose address or hash is replaced while something else goes on with it.

use futures_util::future::join_all;
use serde_json::json;
use unforget::flows::import::{Format, ImportOptions};

use crate::accounts::{ADMIN, ANN, BOB, FULL_APP, NEW};
use crate::both;
use crate::helpers::{Backend, OLD_PASSWORD, TestApp};

both! {
    /// The import states no date, so only the hash itself tells that the password is another one.
    async fn a_sign_in_beside_an_import_never_brings_the_old_password_back(app: TestApp) {
        let (token, admin) = (app.token(FULL_APP).await, app.token(ADMIN).await);
        // Of a cost that is to be replaced by ours at a sign-in, and that takes as long as there is to race.
        let hash = |password| bcrypt::hash(password, 9).unwrap();
        let (old, new) = (hash(OLD_PASSWORD), hash(NEW));
        let line = |hash: &str| json!({"email": ANN, "password_hash": hash}).to_string();
        let import = async |line: String| {
            let options = ImportOptions { dry_run: false, update: true };
            app.flows.import_users(line.as_bytes(), Format::Jsonl, options, |_| {}).await.unwrap()
        };
        let (mut round, mut raced) = (0, 0);
        while round < 8 || raced == 0 {
            assert!(round < 100, "no import is ever in time");
            round += 1;
            assert_eq!(import(line(&old)).await.added, 1);
            let id = app.stored_user(ANN).await.id;
            let imported = async {
                tokio::time::sleep(std::time::Duration::from_millis(round % 8 * 4)).await;
                import(line(&new)).await
            };
            let (signed_in, imported) = tokio::join!(app.session(&token, ANN, OLD_PASSWORD), imported);
            raced += imported.updated;
            // A sign-in that was done first has a hash of ours, which an import without a date leaves alone.
            let (right, wrong) = match imported.updated {
                0 => (OLD_PASSWORD, NEW),
                _ => (NEW, OLD_PASSWORD),
            };
            if signed_in.status == 201 {
                let user_token = signed_in.json()["access_token"].as_str().unwrap().to_owned();
                assert_eq!(app.speaks(&user_token).await, imported.updated == 0, "{round}");
            } else {
                assert_eq!((signed_in.said().as_str(), imported.updated), ("400 wrong_credentials", 1), "{round}");
            }
            assert_eq!(app.verify(&token, ANN, wrong).await.said(), "400 wrong_credentials", "{round}");
            assert_eq!(app.verify(&token, ANN, right).await.said(), "200 password_verified", "{round}");
            assert_eq!(app.bare("DELETE", &crate::accounts::path_of(id), &admin).await.status, 200);
        }
    }

    /// The address of an account may change while another call waits to change it too.
    async fn many_changes_of_addresses_at_once_do_not_wait_for_each_other_for_ever(app: TestApp) {
        let admin = app.token(ADMIN).await;
        let users = [app.user(ANN).await, app.user(BOB).await];
        for _ in 0..6 {
            let changes = (0..8).map(|number: usize| {
                let email = format!("moving{}@example.com", number % 3);
                app.patch(&admin, users[number % 2], json!({"email": email}))
            });
            for reply in join_all(changes).await {
                let said = reply.said();
                assert!(["200 user_updated", "409 user_exists"].contains(&said.as_str()), "{reply:?}");
            }
        }
    }

    async fn f25_guesses_follow_an_account_and_those_at_its_new_address_do_not_count(app: TestApp) {
        let (token, admin) = (app.lasting_token(FULL_APP).await, app.lasting_token(ADMIN).await);
        let id = app.user(ANN).await;
        app.let_fail(BOB, 40).await;
        assert_eq!(app.verify(&token, BOB, OLD_PASSWORD).await.status, 400);
        assert_eq!(app.verify(&token, BOB, OLD_PASSWORD).await.status, 429);
        assert_eq!(app.patch(&admin, id, json!({"email": BOB})).await.said(), "200 user_updated");
        assert_eq!(app.verify(&token, BOB, OLD_PASSWORD).await.said(), "200 password_verified");

        app.let_fail(BOB, 40).await;
        assert_eq!(app.verify(&token, BOB, NEW).await.status, 400);
        for address in [ANN, BOB] {
            assert_eq!(app.patch(&admin, id, json!({"email": address})).await.said(), "200 user_updated");
            assert_eq!(app.verify(&token, address, OLD_PASSWORD).await.status, 429, "{address}");
        }
    }

    async fn f21_a_notice_goes_to_the_address_that_the_user_had(app: TestApp) {
        let (token, admin) = (app.token(FULL_APP).await, app.token(ADMIN).await);
        let id = app.user(ANN).await;
        app.sink.behave(crate::smtp::Behaviour::later());
        assert_eq!(app.change(&token, ANN, OLD_PASSWORD, NEW).await.status, 200);
        assert_eq!(app.patch(&admin, id, json!({"email": BOB})).await.status, 200);
        crate::recovery::eventually("both notices are refused for now", || app.sink.attempts() >= 2).await;
        app.sink.behave(crate::smtp::Behaviour::default());
        app.advance(900);
        app.quiet().await;
        let told: Vec<_> = app.sink.received().into_iter().map(|mail| mail.to).collect();
        assert_eq!(told, [[ANN], [ANN]]);
    }

    async fn f26_the_same_password_again_is_still_the_administrators_choice(app: TestApp) {
        let (token, admin) = (app.token(FULL_APP).await, app.token(ADMIN).await);
        let id = app.user(ANN).await;
        assert_eq!(app.admin_set(&admin, id, NEW).await.status, 200);
        for (new, must_change) in [(NEW, true), ("the user's own", false)] {
            assert_eq!(app.change(&token, ANN, NEW, new).await.status, 200);
            let verified = app.verify(&token, ANN, new).await;
            assert_eq!(verified.json()["user"]["password_must_change"], must_change, "{new}");
        }
    }

    async fn a_patch_that_believes_to_set_a_password_is_refused(app: TestApp) {
        let admin = app.token(ADMIN).await;
        let id = app.user(ANN).await;
        for field in ["password", "password_hash"] {
            let reply = app.patch(&admin, id, json!({field: NEW})).await;
            assert_eq!((reply.said().as_str(), &reply.json()["field"]), ("400 invalid_request", &json!(field)));
        }
        assert!(app.password_is(ANN, OLD_PASSWORD).await);
    }
}
