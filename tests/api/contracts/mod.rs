//! The five public contracts: each walked through its document, and what all of them have in common.

mod everywhere;
mod interslice;
mod interslice_errors;
mod ocariot;
mod race;
mod swift;
mod swift_errors;
mod teen_quotes;
mod unleash;
mod unleash_errors;

use reqwest::header::{ACCEPT_LANGUAGE, CONTENT_TYPE};
use serde_json::{Map, Value};
use unforget::config::LimitSettings;
use unforget::domain::{EmailAddress, PlainToken, ResetToken};
use unforget::flows::By;
use unforget::flows::users::NewUser;

use crate::helpers::{Reply, TestApp};

pub(crate) const ANN: &str = "ann@example.com";
pub(crate) const NEW: &str = "a new secret";
/// Every scope that any of the contracts needs.
pub(crate) const ALL: &str = "password:remind password:reset users:resetPassword sessions:create";

/// A token of the right form that was never mailed.
pub(crate) fn garbage() -> String {
    PlainToken::<ResetToken>::from_random([9; 32])
        .expose()
        .to_owned()
}

/// A token with another last character.
pub(crate) fn changed(token: &str) -> String {
    let (rest, last) = token.split_at(token.len() - 1);
    format!("{rest}{}", if last == "x" { "y" } else { "x" })
}

/// So many calls of the API a minute and at once.
pub(crate) fn limited(api_per_minute: u32, api_burst: u32) -> Option<LimitSettings> {
    let much = 1000;
    Some(LimitSettings {
        token_per_minute: much,
        token_burst: much,
        page_per_minute: much,
        page_burst: much,
        api_per_minute,
        api_burst,
    })
}

/// JSON as a document prints it, without the white space.
pub(crate) fn compact(document: &str) -> String {
    serde_json::from_str::<Value>(document).unwrap().to_string()
}

impl TestApp {
    /// A body as it is, in JSON unless another content type is given.
    pub(crate) async fn send_typed(
        &self,
        method: &str,
        path: &str,
        token: &str,
        content_type: Option<&str>,
        body: impl Into<Vec<u8>>,
    ) -> Reply {
        let mut request = self.request(method, path).bearer_auth(token);
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        Reply::of(request.body(body.into()).send().await.unwrap()).await
    }

    /// A request of somebody who reads these languages.
    pub(crate) async fn call_in(
        &self,
        languages: &str,
        method: &str,
        path: &str,
        token: &str,
        body: Value,
    ) -> Reply {
        let request = self.request(method, path).bearer_auth(token);
        let request = request.header(ACCEPT_LANGUAGE, languages).json(&body);
        Reply::of(request.send().await.unwrap()).await
    }

    /// A user of whom the apps keep more than the address.
    pub(crate) async fn user_with_profile(&self, email: &str, profile: Value) -> uuid::Uuid {
        let Value::Object(profile) = profile else {
            panic!("a profile is an object")
        };
        let new = NewUser {
            email: EmailAddress::parse(email).unwrap(),
            password: None,
            password_hash: None,
            locale: None,
            profile: Map::from_iter(profile),
        };
        self.flows.add_user(By::Operator, new).await.unwrap().id
    }
}
