//! What the tests of remind, check and reset have in common: bodies in both encodings, the shape of an answer, and what is
//! stored of a user.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};
use unforget::domain::{EmailAddress, Locale, User};
use unforget::flows::By;
use unforget::flows::users::{NewUser, UserRef};

use crate::helpers::{PATIENCE, Reply, TestApp};

pub(crate) const REMIND: &str = "/v1/password/remind";
pub(crate) const CHECK: &str = "/v1/password/check";
pub(crate) const RESET: &str = "/v1/password/reset";

/// The bodies of the two successes and the errors, as the contract fixes them, without `request_id`.
pub(crate) fn reminder_sent() -> Value {
    json!({"status": "reminder_sent", "success": "An email was sent to the user."})
}
pub(crate) fn password_reset() -> Value {
    json!({"status": "password_reset", "success": "The new password has been set."})
}
pub(crate) fn wrong_user() -> Value {
    json!({"status": "wrong_user", "error": "The email address doesn't match a user."})
}
pub(crate) fn wrong_token() -> Value {
    json!({"status": "wrong_token", "error": "The reset token is invalid."})
}
pub(crate) fn wrong_password(reasons: &[&str], min_length: usize) -> Value {
    json!({
        "status": "wrong_password",
        "error": "The password is wrong.",
        "reasons": reasons,
        "min_length": min_length,
    })
}
pub(crate) fn wrong_field(name: &str) -> Value {
    json!({
        "status": "invalid_request",
        "error": "This field is missing, repeated, of the wrong type, or not valid.",
        "field": name,
    })
}
pub(crate) fn unreadable() -> Value {
    json!({"status": "invalid_request", "error": "The request is not valid."})
}

/// Asserts that an answer is this error, and that it names its request as its header does.
pub(crate) fn assert_refused(reply: &Reply, status: u16, body: &Value, what: &str) {
    assert_eq!(reply.status, status, "{what}: {reply:?}");
    assert_eq!(&reply.body_without_id(), body, "{what}");
    assert_eq!(
        reply.json()["request_id"],
        reply.header("x-request-id"),
        "{what}"
    );
}

/// All that tells two answers apart, but for what differs between any two requests: status, body without `request_id`,
/// length, and the names of the headers.
pub(crate) fn shape(reply: &Reply) -> (u16, Value, String, Vec<String>) {
    let mut names: Vec<_> = reply.headers.keys().map(ToString::to_string).collect();
    names.sort();
    let length = reply.header("content-length").to_owned();
    (reply.status, reply.body_without_id(), length, names)
}

/// Waits until something holds.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// How an operator points at the user with this address.
pub(crate) fn user_ref(email: &str) -> UserRef {
    UserRef::Email(EmailAddress::parse(email).unwrap().key())
}

impl TestApp {
    /// Lets time pass when no mail waits or is on its way. (While one is, its lease would seem to have ended, and it would be
    /// sent again.)
    pub(crate) async fn later(&self, seconds: i64) {
        self.quiet().await;
        self.advance(seconds);
    }

    /// `POST` of a body as it is.
    pub(crate) async fn post_bytes(
        &self,
        path: &str,
        token: &str,
        content_type: &str,
        body: impl Into<Vec<u8>>,
    ) -> Reply {
        let request = self.request("POST", path).bearer_auth(token);
        let request = request.header(CONTENT_TYPE, content_type).body(body.into());
        Reply::of(request.send().await.unwrap()).await
    }

    /// The same fields as JSON, then as a form.
    pub(crate) async fn post_both_ways(
        &self,
        path: &str,
        token: &str,
        fields: &[(&str, &str)],
    ) -> [Reply; 2] {
        let pairs = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)));
        let body = Value::Object(pairs.collect::<Map<_, _>>());
        [
            self.post(path, token, body).await,
            self.post_form(path, token, fields).await,
        ]
    }

    /// `POST` of JSON by a caller who reads French.
    pub(crate) async fn post_in_french(&self, path: &str, token: &str, body: Value) -> Reply {
        let request = self.request("POST", path).bearer_auth(token);
        let request = request.header("accept-language", "fr-CA, en;q=0.5");
        Reply::of(request.json(&body).send().await.unwrap()).await
    }

    /// A user who never had a password.
    pub(crate) async fn user_without_password(&self, email: &str) -> uuid::Uuid {
        let new = NewUser {
            email: EmailAddress::parse(email).unwrap(),
            password: None,
            password_hash: None,
            locale: None,
            profile: Map::new(),
        };
        self.flows.add_user(By::Operator, new).await.unwrap().id
    }

    /// A user who reads this language.
    pub(crate) async fn user_with_locale(&self, email: &str, locale: Option<Locale>) {
        let new = NewUser {
            email: EmailAddress::parse(email).unwrap(),
            password: None,
            password_hash: None,
            locale,
            profile: Map::new(),
        };
        self.flows.add_user(By::Operator, new).await.unwrap();
    }

    /// All that is stored of the user with this address.
    pub(crate) async fn stored_user(&self, email: &str) -> User {
        let found = self.flows.find_user(user_ref(email)).await.unwrap();
        found.unwrap()
    }

    /// The user's stored hash.
    pub(crate) async fn stored_hash(&self, email: &str) -> String {
        let user = self.stored_user(email).await;
        user.password_hash.unwrap().as_str().to_owned()
    }
}
