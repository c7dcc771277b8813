//! Many at once: of any number of callers with one token one wins, and of any number of requests for one address one mails.
//! On one service, and on two that share a database.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use diesel::RunQueryDsl;
use futures_util::future::join_all;
use serde_json::{Value, json};

use unforget::storage::{AnyConnection, StorageError};

use crate::both;
use crate::helpers::{APP, Backend, Reply, TestApp};
use crate::recovery::{REMIND, RESET, shape, wrong_token};

/// `POST`s all bodies at once, in turns to the given services.
async fn at_once(bases: &[&str], path: &str, token: &str, bodies: Vec<Value>) -> Vec<Reply> {
    let client = reqwest::Client::new();
    let calls = bodies.into_iter().zip(bases.iter().cycle());
    join_all(calls.map(|(body, base)| {
        let request = client.post(format!("{base}{path}")).bearer_auth(token);
        let request = request.json(&body);
        async move { Reply::of(request.send().await.unwrap()).await }
    }))
    .await
}

fn tally(replies: &[Reply]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for reply in replies {
        *counts.entry(reply.said()).or_default() += 1;
    }
    counts
}

/// Fifty callers, one token, fifty passwords.
async fn one_of_fifty_wins(app: &TestApp, bases: &[&str]) {
    app.user("ann@example.com").await;
    let token = app.token(APP).await;
    let reset_token = app.mailed_token(&token, "ann@example.com").await;
    let password = |number: usize| format!("the choice of caller {number}");
    let body = |number| json!({"email": "ann@example.com", "token": reset_token, "password": password(number)});

    let replies = at_once(bases, RESET, &token, (0..50).map(body).collect()).await;

    let expected = [("200 password_reset", 1), ("400 wrong_token", 49)];
    assert_eq!(
        tally(&replies),
        expected
            .map(|(said, count)| (said.to_owned(), count))
            .into()
    );
    let winner = replies
        .iter()
        .position(|reply| reply.status == 200)
        .unwrap();
    assert!(app.password_is("ann@example.com", &password(winner)).await);
    let losers: Vec<_> = replies
        .iter()
        .filter(|reply| reply.status == 400)
        .map(shape)
        .collect();
    assert!(
        losers
            .iter()
            .all(|loser| *loser == losers[0] && loser.1 == wrong_token()),
        "{losers:?}"
    );
    // The mail with the link, and one notice.
    app.quiet().await;
    assert_eq!(app.sink.received().len(), 2);
}

/// Many addresses, so that two requests for one of them meet at the wrong moment if they can.
async fn one_of_many_requests_mails(app: &TestApp, bases: &[&str]) {
    const USERS: usize = 25;
    let token = app.token(APP).await;
    let mut bodies = Vec::new();
    for number in 0..USERS {
        let address = format!("user{number}@example.com");
        app.user(&address).await;
        bodies.extend(vec![json!({"email": address}); 8]);
    }
    let replies = at_once(bases, REMIND, &token, bodies).await;
    let expected = [("200 reminder_sent".to_owned(), 8 * USERS)];
    assert_eq!(tally(&replies), expected.into());
    app.quiet().await;
    assert_eq!(app.sink.attempts(), USERS);
    assert_eq!(app.sink.received().len(), USERS);
}

both! {
    async fn f11_of_fifty_resets_with_one_token_one_wins(backend: Backend) {
        // A slower hash than usual, so that many have seen the live token before the first uses it up.
        let app = TestApp::start_with(backend, |settings| settings.bcrypt_cost = 6).await;
        one_of_fifty_wins(&app, &[&app.base]).await;
    }

    async fn f11_of_fifty_resets_on_two_services_one_wins(backend: Backend) {
        let app = TestApp::start_with(backend, |settings| settings.bcrypt_cost = 6).await;
        let (second, base) = app.second();
        one_of_fifty_wins(&app, &[&app.base, &base]).await;
        second.stop().await;
    }
}

both! {
    async fn f29_requests_at_the_same_time_for_one_address_send_one_mail(app: TestApp) {
        one_of_many_requests_mails(&app, &[&app.base]).await;
    }

    async fn f29_requests_to_two_services_at_the_same_time_send_one_mail(app: TestApp) {
        let (second, base) = app.second();
        one_of_many_requests_mails(&app, &[&app.base, &base]).await;
        second.stop().await;
    }
}

both! {
    /// The second success would undo the first one's choice, with a link that should have died. And the loser is told at once:
    /// on PostgreSQL the two must not end in a deadlock, which costs both a second and the loser a 503.
    async fn f14_of_two_live_links_used_at_once_one_wins(backend: Backend) {
        let app = TestApp::start_with(backend, |settings| {
            settings.recovery.cooldown = TimeDelta::zero();
            settings.recovery.per_hour = 1000;
        }).await;
        app.user("ann@example.com").await;
        let token = app.token(APP).await;
        for round in 0..6 {
            let mut links = Vec::new();
            for _ in 0..2 {
                app.quiet().await;
                links.push(app.mailed_token(&token, "ann@example.com").await);
            }
            app.quiet().await;
            let password = |number: usize| format!("the choice of caller {number}");
            let resets = links.iter().enumerate().map(|(number, link)| {
                let (app, token) = (&app, &token);
                async move { app.reset(token, "ann@example.com", link, &password(number)).await }
            });
            let replies = join_all(resets).await;
            let expected = [("200 password_reset", 1), ("400 wrong_token", 1)];
            assert_eq!(tally(&replies), expected.map(|(said, count)| (said.to_owned(), count)).into(), "round {round}");
            let winner = usize::from(replies[1].status == 200);
            assert!(app.password_is("ann@example.com", &password(winner)).await, "round {round}");
        }
    }
}

/// Counts the links that still work although their mail was given up.
fn orphans(c: &mut AnyConnection) -> Result<i64, StorageError> {
    #[derive(diesel::QueryableByName)]
    struct Count {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        links: i64,
    }
    let query = "SELECT COUNT(*) AS links FROM reset_tokens JOIN mails ON mails.id = reset_tokens.mail_id \
                 WHERE reset_tokens.used_at IS NULL AND mails.state = 'skipped'";
    let count: Count = diesel::sql_query(query).get_result(c)?;
    Ok(count.links)
}

both! {
    /// The worker composes a mail while the reset that cancels it runs: either comes first, but no link outlives the reset.
    async fn f14_no_link_is_born_beside_the_reset_that_ends_them_all(backend: Backend) {
        let app = TestApp::start_with(backend, |settings| {
            settings.recovery.cooldown = TimeDelta::zero();
            settings.recovery.per_hour = 1000;
        }).await;
        app.user("ann@example.com").await;
        let token = app.token(APP).await;
        for round in 0..25 {
            app.quiet().await;
            let link = app.mailed_token(&token, "ann@example.com").await;
            let reminds = join_all((0..4).map(|_| app.remind(&token, "ann@example.com")));
            let reset = app.reset(&token, "ann@example.com", &link, "a new secret");
            let (_, reset) = tokio::join!(reminds, reset);
            // Four newer links may have ended this one before.
            assert!(["200 password_reset", "400 wrong_token"].contains(&reset.said().as_str()), "{reset:?}");
            app.quiet().await;
            assert_eq!(app.flows.storage.read(orphans).await.unwrap(), 0, "round {round}");
        }
    }
}
