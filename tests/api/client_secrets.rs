//! Several named secrets for each client (bar O18): from when to when each works, which is still in use, and what becomes of one
//! that has leaked.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DurationRound, TimeDelta};
use diesel::sql_types::BigInt;
use diesel::{QueryableByName, RunQueryDsl, sql_query};
use futures_util::future::join_all;
use unforget::domain::client_secret::{SecretInfo, SecretState, in_use};
use unforget::domain::{HashedToken, Instant};
use unforget::entropy;
use unforget::flows::By;
use unforget::flows::clients::{ClientError, Rotated, Rotation, SecretRef};
use unforget::storage::client_secrets::NewSecret;
use unforget::storage::{AnyConnection, StorageError, client_secrets, clients};

use crate::both;
use crate::client_changes::acts;
use crate::growth::execute;
use crate::helpers::{APP, Backend, TestApp, TestClient};

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

async fn rotate(app: &TestApp, client: &TestClient, rotation: impl Into<Rotation>) -> Rotated {
    let rotated = app
        .flows
        .rotate_client(By::Operator, client.client_id(), rotation)
        .await;
    rotated.unwrap().unwrap()
}

/// The client's secrets, newest first.
async fn secrets(app: &TestApp, client: &TestClient) -> Vec<SecretInfo> {
    let shown = app.flows.show_client(client.client_id()).await.unwrap();
    shown.unwrap().1
}

/// The same client with another secret.
fn with(client: &TestClient, secret: &str) -> TestClient {
    TestClient {
        secret: secret.to_owned(),
        ..client.clone()
    }
}

async fn status(app: &TestApp, client: &TestClient) -> u16 {
    app.token_request(client, &[GRANT]).await.status
}

fn minute(at: Instant) -> Instant {
    at.duration_trunc(TimeDelta::minutes(1)).unwrap()
}

async fn end(
    app: &TestApp,
    client: &TestClient,
    which: SecretRef,
) -> Result<SecretInfo, ClientError> {
    let ended = app
        .flows
        .end_secret(By::Operator, client.client_id(), which)
        .await;
    ended.map(Option::unwrap)
}

both! {
    async fn o18_a_use_that_cannot_be_noted_refuses_nobody_and_the_next_one_is(backend: Backend) {
        let app = TestApp::start(backend).await;
        let client = app.client(APP).await;
        let (fail, heal) = match backend {
            Backend::Sqlite => (
                "CREATE TRIGGER fail BEFORE UPDATE ON client_secrets BEGIN SELECT RAISE(ABORT, 'no'); END;",
                "DROP TRIGGER fail;",
            ),
            Backend::Postgres => (
                "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$; \
                 CREATE TRIGGER fail BEFORE UPDATE ON client_secrets FOR EACH ROW EXECUTE FUNCTION fail();",
                "DROP TRIGGER fail ON client_secrets;",
            ),
        };
        execute(&app.flows.storage, fail.to_owned()).await;
        for _ in 0..2 {
            let token = app.token_of(&client).await;
            assert_eq!(app.remind(&token, "ann@example.com").await.said(), "200 reminder_sent");
        }
        assert_eq!(secrets(&app, &client).await[0].last_used_at, None);
        execute(&app.flows.storage, heal.to_owned()).await;
        app.token_of(&client).await;
        assert!(secrets(&app, &client).await[0].last_used_at.is_some());
    }
}

both! {
    async fn o18_callers_that_change_over_during_the_overlap_are_never_refused(app: TestApp) {
        let client = app.client(APP).await;
        let old = client.clone();
        let rotated = rotate(&app, &client, TimeDelta::hours(24)).await;
        let new = with(&client, rotated.secret.expose());
        // Eight instances of one app change over one after the other, each in the midst of its calls.
        let left = AtomicUsize::new(8 * 30);
        let instance = async |number: usize| {
            let mut statuses = Vec::new();
            while statuses.len() < 30 {
                let ahead = left.fetch_sub(1, Ordering::SeqCst);
                let changed = ahead < 8 * 30 - number * 25;
                statuses.push(status(&app, if changed { &new } else { &old }).await);
            }
            statuses
        };
        let statuses: HashSet<u16> = join_all((0..8).map(instance)).await.into_iter().flatten().collect();
        assert_eq!(statuses, HashSet::from([200]));
        app.advance(24 * 3600);
        assert_eq!((status(&app, &old).await, status(&app, &new).await), (401, 200));
    }

    async fn o18_the_last_use_of_a_secret_is_known_to_the_minute(app: TestApp) {
        let client = app.client(APP).await;
        assert_eq!(secrets(&app, &client).await[0].last_used_at, None);
        assert_eq!(status(&app, &with(&client, "not the secret")).await, 401);
        assert_eq!(secrets(&app, &client).await[0].last_used_at, None);

        let before = minute(app.clock.now());
        app.token_of(&client).await;
        let first = secrets(&app, &client).await[0].last_used_at.unwrap();
        assert!(first >= before && first == minute(first), "{first}");

        // Later uses are noted although the client is known by now; those of another node too.
        let (_running, base) = app.second();
        for by_second in [false, true] {
            app.advance(600);
            let before = minute(app.clock.now());
            if by_second {
                let request = reqwest::Client::new().post(format!("{base}/oauth/token"));
                let request = request.basic_auth(&client.id, Some(&client.secret)).form(&[GRANT]);
                assert_eq!(request.send().await.unwrap().status(), 200);
            } else {
                app.token_of(&client).await;
            }
            assert!(secrets(&app, &client).await[0].last_used_at.unwrap() >= before);
        }

        // So is the use of a client that only introspects.
        app.advance(600);
        let before = minute(app.clock.now());
        let request = app.request("POST", "/oauth/introspect").basic_auth(&client.id, Some(&client.secret));
        assert_eq!(request.form(&[("token", "x")]).send().await.unwrap().status(), 200);
        assert!(secrets(&app, &client).await[0].last_used_at.unwrap() >= before);
    }

    async fn o18_a_secret_that_has_ended_is_not_noted_as_used_by_whoever_tries_it(app: TestApp) {
        let client = app.client(APP).await;
        app.token_of(&client).await;
        let used = secrets(&app, &client).await[0].last_used_at;
        rotate(&app, &client, TimeDelta::zero()).await;
        app.advance(600);
        // The client is remembered, and the statement that would store the token says no.
        assert_eq!(status(&app, &client).await, 401);
        assert_eq!((secrets(&app, &client).await[1].last_used_at, used.is_some()), (used, true));
    }

    async fn o18_whoever_uses_an_old_secret_still_is_told(app: TestApp) {
        let client = app.client(APP).await;
        app.token_of(&client).await;
        app.advance(3600);
        let label = Some("second".parse().unwrap());
        let rotation = Rotation { label, ..Rotation::from(TimeDelta::hours(24)) };
        let rotated = rotate(&app, &client, rotation).await;
        let used = async || {
            let now = app.clock.now();
            let secrets = secrets(&app, &client).await;
            let states: Vec<_> = secrets.iter().map(|secret| secret.state(now)).collect();
            assert_eq!(states, [SecretState::Works, SecretState::Ending]);
            assert_eq!(secrets[0].label.as_deref(), Some("second"));
            let used = in_use(&secrets, now);
            [used.contains(&secrets[0].id), used.contains(&secrets[1].id)]
        };
        assert_eq!(used().await, [false, false]); // an hour ago does not count
        app.token_of(&client).await;
        assert_eq!(used().await, [false, true]);
        app.token_of(&with(&client, rotated.secret.expose())).await;
        assert_eq!(used().await, [true, true]);
    }

    async fn o18_a_secret_that_works_later_leaves_no_time_without_one(app: TestApp) {
        let client = app.client(APP).await;
        let not_before = Some(app.clock.now() + TimeDelta::hours(2));
        let rotation = Rotation { not_before, ..Rotation::from(TimeDelta::hours(1)) };
        let rotated = rotate(&app, &client, rotation).await;
        assert_eq!(rotated.not_before, not_before);
        let statuses = async || {
            let new = with(&client, rotated.secret.expose());
            [status(&app, &client).await, status(&app, &new).await]
        };
        assert_eq!(statuses().await, [200, 401]);
        app.advance(3600 + 1800);
        assert_eq!(statuses().await, [200, 401]);
        app.advance(1800);
        assert_eq!(statuses().await, [200, 200]);
        app.advance(3600);
        assert_eq!(statuses().await, [401, 200]);
    }

    async fn a_leaked_secret_is_ended_and_the_others_go_on(app: TestApp) {
        let client = app.client(APP).await;
        let label = |text: &str| Some(text.parse().unwrap());
        let leaked = rotate(&app, &client, Rotation { label: label("laptop"), ..TimeDelta::days(9).into() }).await;
        let other = rotate(&app, &client, Rotation { label: label("server"), ..TimeDelta::days(9).into() }).await;
        // Known clients are asked after, too.
        app.token_of(&with(&client, leaked.secret.expose())).await;
        let ended = end(&app, &client, SecretRef::Label("laptop".parse().unwrap())).await.unwrap();
        assert_eq!((ended.id, ended.state(app.clock.now())), (leaked.id, SecretState::Ended));
        assert_eq!(status(&app, &with(&client, leaked.secret.expose())).await, 401);
        for secret in [&client.secret, other.secret.expose()] {
            assert_eq!(status(&app, &with(&client, secret)).await, 200);
        }
        // By its id again: it has ended, and when it did stays true.
        app.advance(60);
        assert_eq!(end(&app, &client, SecretRef::Id(leaked.id)).await.unwrap().expires_at, ended.expires_at);
        assert_eq!(acts(&app, &client.client_id()).await, ["client.add", "client.rotate", "client.rotate", "client.rotate"]);

        assert!(matches!(end(&app, &client, SecretRef::Label("laptop".parse().unwrap())).await, Err(ClientError::NoSuchSecret)));
        let neighbour = app.client(APP).await;
        assert!(matches!(end(&app, &neighbour, SecretRef::Id(other.id)).await, Err(ClientError::NoSuchSecret)));
        // A label means one secret, however an older database came by two.
        let now = app.clock.now();
        let double = NewSecret { id: entropy::id(now), label: label("server"), digest: HashedToken::of("another"), created_at: now, not_before: None, expires_at: None };
        let id = client.client_id();
        app.flows.storage.write(move |c| client_secrets::insert(c, &id, &double)).await.unwrap();
        assert!(matches!(end(&app, &client, SecretRef::Label("server".parse().unwrap())).await, Err(ClientError::AmbiguousLabel)));
    }

    async fn an_ended_secret_can_be_looked_at_for_a_month(app: TestApp) {
        let client = app.client(APP).await;
        app.token_of(&client).await;
        rotate(&app, &client, TimeDelta::zero()).await;
        app.advance(29 * 24 * 3600);
        assert_eq!(app.flows.purge().await.unwrap().client_secrets, 0);
        let ended = secrets(&app, &client).await.remove(1);
        assert_eq!(ended.state(app.clock.now()), SecretState::Ended);
        assert!(ended.last_used_at.is_some());
        app.advance(24 * 3600);
        assert_eq!(app.flows.purge().await.unwrap().client_secrets, 1);
        assert_eq!(secrets(&app, &client).await.len(), 1);
    }

    async fn o18_a_thousand_secrets_of_one_client_all_work(app: TestApp) {
        let client = app.client(APP).await;
        let (id, now) = (client.client_id(), app.clock.now());
        let stored = app.flows.storage.write(move |c| {
            for number in 0..1000 {
                let secret = NewSecret {
                    id: entropy::id(now),
                    label: Some(format!("number {number}").parse().unwrap()),
                    digest: HashedToken::of(&format!("secret number {number}")),
                    created_at: now,
                    not_before: None,
                    expires_at: None,
                };
                client_secrets::insert(c, &id, &secret)?;
            }
            Ok::<_, StorageError>(())
        });
        stored.await.unwrap();
        for number in [0, 1, 500, 999] {
            assert_eq!(status(&app, &with(&client, &format!("secret number {number}"))).await, 200);
        }
        assert_eq!(status(&app, &with(&client, "secret number 1000")).await, 401);
        assert_eq!(status(&app, &client).await, 200);
        // SQLite is asked for its plan in storage_queries.
        if let Some(read) = secrets_read_by_postgres(&app, &client).await {
            assert_eq!(read, (0, 1));
        }
    }
}

/// How often PostgreSQL reads the secrets from end to end to authenticate once, and how many rows it looks at.
async fn secrets_read_by_postgres(app: &TestApp, client: &TestClient) -> Option<(i64, i64)> {
    #[derive(QueryableByName)]
    struct Read {
        #[diesel(sql_type = BigInt)]
        scans: i64,
        #[diesel(sql_type = BigInt)]
        rows: i64,
    }
    let id = client.client_id();
    let now = app.clock.now();
    let read = app.flows.storage.write(move |c| {
        let AnyConnection::Postgres(postgres) = c else { return Ok(None) };
        sql_query("ANALYZE client_secrets").execute(postgres)?;
        let query = "SELECT seq_scan AS scans, seq_tup_read + idx_tup_fetch AS rows FROM pg_stat_xact_user_tables WHERE relname = 'client_secrets'";
        let before: Read = sql_query(query).get_result(postgres)?;
        let found = clients::authenticate(c, &id, &HashedToken::of("secret number 500"), now)?;
        assert!(found.is_some());
        let AnyConnection::Postgres(postgres) = c else { return Ok(None) };
        let after: Read = sql_query(query).get_result(postgres)?;
        Ok::<_, StorageError>(Some((after.scans - before.scans, after.rows - before.rows)))
    });
    read.await.unwrap()
}
