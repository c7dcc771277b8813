//! An assertion works once (bar X06): on every node, after a restart, and at the same moment.

use futures_util::future::join_all;
use serde_json::json;

use crate::assertion::{TYPE, assertion, claims, post, present, signer};
use crate::both;
use crate::helpers::{Backend, Program, TestApp};
use crate::keys::Key;
use crate::token::refused;
use unforget::server;

both! {
    async fn x06_an_assertion_works_once(app: TestApp) {
        let key = Key::ed25519();
        let client = signer(&app, &key.set("a")).await;
        let once = assertion(&app, &client, &key);
        assert_eq!(present(&app.base, &once).await.status, 200);
        assert_eq!(refused(&present(&app.base, &once).await), "401 invalid_client");
        // Another signature over the same id is no other assertion.
        let claims = claims(&app, &client.id);
        let header = |typ: &str| json!({"alg": "EdDSA", "kid": "a", "typ": typ}).to_string();
        assert_eq!(present(&app.base, &key.message(&header("JWT"), &claims.to_string())).await.status, 200);
        assert_eq!(refused(&present(&app.base, &key.message(&header("jwt"), &claims.to_string())).await), "401 invalid_client");
        // Two clients may choose the same id.
        let other = signer(&app, &key.set("a")).await;
        let mut same = claims;
        (same["iss"], same["sub"]) = (json!(other.id), json!(other.id));
        assert_eq!(present(&app.base, &key.message(&header("JWT"), &same.to_string())).await.status, 200);
    }

    async fn x06_a_refused_request_uses_its_assertion_up_too(app: TestApp) {
        let key = Key::ed25519();
        let client = signer(&app, &key.set("a")).await;
        let once = assertion(&app, &client, &key);
        let form = [
            ("grant_type", "client_credentials"), ("scope", "users:write"),
            ("client_assertion_type", TYPE), ("client_assertion", &once),
        ];
        assert_eq!(refused(&post(&app.base, "/oauth/token", &form).await), "400 invalid_scope");
        assert_eq!(refused(&present(&app.base, &once).await), "401 invalid_client");
    }

    async fn x06_an_id_is_forgotten_only_when_its_assertion_has_ended(app: TestApp) {
        let key = Key::ed25519();
        let client = signer(&app, &key.set("a")).await;
        let once = assertion(&app, &client, &key);
        assert_eq!(present(&app.base, &once).await.status, 200);
        for seconds in [0, 40, 29] {
            app.advance(seconds);
            app.flows.purge().await.unwrap();
            assert_eq!(refused(&present(&app.base, &once).await), "401 invalid_client", "{seconds} s later");
        }
        assert_eq!(app.flows.purge().await.unwrap().spent_ids, 0);
        app.advance(300);
        assert_eq!(app.flows.purge().await.unwrap().spent_ids, 1);
        assert_eq!(refused(&present(&app.base, &once).await), "401 invalid_client");
    }

    async fn x06_an_assertion_works_once_on_two_nodes_and_after_a_restart(app: TestApp) {
        let mut app = app;
        let key = Key::ed25519();
        let client = signer(&app, &key.set("a")).await;
        let (node, base) = app.second();
        let once = assertion(&app, &client, &key);
        assert_eq!(present(&base, &once).await.status, 200);
        assert_eq!(refused(&present(&app.base, &once).await), "401 invalid_client");
        node.stop().await;
        app.stop().await;
        let again = server::start(&app.settings, app.clock.clone()).unwrap();
        let base = format!("http://{}", again.address);
        assert_eq!(refused(&present(&base, &once).await), "401 invalid_client");
        assert_eq!(present(&base, &assertion(&app, &client, &key)).await.status, 200);
        again.stop().await;
    }

    async fn x06_of_many_at_the_same_moment_on_two_nodes_one_wins(app: TestApp) {
        let key = Key::ed25519();
        let client = signer(&app, &key.set("a")).await;
        let (node, base) = app.second();
        for _ in 0..4 {
            let once = assertion(&app, &client, &key);
            let tries = (0..8).map(|n| present(if n % 2 == 0 { &app.base } else { &base }, &once));
            let won = join_all(tries).await.iter().filter(|reply| reply.status == 200).count();
            assert_eq!(won, 1);
        }
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x06_no_log_line_holds_an_assertion() {
    let program = Program::new(&[
        ("RUST_LOG", "trace"),
        ("UNFORGET_PUBLIC_URL", "https://unforget.example"),
    ]);
    let client = program.json(&["client", "add", "Quotes", "--scope", "password:remind"]);
    let mut service = program.serve().await;
    let id = client["client_id"].as_str().unwrap();
    let key = Key::es256();
    let claims = json!({"iss": id, "sub": id, "aud": "https://unforget.example", "exp": 1, "jti": "a-very-own-id"});
    let message = key.message(r#"{"alg":"ES256"}"#, &claims.to_string());
    assert_eq!(present(&service.base, &message).await.status, 401);
    assert_eq!(service.terminate(), Some(0));
    let log = program.log();
    assert!(log.contains("/oauth/token"), "{log}");
    for part in message.split('.').chain(["a-very-own-id"]) {
        assert!(!log.contains(part), "{part}: {log}");
    }
}
