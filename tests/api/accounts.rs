//! What the tests of verify, sessions, change, the administrator's password and users have in common: calls, bodies, and what
//! is stored of an address.

use chrono::TimeDelta;
use serde_json::{Map, Value, json};
use unforget::domain::guessing::Guesses;
use unforget::domain::{EmailAddress, PasswordHash};
use unforget::flows::By;
use unforget::flows::users::NewUser;
use unforget::storage::guesses;

use crate::helpers::{Reply, TestApp};

pub(crate) const VERIFY: &str = "/v1/password/verify";
pub(crate) const SESSIONS: &str = "/v1/sessions";
pub(crate) const CHANGE: &str = "/v1/password";
pub(crate) const USERS: &str = "/v1/users";

pub(crate) const ANN: &str = "ann@example.com";
pub(crate) const BOB: &str = "bob@example.com";
pub(crate) const NOBODY: &str = "nobody@example.com";
pub(crate) const NEW: &str = "a new secret";
pub(crate) const WRONG: &str = "not the secret";

/// The scopes of an app that does everything but look after users.
pub(crate) const FULL_APP: &str =
    "password:remind password:reset password:change password:verify sessions:create";
/// The scopes of an administrator's script.
pub(crate) const ADMIN: &str = "users:read users:write users:resetPassword";

/// The bodies that the contract fixes, without `request_id`.
pub(crate) fn password_updated() -> Value {
    json!({"status": "password_updated", "success": "The new password has been set."})
}
pub(crate) fn wrong_credentials() -> Value {
    json!({"status": "wrong_credentials", "error": "The email address or the password is wrong."})
}
pub(crate) fn too_many() -> Value {
    json!({"status": "too_many_requests", "error": "Too many requests; come back later."})
}
pub(crate) fn unknown_user() -> Value {
    json!({"status": "wrong_user", "error": "There is no such user."})
}
pub(crate) fn user_exists() -> Value {
    json!({"status": "user_exists", "error": "There is already a user with this email address."})
}

/// The path of a user.
pub(crate) fn path_of(id: uuid::Uuid) -> String {
    format!("{USERS}/{id}")
}

/// Where a user's password is set.
pub(crate) fn password_of(id: uuid::Uuid) -> String {
    format!("{USERS}/{id}/password")
}

impl TestApp {
    /// A token that lives longer than any pause.
    pub(crate) async fn lasting_token(&self, scopes: &str) -> String {
        let year = Some(TimeDelta::days(365));
        let client = self.client_with(scopes, |new| new.token_lifetime = year);
        self.token_of(&client.await).await
    }

    /// Any method with a bearer token and a JSON body.
    pub(crate) async fn send(&self, method: &str, path: &str, token: &str, body: Value) -> Reply {
        let request = self.request(method, path).bearer_auth(token).json(&body);
        Reply::of(request.send().await.unwrap()).await
    }

    /// Any method with a bearer token and no body.
    pub(crate) async fn bare(&self, method: &str, path: &str, token: &str) -> Reply {
        let request = self.request(method, path).bearer_auth(token);
        Reply::of(request.send().await.unwrap()).await
    }

    pub(crate) async fn verify(&self, token: &str, email: &str, password: &str) -> Reply {
        self.post(VERIFY, token, json!({"email": email, "password": password}))
            .await
    }

    pub(crate) async fn session(&self, token: &str, email: &str, password: &str) -> Reply {
        self.post(
            SESSIONS,
            token,
            json!({"email": email, "password": password}),
        )
        .await
    }

    /// A user token. The password must be right.
    pub(crate) async fn user_token(&self, token: &str, email: &str, password: &str) -> String {
        let reply = self.session(token, email, password).await;
        assert_eq!(reply.said(), "201 session_created", "{reply:?}");
        reply.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// `PUT /v1/password` of an app.
    pub(crate) async fn change(&self, token: &str, email: &str, old: &str, new: &str) -> Reply {
        let body = json!({"email": email, "old_password": old, "password": new});
        self.send("PUT", CHANGE, token, body).await
    }

    /// `PUT /v1/password` of a user.
    pub(crate) async fn change_own(&self, user_token: &str, old: &str, new: &str) -> Reply {
        let body = json!({"old_password": old, "password": new});
        self.send("PUT", CHANGE, user_token, body).await
    }

    /// Whether a user token is alive: an empty call is refused for its body, or for its token.
    pub(crate) async fn speaks(&self, user_token: &str) -> bool {
        let said = self.send("PUT", CHANGE, user_token, json!({})).await.said();
        assert!(
            ["400 invalid_request", "401 invalid_token"].contains(&said.as_str()),
            "{said}"
        );
        said == "400 invalid_request"
    }

    /// `PUT /v1/users/{id}/password`
    pub(crate) async fn admin_set(&self, token: &str, id: uuid::Uuid, password: &str) -> Reply {
        self.send(
            "PUT",
            &password_of(id),
            token,
            json!({"password": password}),
        )
        .await
    }

    /// `PATCH /v1/users/{id}`
    pub(crate) async fn patch(&self, token: &str, id: uuid::Uuid, change: Value) -> Reply {
        self.send("PATCH", &path_of(id), token, change).await
    }

    /// A user with a hash that was made elsewhere.
    pub(crate) async fn user_with_hash(&self, email: &str, hash: &str) -> uuid::Uuid {
        let new = NewUser {
            email: EmailAddress::parse(email).unwrap(),
            password: None,
            password_hash: Some(PasswordHash::parse(hash).unwrap()),
            locale: None,
            profile: Map::new(),
        };
        self.flows.add_user(By::Operator, new).await.unwrap().id
    }

    /// How many failures in a row are counted for an address.
    pub(crate) async fn failures(&self, email: &str) -> i64 {
        let key = EmailAddress::parse(email).unwrap().key();
        let found = self
            .flows
            .storage
            .read(move |c| guesses::find(c, key.as_str()))
            .await
            .unwrap();
        found.map_or(0, |guesses| guesses.failures)
    }

    /// Lets an address have had this many failures in a row, the last of them long ago.
    pub(crate) async fn let_fail(&self, email: &str, failures: i64) {
        let key = EmailAddress::parse(email).unwrap().key();
        let now = self.clock.now();
        let free_at = now;
        let stored = self
            .flows
            .storage
            .write(move |c| guesses::store(c, key.as_str(), now, &Guesses { failures, free_at }));
        stored.await.unwrap();
    }
}
