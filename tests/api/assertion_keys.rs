//! Assertions that name no key: how many keys are tried for one is bounded, for each costs whoever checks more than whoever sends.

use serde_json::{Value, json};

use crate::assertion::{claims, present, signer};
use crate::both;
use crate::helpers::{Backend, TestApp};
use crate::keys::Key;

both! {
    async fn x06_without_a_kid_the_first_four_keys_that_fit_are_tried(app: TestApp) {
        let keys: Vec<_> = (0..5).map(|_| Key::es256()).collect();
        let named = |(at, key): (usize, &Key)| {
            let mut jwk = key.jwk();
            jwk["kid"] = json!(at.to_string());
            jwk
        };
        // One of another kind does not count.
        let other = Key::ed25519().jwk();
        let set: Vec<Value> = std::iter::once(other).chain(keys.iter().enumerate().map(named)).collect();
        let client = signer(&app, &json!({"keys": set}).to_string()).await;
        for (at, key) in keys.iter().enumerate() {
            let bare = json!({"alg": "ES256"}).to_string();
            let reply = present(&app.base, &key.message(&bare, &claims(&app, &client.id).to_string())).await;
            assert_eq!(reply.status == 200, at < 4, "{at}: {reply:?}");
            let named = json!({"alg": "ES256", "kid": at.to_string()}).to_string();
            let reply = present(&app.base, &key.message(&named, &claims(&app, &client.id).to_string())).await;
            assert_eq!(reply.status, 200, "{at}: {reply:?}");
        }
    }
}
