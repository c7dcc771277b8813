//! Accounts that come with a hash from elsewhere: the old password signs in, once by the old hash and from then on by ours.

use serde_json::{Value, json};

use crate::both;
use crate::helpers::{Backend, Reply, TestApp};

const SCOPES: &str = "users:write password:verify";
/// Maker, password, hash; the unit tests of `domain/password_hash` have them all.
const VECTORS: &str = include_str!("../../src/domain/password_hash/vectors.txt");

/// Every hash of one ordinary password.
fn hashes() -> Vec<&'static str> {
    let fields = VECTORS
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>());
    fields
        .filter(|fields| fields.get(1) == Some(&"correct horse"))
        .map(|fields| fields[2])
        .collect()
}

async fn create(app: &TestApp, token: &str, email: &str, hash: &str) -> Reply {
    app.post(
        "/v1/users",
        token,
        json!({"email": email, "password_hash": hash}),
    )
    .await
}

async fn verify(app: &TestApp, token: &str, email: &str, password: &str) -> String {
    let body = json!({"email": email, "password": password});
    app.post("/v1/password/verify", token, body).await.said()
}

both! {
    async fn p11_a_hash_from_elsewhere_is_replaced_by_ours_when_its_password_is_proved(app: TestApp) {
        let token = app.token(SCOPES).await;
        let hashes = hashes();
        assert!(hashes.len() > 20, "{hashes:?}");
        for (number, hash) in hashes.into_iter().enumerate() {
            let email = format!("user{number}@example.com");
            assert_eq!(create(&app, &token, &email, hash).await.said(), "201 user_created", "{hash}");
            assert_eq!(verify(&app, &token, &email, "Correct horse").await, "400 wrong_credentials", "{hash}");
            assert_eq!(app.stored_hash(&email).await, hash, "a refusal changes nothing");
            assert_eq!(verify(&app, &token, &email, "correct horse").await, "200 password_verified", "{hash}");
            let stored = app.stored_hash(&email).await;
            let ours = stored.starts_with("$2b$04$") || stored.starts_with("$bcrypt-sha256$v=2,t=2b,r=4$");
            assert!(ours, "{hash} -> {stored}");
            assert_eq!(stored == hash, hash.starts_with("$2b$") || hash.starts_with("$bcrypt-sha256$v=2,"), "{hash}");
            assert_eq!(verify(&app, &token, &email, "correct horse").await, "200 password_verified", "{hash}");
        }
    }

    async fn p04_a_password_that_another_system_cut_counts_as_a_whole_from_the_first_success_on(app: TestApp) {
        let token = app.token(SCOPES).await;
        let (email, password) = ("ann@example.com", "y".repeat(80));
        create(&app, &token, email, &bcrypt::hash(&password, 4).unwrap()).await;
        assert_eq!(verify(&app, &token, email, &password).await, "200 password_verified");
        assert!(app.stored_hash(email).await.starts_with("$bcrypt-sha256$"));
        assert_eq!(verify(&app, &token, email, &password[..72]).await, "400 wrong_credentials");
        assert_eq!(verify(&app, &token, email, &password).await, "200 password_verified");
    }

    async fn p11_a_hash_that_cannot_be_used_makes_no_account(app: TestApp) {
        let token = app.token(SCOPES).await;
        for hash in [
            "",
            "hunter2",
            "$1$salt$qJH7.N4xYta3aEG/dfqo/0",
            "$2b$04$CRe2CdgsfAOxwq",
            "$2b$15$CRe2CdgsfAOxwq/hkvUtaO7.9QM4P3ACZS9.qIaMXIB1KCwMTCh9C",
            "$argon2id$v=19$m=4294967295,t=4294967295,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            "pbkdf2_sha256$1000$sa\0lt$AAAA",
        ] {
            let reply = create(&app, &token, "ann@example.com", hash).await;
            assert_eq!((reply.said().as_str(), &reply.json()["field"]), ("400 invalid_request", &json!("password_hash")), "{hash}");
            assert!(hash.is_empty() || !reply.text.contains(hash), "{reply:?}");
        }
        // The address is still free.
        let reply = create(&app, &token, "ann@example.com", "$2b$04$CRe2CdgsfAOxwq/hkvUtaO7.9QM4P3ACZS9.qIaMXIB1KCwMTCh9C").await;
        assert_eq!((reply.said().as_str(), &reply.json()["user"]["password_hash"]), ("201 user_created", &Value::Null));
    }
}
