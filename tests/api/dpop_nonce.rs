//! Nonces in proofs (RFC 9449 sections 8 and 9; bar X09): for clocks that are wrong, or for every proof.

use serde_json::json;

use crate::both;
use crate::dpop::{CHECK, ask, bound, call, challenges, claims, header};
use crate::helpers::{APP, Backend, TestApp};
use crate::keys::Key;
use crate::token::refused;

/// A proof that says it was made so many seconds later, with this nonce.
fn proof(
    app: &TestApp,
    key: &Key,
    path: &str,
    token: Option<&str>,
    later: i64,
    nonce: Option<&str>,
) -> String {
    let mut claims = claims(app, "POST", path, token);
    claims["iat"] = json!(app.clock.now().timestamp() + later);
    if let Some(nonce) = nonce {
        claims["nonce"] = json!(nonce);
    }
    key.message(&header(key).to_string(), &claims.to_string())
}

both! {
    async fn x09_a_clock_that_is_wrong_goes_on_with_a_nonce(app: TestApp) {
        let key = Key::es256();
        let client = app.client(APP).await;
        for later in [-50, 50] {
            let reply = ask(&app, &client, &proof(&app, &key, "/oauth/token", None, later, None)).await;
            assert_eq!((reply.status, reply.header("dpop-nonce")), (200, ""), "{later}");
        }
        for later in [-90, 90, -86_400, 86_400] {
            let reply = ask(&app, &client, &proof(&app, &key, "/oauth/token", None, later, None)).await;
            assert_eq!(refused(&reply), "400 use_dpop_nonce", "{later}");
            let nonce = reply.header("dpop-nonce");
            assert!(!nonce.is_empty(), "{reply:?}");
            let reply = ask(&app, &client, &proof(&app, &key, "/oauth/token", None, later, Some(nonce))).await;
            assert_eq!(reply.json()["token_type"], "DPoP", "{later}: {reply:?}");
        }
        let token = bound(&app, &client, &key).await;
        let reply = call(&app, "DPoP", &token, &[&proof(&app, &key, CHECK, Some(&token), -3600, None)]).await;
        assert_eq!(reply.said(), "401 use_dpop_nonce");
        assert_eq!(challenges(&reply), [r#"DPoP realm="unforget", error="use_dpop_nonce", algs="ES256 EdDSA Ed25519 RS256 PS256""#]);
        let with = |nonce: &str| proof(&app, &key, CHECK, Some(&token), -3600, Some(nonce));
        let nonce = reply.header("dpop-nonce");
        let once = with(nonce);
        assert_eq!(call(&app, "DPoP", &token, &[&once]).await.said(), "400 wrong_token");
        assert_eq!(call(&app, "DPoP", &token, &[&once]).await.said(), "401 invalid_dpop_proof", "it works once");
        assert_eq!(call(&app, "DPoP", &token, &[&with(nonce)]).await.said(), "400 wrong_token", "the nonce goes on");
    }

    async fn x09_a_nonce_is_ours_and_fresh_on_every_node_and_after_a_restart(app: TestApp) {
        let mut app = app;
        let key = Key::es256();
        let client = app.client(APP).await;
        let get = async |app: &TestApp, nonce: Option<&str>| ask(app, &client, &proof(app, &key, "/oauth/token", None, 0, nonce)).await;
        let refusal = get(&app, Some("nonsense")).await;
        assert_eq!(refused(&refusal), "400 use_dpop_nonce");
        let nonce = refusal.header("dpop-nonce").to_owned();
        for made_up in ["", "AAAA", &"A".repeat(32), &nonce.to_lowercase(), &format!("{nonce}AAAA"), &nonce[1..]] {
            assert_eq!(refused(&get(&app, Some(made_up)).await), "400 use_dpop_nonce", "{made_up}");
        }
        let (node, base) = app.second();
        app.base = base;
        assert_eq!(get(&app, Some(&nonce)).await.status, 200);
        node.stop().await;
        app.stop().await;
        let again = unforget::server::start(&app.settings, app.clock.clone()).unwrap();
        app.base = format!("http://{}", again.address);
        let reply = get(&app, Some(&nonce)).await;
        assert_eq!((reply.status, reply.header("dpop-nonce")), (200, ""));
        // The next one comes before the last has ended.
        app.advance(200);
        let reply = get(&app, Some(&nonce)).await;
        assert_eq!(reply.status, 200);
        let next = reply.header("dpop-nonce").to_owned();
        assert!(!next.is_empty() && next != nonce);
        app.advance(150);
        assert_eq!(refused(&get(&app, Some(&nonce)).await), "400 use_dpop_nonce");
        assert_eq!(get(&app, Some(&next)).await.status, 200);
        again.stop().await;
    }
}

both! {
    async fn x09_where_nonces_are_required_every_proof_needs_one(backend: Backend) {
        let app = TestApp::start_with(backend, |settings| settings.dpop_nonce = true).await;
        let key = Key::es256();
        let client = app.client(APP).await;
        let reply = ask(&app, &client, &proof(&app, &key, "/oauth/token", None, 0, None)).await;
        assert_eq!(refused(&reply), "400 use_dpop_nonce");
        let nonce = reply.header("dpop-nonce").to_owned();
        let reply = ask(&app, &client, &proof(&app, &key, "/oauth/token", None, 0, Some(&nonce))).await;
        let token = reply.json()["access_token"].as_str().unwrap().to_owned();
        let reply = call(&app, "DPoP", &token, &[&proof(&app, &key, CHECK, Some(&token), 0, None)]).await;
        assert_eq!(reply.said(), "401 use_dpop_nonce");
        let nonce = reply.header("dpop-nonce");
        assert_eq!(call(&app, "DPoP", &token, &[&proof(&app, &key, CHECK, Some(&token), 0, Some(nonce))]).await.said(), "400 wrong_token");
    }
}
