//! A new password at the same time as a sign-in with the old one: no token that the old password made outlives it.

use futures_util::future::join_all;

use crate::accounts::{ADMIN, ANN, FULL_APP, NEW};
use crate::both;
use crate::helpers::{Backend, OLD_PASSWORD, Reply, TestApp};

/// How a password is replaced.
#[derive(Debug, Clone, Copy)]
enum By {
    Change,
    Reset,
    Administrator,
}

/// Two services, each with callers who sign in with the old password, and one who replaces it.
async fn race(backend: Backend, rounds: usize, by: By) {
    let app = TestApp::start_with(backend, |settings| {
        settings.recovery.cooldown = chrono::TimeDelta::zero();
        settings.recovery.per_hour = 1000;
    })
    .await;
    let (second, base) = app.second();
    let (token, admin) = (app.token(FULL_APP).await, app.token(ADMIN).await);
    let id = app.user(ANN).await;
    let (mut old, mut born, mut round) = (OLD_PASSWORD.to_owned(), 0, 0);
    // At least so many rounds, and until a sign-in was first: before that nothing has raced.
    while round < rounds || born == 0 {
        assert!(round < 20 * rounds, "no sign-in is ever first");
        round += 1;
        let new = format!("{NEW} {round}");
        let link = match by {
            By::Reset => {
                app.quiet().await;
                app.mailed_token(&token, ANN).await
            }
            _ => String::new(),
        };
        let replace = async {
            // Now sooner, now later than the sign-ins are done with their work.
            tokio::time::sleep(std::time::Duration::from_millis(round as u64 % 10)).await;
            match by {
                By::Change => app.change(&token, ANN, &old, &new).await,
                By::Reset => app.reset(&token, ANN, &link, &new).await,
                By::Administrator => app.admin_set(&admin, id, &new).await,
            }
        };
        let sign_in = |base: String| {
            let request = reqwest::Client::new().post(format!("{base}/v1/sessions"));
            let body = serde_json::json!({"email": ANN, "password": old});
            let request = request.bearer_auth(&token).json(&body);
            async move { Reply::of(request.send().await.unwrap()).await }
        };
        let sign_ins = join_all((0..6).map(|number| {
            sign_in(if number % 2 == 0 {
                app.base.clone()
            } else {
                base.clone()
            })
        }));
        let (sign_ins, replaced) = tokio::join!(sign_ins, replace);
        assert_eq!(replaced.status, 200, "{by:?} {round}: {replaced:?}");
        for reply in sign_ins {
            match reply.said().as_str() {
                "201 session_created" => {
                    born += 1;
                    let user_token = reply.json()["access_token"].as_str().unwrap().to_owned();
                    assert!(!app.speaks(&user_token).await, "{by:?} {round}");
                }
                other => assert_eq!(other, "400 wrong_credentials", "{by:?} {round}"),
            }
        }
        assert_eq!(app.verify(&token, ANN, &new).await.status, 200);
        old = new;
    }
    second.stop().await;
}

both! {
    async fn a_sign_in_beside_a_change_leaves_no_token_of_the_old_password(backend: Backend) {
        race(backend, 50, By::Change).await;
    }

    async fn a_sign_in_beside_a_reset_leaves_no_token_of_the_old_password(backend: Backend) {
        race(backend, 12, By::Reset).await;
    }

    async fn a_sign_in_beside_an_administrators_password_leaves_no_token_of_the_old_one(backend: Backend) {
        race(backend, 12, By::Administrator).await;
    }
}

both! {
    /// The second would overwrite the first one's choice, with an old password that had ended.
    async fn of_two_changes_with_one_old_password_one_wins(app: TestApp) {
        app.user(ANN).await;
        let token = app.token(FULL_APP).await;
        let mut old = OLD_PASSWORD.to_owned();
        for round in 0..10 {
            let choices: Vec<_> = (0..4).map(|number| format!("{NEW} {round} {number}")).collect();
            let changes = join_all(choices.iter().map(|new| app.change(&token, ANN, &old, new))).await;
            let won: Vec<_> = changes.iter().filter(|reply| reply.status == 200).collect();
            assert_eq!(won.len(), 1, "{changes:?}");
            for lost in changes.iter().filter(|reply| reply.status != 200) {
                assert_eq!(lost.said(), "400 wrong_credentials");
            }
            let winner = changes.iter().position(|reply| reply.status == 200).unwrap();
            old.clone_from(&choices[winner]);
            assert!(app.password_is(ANN, &old).await);
        }
    }
}
