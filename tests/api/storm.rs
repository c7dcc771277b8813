//! A storm of passwords (bar P12): the queue before bcrypt is bounded, the excess is told to come back, and nothing is lost.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::accounts::{ANN, CHANGE, FULL_APP, NEW, SESSIONS, VERIFY};
use crate::both;
use crate::helpers::{Backend, OLD_PASSWORD, PATIENCE, Reply, TestApp};

/// More than there are places: as many as cores, and 64 in waiting.
fn too_many() -> usize {
    64 + std::thread::available_parallelism().map_or(1, usize::from) + 100
}

/// A service that takes its time to hash, with this many users.
async fn busy_service(backend: Backend, users: usize) -> TestApp {
    let app = TestApp::start_with(backend, |settings| settings.bcrypt_cost = 8).await;
    let hash = bcrypt::hash(OLD_PASSWORD, 8).unwrap();
    for number in 0..users {
        app.user_with_hash(&format!("user{number}@example.com"), &hash)
            .await;
    }
    app
}

both! {
    async fn p12_more_sign_ins_than_places_are_told_to_come_back_and_nothing_is_lost(backend: Backend) {
        let users = too_many();
        let app = busy_service(backend, users).await;
        let token = app.token(FULL_APP).await;
        let emails: Vec<_> = (0..users).map(|number| format!("user{number}@example.com")).collect();
        let calls = join_all(emails.iter().enumerate().map(|(number, email)| {
            let path = if number % 2 == 0 { VERIFY } else { SESSIONS };
            app.post(path, &token, json!({"email": email, "password": OLD_PASSWORD}))
        }));
        // The rest of the service goes on meanwhile.
        let others = async {
            for _ in 0..20 {
                assert_eq!(app.bare("GET", "/health/ready", &token).await.status, 200);
                assert_eq!(app.check(&token, "x").await.said(), "400 wrong_token");
            }
        };
        let (replies, ()) = tokio::join!(calls, others);
        let mut told_to_come_back = Vec::new();
        for (reply, email) in replies.iter().zip(&emails) {
            match reply.status {
                200 | 201 => {}
                _ => {
                    assert_eq!((reply.said().as_str(), reply.header("retry-after")), ("503 unavailable", "1"));
                    // Who was not let in has not guessed.
                    assert_eq!(app.failures(email).await, 0);
                    told_to_come_back.push(email);
                }
            }
        }
        assert!((1..users - 32).contains(&told_to_come_back.len()), "{}", told_to_come_back.len());
        // They come back.
        for email in told_to_come_back.into_iter().take(5) {
            assert_eq!(app.verify(&token, email, OLD_PASSWORD).await.status, 200);
        }
    }

    async fn p12_callers_who_hang_up_leave_their_places(backend: Backend) {
        let app = busy_service(backend, 0).await;
        app.user(ANN).await;
        let token = app.token(FULL_APP).await;
        let calls = (0..too_many()).map(|number| {
            let body = json!({"email": format!("nobody{number}@example.com"), "password": OLD_PASSWORD});
            let request = app.request("POST", VERIFY).bearer_auth(&token).json(&body);
            request.timeout(Duration::from_millis(100)).send()
        });
        join_all(calls).await;
        // All places were taken. They become free again with nobody waiting for their work.
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let reply = app.verify(&token, ANN, OLD_PASSWORD).await;
            if reply.status == 200 {
                break;
            }
            assert_eq!(reply.said(), "503 unavailable");
            assert!(tokio::time::Instant::now() < deadline, "the places are never free again");
        }
    }

    async fn p12_a_change_that_finds_no_place_changes_nothing(backend: Backend) {
        let app = busy_service(backend, 0).await;
        app.user(ANN).await;
        let token = app.token(FULL_APP).await;
        let storm = join_all((0..too_many()).map(|number| {
            let body = json!({"email": format!("nobody{number}@example.com"), "password": OLD_PASSWORD});
            app.post(VERIFY, &token, body)
        }));
        let changes = async {
            let mut refused = 0;
            for _ in 0..200 {
                let body = json!({"email": ANN, "old_password": OLD_PASSWORD, "password": NEW});
                let request = app.request("PUT", CHANGE).bearer_auth(&token).json(&body);
                let reply = Reply::of(request.send().await.unwrap()).await;
                if reply.status == 200 {
                    break;
                }
                assert_eq!(reply.said(), "503 unavailable", "a refusal for want of a place is no guess");
                assert!(app.password_is(ANN, OLD_PASSWORD).await);
                refused += 1;
            }
            refused
        };
        let (_, refused) = tokio::join!(storm, changes);
        assert!(refused < 200, "never let in");
        assert_eq!(app.verify(&token, ANN, NEW).await.status, 200);
    }
}
