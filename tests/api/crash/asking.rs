//! What the service says after a crash.

use serde_json::{Value, json};

use super::rig::Rig;
use crate::accounts::CHANGE;
use crate::helpers::{PATIENCE, Reply};
use crate::recovery::CHECK;

impl Rig {
    /// Whether an application's token is let in.
    pub(super) async fn works(&self, token: &str) -> bool {
        let checked = self.ask("POST", CHECK, token, json!({"token": "x"}));
        is_let_in(&checked.await)
    }

    /// Whether a user's token is.
    pub(super) async fn speaks(&self, token: &str) -> bool {
        is_let_in(&self.ask("PUT", CHANGE, token, json!({})).await)
    }

    /// Asks until the service has an answer: it may still be about to come back to its database.
    pub(super) async fn ask(&self, method: &str, path: &str, token: &str, body: Value) -> Reply {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let request = reqwest::Client::new()
                .request(method.parse().unwrap(), format!("{}{path}", self.base()))
                .bearer_auth(token)
                .json(&body);
            let reply = Reply::of(request.send().await.unwrap()).await;
            if reply.status < 500 {
                return reply;
            }
            assert!(tokio::time::Instant::now() < deadline, "{reply:?}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

fn is_let_in(reply: &Reply) -> bool {
    match reply.said().as_str() {
        "401 invalid_token" => false,
        "400 wrong_token" | "400 invalid_request" | "403 insufficient_scope" => true,
        other => panic!("{other}"),
    }
}
