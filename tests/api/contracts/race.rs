//! One link, and callers of three contracts at once.

use futures_util::future::join_all;
use serde_json::json;

use crate::both;
use crate::helpers::{Backend, Reply, TestApp};

use super::{ALL, ANN};

/// The `number`th caller's request: native, Unleash and Interslice in turns.
async fn use_up(app: &TestApp, token: &str, link: &str, number: usize) -> Reply {
    let password = password(number);
    match number % 3 {
        0 => app.reset(token, ANN, link, &password).await,
        1 => {
            let body = json!({"token": link, "password": password});
            app.send("POST", "/auth/reset/password", token, body).await
        }
        _ => {
            let user = json!({"reset_password_token": link, "password": password, "password_confirmation": password});
            let body = json!({"user": user});
            app.send("PUT", "/api/v1/users/password", token, body).await
        }
    }
}

fn password(number: usize) -> String {
    format!("the choice of caller {number}")
}

both! {
    async fn f11_of_callers_of_three_contracts_with_one_link_one_wins(app: TestApp) {
        app.user(ANN).await;
        let token = app.token(ALL).await;
        let link = app.mailed_token(&token, ANN).await;
        let replies = join_all((0..21).map(|number| use_up(&app, &token, &link, number))).await;
        let winners: Vec<_> = (0..21).filter(|number| replies[*number].status == 200).collect();
        assert_eq!(winners.len(), 1, "{replies:?}");
        assert!(app.password_is(ANN, &password(winners[0])).await);
        for (number, reply) in replies.iter().enumerate().filter(|(number, _)| *number != winners[0]) {
            let refused = [400, 401, 422][number % 3];
            assert_eq!(reply.status, refused, "{number}: {reply:?}");
            assert_eq!(reply.header("authorization"), "");
        }
        app.quiet().await;
        assert_eq!(app.sink.received().len(), 2, "the mail with the link, and one notice");
    }

    async fn f14_a_link_that_was_used_by_one_contract_is_dead_in_all(app: TestApp) {
        app.user(ANN).await;
        let token = app.token(ALL).await;
        for first in 0..3 {
            let link = app.mailed_token(&token, ANN).await;
            assert_eq!(use_up(&app, &token, &link, first).await.status, 200);
            for (number, refused) in [(0, 400), (1, 401), (2, 422)] {
                assert_eq!(use_up(&app, &token, &link, number).await.status, refused);
            }
            assert!(app.password_is(ANN, &password(first)).await);
            app.later(61).await;
        }
    }
}
