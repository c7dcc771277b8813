//! The machine's clock steps back and forth: nothing that has ended lives again, and nothing is broken for long (D09).

use chrono::TimeDelta;
use serde_json::json;
use unforget::clock::Clock;
use unforget::flows::By;

use crate::both;
use crate::helpers::{APP, Backend, OLD_PASSWORD, TestApp, TestClient};

const ANN: &str = "ann@example.com";
const SCOPES: &str = "password:remind password:reset password:verify sessions:create";

/// Lets the machine's clock step.
fn step(app: &TestApp, minutes: i64) {
    app.advance(minutes * 60);
}

/// Whether the app still gets tokens with this secret.
async fn works(app: &TestApp, client: &TestClient) -> bool {
    let reply = app
        .token_request(client, &[("grant_type", "client_credentials")])
        .await;
    reply.status == 200
}

#[test]
fn d09_the_clock_never_goes_back_and_follows_what_was_put_right() {
    let clock = Clock::shifted();
    let mut last = clock.now();
    for minutes in [0, 60, -60, 30, -90, 60, -1, 1] {
        clock.advance(TimeDelta::minutes(minutes));
        for _ in 0..1000 {
            let now = clock.now();
            assert!(now >= last, "{minutes}: {now} after {last}");
            last = now;
        }
    }
    // A clock that was days ahead was wrong, and is not waited for.
    clock.advance(TimeDelta::days(3));
    let wrong = clock.now();
    clock.advance(TimeDelta::days(-3));
    assert!(clock.now() < wrong - TimeDelta::days(2));
}

#[test]
fn d09_for_no_thread_does_the_clock_go_back() {
    let clock = Clock::shifted();
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                let mut last = clock.now();
                for _ in 0..50_000 {
                    let now = clock.now();
                    assert!(now >= last, "{now} after {last}");
                    last = now;
                }
            });
        }
        for minutes in [20, -40, 30, -20, 50, -40].repeat(50) {
            clock.advance(TimeDelta::minutes(minutes));
            std::thread::sleep(std::time::Duration::from_micros(200));
        }
    });
}

both! {
    async fn d09_a_clock_that_steps_back_revives_no_token_link_or_secret(app: TestApp) {
        app.user(ANN).await;
        let client = app.client(SCOPES).await;
        let token = app.token_of(&client).await;
        let (used, unused) = (app.mailed_token(&token, ANN).await, {
            app.advance(61);
            app.mailed_token(&token, ANN).await
        });
        let session = app.post("/v1/sessions", &token, json!({"email": ANN, "password": OLD_PASSWORD})).await;
        assert_eq!(session.status, 201);
        let rotated = app.flows.rotate_client(By::Operator, client.client_id(), TimeDelta::minutes(30)).await;
        let new = TestClient { id: client.id.clone(), secret: rotated.unwrap().unwrap().secret.expose().to_owned() };
        assert!(works(&app, &client).await && works(&app, &new).await);

        step(&app, 61); // over: the token, the links and the old secret
        assert_eq!(app.check(&token, &unused).await.status, 401);
        assert!(!works(&app, &client).await);
        for back in [-45, -15, 50, -50] {
            step(&app, back);
            assert_eq!(app.check(&token, &unused).await.status, 401, "{back}");
            assert!(!works(&app, &client).await, "{back}");
            let fresh = app.token_of(&new).await;
            for link in [&used, &unused] {
                assert_eq!(app.check(&fresh, link).await.said(), "400 wrong_token", "{back}");
            }
        }
    }

    async fn d09_a_link_that_was_used_stays_used_whatever_the_clock_says(app: TestApp) {
        app.user(ANN).await;
        let client = app.client(APP).await;
        let token = app.token_of(&client).await;
        let link = app.mailed_token(&token, ANN).await;
        assert_eq!(app.reset(&token, ANN, &link, "a new secret").await.said(), "200 password_reset");
        // Not before the real time, which a library reads.
        for minutes in [60 * 48, -30, 15, -60 * 24, 60 * 24] {
            step(&app, minutes);
            let token = app.token_of(&client).await;
            let again = app.reset(&token, ANN, &link, "another secret").await;
            assert_eq!(again.said(), "400 wrong_token", "{minutes}");
        }
        assert!(app.password_is(ANN, "a new secret").await);
    }

    async fn d09_a_clock_that_was_days_ahead_leaves_nothing_waiting_for_those_days(app: TestApp) {
        const BOB: &str = "bob@example.com";
        app.user(ANN).await;
        app.user(BOB).await;
        let client = app.client(SCOPES).await;
        step(&app, 3 * 24 * 60);
        let token = app.token_of(&client).await;
        // Ann uses her mails of this hour up and guesses until there is a pause; Bob's mail cannot be sent.
        for _ in 0..5 {
            app.mailed_token(&token, ANN).await;
            app.advance(61);
        }
        assert_eq!(app.remind(&token, ANN).await.status, 429);
        let wrong = json!({"email": ANN, "password": "not this one"});
        // A pause of a second may be over before the next try; it doubles.
        let mut tries = 0;
        while app.post("/v1/password/verify", &token, wrong.clone()).await.status != 429 {
            tries += 1;
            assert!(tries < 30, "guessing is free");
        }
        app.sink.behave(crate::smtp::Behaviour::later().first(1));
        let before = app.sink.received().len();
        assert_eq!(app.remind(&token, BOB).await.status, 200);
        app.tried_once(BOB).await;

        step(&app, -3 * 24 * 60);
        let token = app.token_of(&client).await;
        let right = json!({"email": ANN, "password": OLD_PASSWORD});
        assert_eq!(app.post("/v1/password/verify", &token, right).await.said(), "200 password_verified");
        app.flows.purge().await.unwrap(); // as `serve` does every ten minutes
        app.flows.mail_queued.notify_one();
        let mails = app.mails(before + 1).await;
        assert_eq!(mails[before].to, [BOB]);
        assert_eq!(app.remind(&token, ANN).await.said(), "200 reminder_sent");
        assert_eq!(app.mails(before + 2).await[before + 1].to, [ANN]);
    }
}

impl TestApp {
    /// Waits until the mail to an address has been tried and waits for its next try.
    async fn tried_once(&self, what: &str) {
        let deadline = tokio::time::Instant::now() + crate::helpers::PATIENCE;
        loop {
            let mails = self.flows.list_mails(None, 1).await.unwrap();
            if mails[0].failure.is_some() && mails[0].due_at.is_some() {
                return;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "never tried: {what}"
            );
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}
