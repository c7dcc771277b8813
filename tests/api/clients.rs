//! Clients, their secrets and their tokens: how they are made and stored, and rotated (bar O05, O17, O18,
//! O21).

use std::collections::HashSet;
use std::sync::Mutex;

use chrono::TimeDelta;
use diesel::sql_types::Text;
use diesel::{QueryableByName, RunQueryDsl, sql_query};
use futures_util::future::join_all;
use sha2::{Digest, Sha256};
use unforget::flows::By;
use unforget::storage::{AnyConnection, StorageError};

use crate::both;
use crate::helpers::{APP, Backend, TestApp, TestClient};

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

/// All that the database holds, octet by octet: on SQLite the file and its WAL; on PostgreSQL the rows.
pub(crate) async fn stored(app: &TestApp) -> String {
    let Some(folder) = app.database.folder() else {
        return rows(app).await;
    };
    let files = std::fs::read_dir(folder).unwrap();
    files
        .map(|file| latin(&std::fs::read(file.unwrap().path()).unwrap()))
        .collect()
}

/// Whether these octets are there, as they are or in hexadecimal.
pub(crate) fn holds(stored: &str, octets: &[u8]) -> bool {
    let hex: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    stored.contains(&latin(octets)) || stored.contains(&hex)
}

/// Octets as characters, one for one: text is quick to search.
fn latin(octets: &[u8]) -> String {
    octets.iter().copied().map(char::from).collect()
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    row: String,
}

/// Every row that has to do with clients, as PostgreSQL writes it: octets in hexadecimal.
async fn rows(app: &TestApp) -> String {
    let read = app.flows.storage.read(|c| {
        let AnyConnection::Postgres(postgres) = c else { panic!("rows are read on PostgreSQL only") };
        let query = "SELECT t::text AS row FROM access_tokens t UNION ALL SELECT s::text FROM client_secrets s \
                     UNION ALL SELECT c::text FROM clients c";
        Ok::<_, StorageError>(sql_query(query).load::<Row>(postgres)?)
    });
    read.await
        .unwrap()
        .into_iter()
        .map(|row| row.row + "\n")
        .collect()
}

/// Asks for a token with this secret and tells the status.
async fn status_with(app: &TestApp, client: &TestClient, secret: &str) -> u16 {
    let client = TestClient {
        secret: secret.to_owned(),
        ..client.clone()
    };
    app.token_request(&client, &[GRANT]).await.status
}

fn is_base62(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric())
}

both! {
    async fn o05_ids_and_secrets_are_of_characters_that_every_client_encodes_alike(app: TestApp) {
        let (mut clients, mut seen) = (Vec::new(), HashSet::new());
        for _ in 0..5 {
            clients.extend(join_all((0..200).map(|_| app.client(APP))).await);
        }
        for client in clients {
            let id = client.id.strip_prefix("uf_cl_").unwrap();
            let secret = client.secret.strip_prefix("uf_cs_").unwrap();
            assert!(id.len() == 22 && is_base62(id), "{client:?}");
            assert!(secret.len() == 49 && is_base62(secret), "{client:?}");
            assert!(seen.insert(client.id.clone()) && seen.insert(client.secret.clone()), "{client:?}");
        }
    }

    async fn o17_access_tokens_are_random_and_only_their_digest_is_stored(app: TestApp) {
        let client = app.client(APP).await;
        let mut tokens = Vec::new();
        for _ in 0..20 {
            tokens.extend(join_all((0..50).map(|_| app.token_of(&client))).await);
        }
        assert_eq!(tokens.iter().collect::<HashSet<_>>().len(), 1000);
        let mut places = vec![HashSet::new(); 43];
        for token in &tokens {
            let body = token.strip_prefix("uf_at_").unwrap();
            assert!(body.len() == 43 + 6 && is_base62(body), "{token}");
            for (place, character) in body.bytes().take(43).enumerate() {
                places[place].insert(character);
            }
        }
        // Each character takes nearly each of its 62 values in 1000 draws. A UUID, a counter or a time in it would show.
        assert!(places.iter().all(|seen| seen.len() > 50), "{places:?}");

        let live = &tokens[500];
        assert_eq!(app.remind(live, "ann@example.com").await.status, 200);
        let stored = stored(&app).await;
        for secret in [live, &client.secret] {
            assert!(holds(&stored, &Sha256::digest(secret)), "the search finds what is there");
            // Neither whole, nor without the prefix and the checksum.
            assert!(!holds(&stored, secret.as_bytes()) && !holds(&stored, &secret.as_bytes()[6..49]));
        }
    }

    async fn o18_a_rotation_under_load_refuses_nobody(app: TestApp) {
        let client = app.client(APP).await;
        let current = Mutex::new(client.secret.clone());
        let ask = async || {
            let mut statuses = HashSet::new();
            for _ in 0..25 {
                let secret = current.lock().unwrap().clone();
                statuses.insert(status_with(&app, &client, &secret).await);
            }
            statuses
        };
        let rotate = async || {
            for _ in 0..3 {
                let rotated = app.flows.rotate_client(By::Operator, client.client_id(), TimeDelta::hours(24)).await.unwrap().unwrap();
                *current.lock().unwrap() = rotated.secret.expose().to_owned();
            }
        };
        let (statuses, ()) = tokio::join!(join_all((0..8).map(|_| ask())), rotate());
        assert_eq!(statuses.into_iter().flatten().collect::<HashSet<_>>(), HashSet::from([200]));
        assert_ne!(*current.lock().unwrap(), client.secret);
    }

    async fn o18_an_old_secret_ends_with_its_overlap_and_no_later_rotation_prolongs_it(app: TestApp) {
        let client = app.client(APP).await;
        let second = app.flows.rotate_client(By::Operator, client.client_id(), TimeDelta::hours(1)).await.unwrap().unwrap();
        let third = app.flows.rotate_client(By::Operator, client.client_id(), TimeDelta::hours(24)).await.unwrap().unwrap();
        let statuses = async || {
            [
                status_with(&app, &client, &client.secret).await,
                status_with(&app, &client, second.secret.expose()).await,
                status_with(&app, &client, third.secret.expose()).await,
            ]
        };
        assert_eq!(statuses().await, [200, 200, 200]);
        app.advance(3600);
        assert_eq!(statuses().await, [401, 200, 200]);
        app.advance(23 * 3600);
        assert_eq!(statuses().await, [401, 401, 200]);
        // What has ended may be deleted, and the rest not.
        app.flows.purge().await.unwrap();
        assert_eq!(statuses().await, [401, 401, 200]);
    }

    async fn o18_a_secret_is_shown_once(app: TestApp) {
        let client = app.client(APP).await;
        let (shown, secrets) = app.flows.show_client(client.client_id()).await.unwrap().unwrap();
        assert_eq!(secrets.len(), 1);
        let shown = format!("{shown:?} {secrets:?} {:?}", app.flows.list_clients().await.unwrap());
        assert!(shown.contains(&client.id), "{shown}");
        assert!(!shown.contains(&client.secret[6..]), "{shown}");
    }

    async fn o18_there_is_no_client_at_the_beginning(app: TestApp) {
        assert!(app.flows.list_clients().await.unwrap().is_empty());
    }

    async fn o21_a_client_id_is_never_a_users_id(app: TestApp) {
        let user = app.user("ann@example.com").await.to_string();
        let named = app.client_with(APP, |new| new.name = user.parse().unwrap()).await;
        assert!(named.id.starts_with("uf_cl_"), "{named:?}");
        assert!(uuid::Uuid::parse_str(&named.id).is_err(), "{named:?}");
        let posing = TestClient { id: user, ..named.clone() };
        assert_eq!(app.token_request(&posing, &[GRANT]).await.said(), "401 invalid_client");
        assert_eq!(app.token_request(&named, &[GRANT]).await.status, 200);
    }
}
