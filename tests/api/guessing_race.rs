//! Many guesses at once, on one service, on two, and with a restart in between (bar F25 ★): none slips through uncounted.

use futures_util::future::join_all;
use serde_json::json;
use unforget::domain::Instant;

use crate::accounts::{ANN, FULL_APP, NOBODY, SESSIONS, VERIFY, WRONG};
use crate::both;
use crate::helpers::{Backend, OLD_PASSWORD, Reply, TestApp};

/// Guesses `count` times at once, in turns at the given services.
async fn guess(bases: &[&str], token: &str, email: &str, count: usize) -> Vec<Reply> {
    let client = reqwest::Client::new();
    let calls = (0..count).zip(bases.iter().cycle()).map(|(number, base)| {
        let path = if number % 3 == 0 { SESSIONS } else { VERIFY };
        let request = client.post(format!("{base}{path}")).bearer_auth(token);
        let request = request.json(&json!({"email": email, "password": WRONG}));
        async move { Reply::of(request.send().await.unwrap()).await }
    });
    join_all(calls).await
}

/// How many were let through; the others must have been told when to come back, be it that they guess too much, be it that
/// all places before bcrypt are taken.
fn admitted(replies: &[Reply]) -> usize {
    let (through, refused): (Vec<_>, Vec<_>) =
        replies.iter().partition(|reply| reply.status == 400);
    for reply in &through {
        assert_eq!(reply.said(), "400 wrong_credentials");
    }
    for reply in refused {
        let said = reply.said();
        assert!(
            ["429 too_many_requests", "503 unavailable"].contains(&said.as_str()),
            "{said}"
        );
        assert!(reply.header("retry-after").parse::<u32>().unwrap() >= 1);
    }
    through.len()
}

/// The ten that are free, and one for each pause that can have ended since: 1 s, then 2, then 4.
fn allowed(app: &TestApp, since: Instant) -> usize {
    let passed = (app.clock.now() - since).num_seconds();
    let pauses = (0..).scan(0, |end, doublings| {
        *end += 1_i64 << doublings;
        Some(*end)
    });
    10 + pauses.take_while(|end| *end <= passed).count()
}

both! {
    async fn f25_of_150_guesses_at_once_with_a_restart_in_between_ten_are_let_through(app: TestApp) {
        let mut app = app;
        app.user(ANN).await;
        let token = app.lasting_token(FULL_APP).await;
        let (since, mut first) = (app.clock.now(), Vec::new());
        for email in [ANN, NOBODY] {
            first.push(admitted(&guess(&[&app.base], &token, email, 75).await));
        }
        app.stop().await;
        let (fresh, base) = app.second();
        for (email, first) in [ANN, NOBODY].into_iter().zip(first) {
            let second = admitted(&guess(&[&base], &token, email, 75).await);
            let through = first + second;
            assert!((10..=allowed(&app, since)).contains(&through), "{email}: {first} + {second}");
        }
        fresh.stop().await;
    }

    async fn f25_two_services_on_one_database_count_together(app: TestApp) {
        app.user(ANN).await;
        let token = app.lasting_token(FULL_APP).await;
        let (second, base) = app.second();
        for round in 0..3 {
            let since = app.clock.now();
            let through = admitted(&guess(&[&app.base, &base], &token, ANN, 60).await);
            assert!((10..=allowed(&app, since)).contains(&through), "round {round}: {through}");
            // What was learnt on the one ends the pause on the other too.
            app.advance(3600);
            assert_eq!(app.verify(&token, ANN, OLD_PASSWORD).await.status, 200, "round {round}");
            assert_eq!(app.failures(ANN).await, 0);
        }
        second.stop().await;
    }

    async fn f25_ten_right_passwords_at_once_are_no_guesses(app: TestApp) {
        app.user(ANN).await;
        let token = app.lasting_token(FULL_APP).await;
        for _ in 0..5 {
            let calls = (0..10).map(|_| app.verify(&token, ANN, OLD_PASSWORD));
            for reply in join_all(calls).await {
                assert_eq!(reply.said(), "200 password_verified");
            }
            assert_eq!(app.failures(ANN).await, 0);
        }
    }
}
