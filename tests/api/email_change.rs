//! A user's new address: links that went to the old one die, the old one is told, and no two users share one.

use futures_util::future::join_all;
use serde_json::json;

use crate::accounts::{ADMIN, ANN, BOB, FULL_APP, NEW, path_of, user_exists};
use crate::both;
use crate::helpers::{Backend, OLD_PASSWORD, TestApp};
use crate::recovery::{assert_refused, eventually};
use crate::smtp::Behaviour;

const MOVED: &str = "ann.moved@example.net";

both! {
    async fn f14_f21_a_new_address_ends_the_links_to_the_old_one_which_is_told(app: TestApp) {
        let id = app.user("Ann@Example.com").await;
        let (token, admin) = (app.token(FULL_APP).await, app.token(ADMIN).await);
        let user_token = app.user_token(&token, ANN, OLD_PASSWORD).await;
        let link = app.mailed_token(&token, ANN).await;
        app.later(61).await;
        app.sink.behave(Behaviour::later());
        assert_eq!(app.remind(&token, ANN).await.said(), "200 reminder_sent");
        eventually("a second link is refused for now", || app.sink.attempts() >= 2).await;

        let reply = app.patch(&admin, id, json!({"email": MOVED})).await;
        assert_eq!((reply.said().as_str(), &reply.json()["user"]["email"]), ("200 user_updated", &json!(MOVED)));
        eventually("so is the notice", || app.sink.attempts() >= 3).await;
        app.sink.behave(Behaviour::default());
        for email in [ANN, MOVED] {
            assert_eq!(app.reset(&token, email, &link, NEW).await.said(), "400 wrong_token", "{email}");
        }
        app.advance(900);
        app.quiet().await;
        let mails = app.sink.received();
        assert_eq!(mails.len(), 2, "the first link and the notice");
        assert_eq!(mails[1].to, ["Ann@example.com"]);
        let notice = mails[1].parse();
        assert_eq!(notice.header("Subject").as_deref(), Some("Your email address for Teen Quotes was changed"));
        let whole = String::from_utf8_lossy(&mails[1].raw).to_lowercase();
        for secret in ["moved", "example.net", "uf_", "href"] {
            assert!(!whole.contains(secret) && !notice.html.contains(secret), "{secret}");
        }

        // The account goes on under its new address only, with its password and its sessions.
        assert!(app.speaks(&user_token).await);
        assert_eq!(app.verify(&token, ANN, OLD_PASSWORD).await.said(), "400 wrong_credentials");
        assert_eq!(app.verify(&token, MOVED, OLD_PASSWORD).await.status, 200);
        assert_eq!(app.remind(&token, ANN).await.said(), "200 reminder_sent");
        app.quiet().await;
        assert_eq!(app.sink.received().len(), 2, "nobody has the old address");
        let fresh = app.mailed_token(&token, MOVED).await;
        assert_eq!(app.sink.received()[2].to, [MOVED]);
        assert_eq!(app.reset(&token, MOVED, &fresh, NEW).await.status, 200);
    }

    async fn the_notice_of_a_new_address_is_in_the_users_language(app: TestApp) {
        let id = app.user(ANN).await;
        let admin = app.token(ADMIN).await;
        assert_eq!(app.patch(&admin, id, json!({"email": MOVED, "locale": "fr"})).await.status, 200);
        let notice = app.mails(1).await[0].parse();
        assert_eq!(notice.header("Subject").as_deref(), Some("Votre adresse e-mail pour Teen Quotes a été modifiée"));
    }

    async fn an_address_that_is_taken_changes_nothing(app: TestApp) {
        let id = app.user(ANN).await;
        app.user(BOB).await;
        let (token, admin) = (app.token(FULL_APP).await, app.token(ADMIN).await);
        let link = app.mailed_token(&token, ANN).await;
        let user_token = app.user_token(&token, ANN, OLD_PASSWORD).await;
        let before = app.bare("GET", &path_of(id), &admin).await.json();
        for email in [BOB, "BOB@Example.COM"] {
            let change = json!({"email": email, "locale": "fr", "disabled": true, "profile": {"a": 1}});
            assert_refused(&app.patch(&admin, id, change).await, 409, &user_exists(), email);
        }
        assert_eq!(app.bare("GET", &path_of(id), &admin).await.json(), before);
        assert!(app.speaks(&user_token).await);
        assert_eq!(app.check(&token, &link).await.said(), "200 token_valid");
        app.quiet().await;
        assert_eq!(app.sink.received().len(), 1, "nobody is told of what did not happen");
    }

    async fn f14_nobody_inherits_the_links_of_an_address_that_has_become_free(app: TestApp) {
        let ann = app.user(ANN).await;
        let bob = app.user(BOB).await;
        let (token, admin) = (app.token(FULL_APP).await, app.token(ADMIN).await);
        let link = app.mailed_token(&token, ANN).await;
        app.later(61).await;
        app.sink.behave(Behaviour::later());
        assert_eq!(app.remind(&token, ANN).await.said(), "200 reminder_sent");
        eventually("a second link is refused for now", || app.sink.attempts() >= 2).await;
        assert_eq!(app.patch(&admin, ann, json!({"email": MOVED})).await.status, 200);
        assert_eq!(app.patch(&admin, bob, json!({"email": ANN})).await.status, 200);
        eventually("so are the notices", || app.sink.attempts() >= 4).await;
        app.sink.behave(Behaviour::default());
        // Ann's link is for Ann's old address, which is Bob's now.
        assert_eq!(app.reset(&token, ANN, &link, NEW).await.said(), "400 wrong_token");
        assert!(app.password_is(ANN, OLD_PASSWORD).await && app.password_is(MOVED, OLD_PASSWORD).await);
        app.advance(900);
        app.quiet().await;
        let mut told: Vec<_> = app.sink.received().into_iter().skip(1).flat_map(|mail| mail.to).collect();
        told.sort();
        assert_eq!(told, [ANN, BOB], "the notices to the old addresses, and no link that Ann asked for");
    }
}

both! {
    /// Each wants the address that the other has. Nobody can have it, and nobody must wait for the other's end: that would be
    /// a deadlock, which costs a second and is told as 503.
    async fn two_users_who_want_each_others_address_are_both_refused(app: TestApp) {
        let (ann, bob) = (app.user(ANN).await, app.user(BOB).await);
        let admin = app.token(ADMIN).await;
        for round in 0..10 {
            let replies = join_all([
                app.patch(&admin, ann, json!({"email": BOB})),
                app.patch(&admin, bob, json!({"email": ANN})),
            ]).await;
            for reply in replies {
                assert_refused(&reply, 409, &user_exists(), &format!("round {round}"));
            }
        }
    }

    /// Many users and one free address: one gets it.
    async fn of_many_who_want_one_address_one_gets_it(app: TestApp) {
        let admin = app.token(ADMIN).await;
        for round in 0..5 {
            let mut ids = Vec::new();
            for number in 0..6 {
                ids.push(app.user(&format!("user{round}{number}@example.com")).await);
            }
            let wanted = format!("wanted{round}@example.com");
            let moves = join_all(ids.iter().map(|id| app.patch(&admin, *id, json!({"email": wanted}))));
            let create = app.post("/v1/users", &admin, json!({"email": wanted}));
            let (mut replies, created) = tokio::join!(moves, create);
            replies.push(created);
            let got = replies.iter().filter(|reply| [200, 201].contains(&reply.status)).count();
            assert_eq!(got, 1, "{replies:?}");
            for reply in replies.iter().filter(|reply| ![200, 201].contains(&reply.status)) {
                assert_refused(reply, 409, &user_exists(), "taken");
            }
        }
    }
}
