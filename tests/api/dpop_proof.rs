//! Proofs that are wrong in one place (bar X08), at the token endpoint and at the API; and that each works once.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::assertion::ISSUER;
use crate::both;
use crate::dpop::{CHECK, ask, bound, call, claims, header, proof, proof_for};
use crate::helpers::{APP, Backend, Program, Reply, TestApp};
use crate::keys::{Key, base64};
use crate::token::refused;
use unforget::server;

/// Headers and claims, each wrong in one place.
fn wrong(app: &TestApp, key: &Key, path: &str, token: Option<&str>) -> Vec<(String, String)> {
    let (head, body) = (header(key), || claims(app, "POST", path, token));
    let mut messages = Vec::new();
    let private = |member: &str| {
        let mut jwk = key.jwk();
        jwk[member] = json!("AAAA");
        jwk
    };
    for (member, value) in [
        ("typ", json!("JWT")),
        ("typ", json!("dpop")),
        ("typ", json!(7)),
        ("typ", json!(null)),
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("EdDSA")),
        ("alg", json!("RS256")),
        ("alg", json!(null)),
        ("jwk", json!(null)),
        ("jwk", json!("key")),
        ("jwk", json!({})),
        ("jwk", json!({"kty": "oct", "k": "AAAA"})),
        ("jwk", private("d")),
        ("jwk", private("k")),
        ("jwk", Key::es256().jwk()),
        ("jwk", Key::ed25519().jwk()),
        (
            "jwk",
            json!({"kty": "EC", "crv": "P-256", "x": base64([0; 32]), "y": base64([0; 32])}),
        ),
        (
            "jwk",
            json!({"kty": "EC", "crv": "P-256", "x": base64([0; 31]), "y": base64([0; 32])}),
        ),
        ("crit", json!(["b64"])),
    ] {
        let mut head = head.clone();
        head[member] = value.clone();
        let message = key.message(&head.to_string(), &body().to_string());
        messages.push((format!("{member} = {value}"), message));
    }
    for (claim, value) in [
        ("htm", json!("GET")),
        ("htm", json!("post")),
        ("htm", json!(["POST"])),
        ("htu", json!(format!("{ISSUER}{path}/"))),
        ("htu", json!(format!("http://unforget.example{path}"))),
        ("htu", json!(format!("https://another.example{path}"))),
        ("htu", json!(format!("{}{path}", app.base))),
        ("htu", json!(path)),
        ("htu", json!("")),
        ("htu", json!(7)),
        ("iat", json!("now")),
        ("iat", json!(null)),
        ("iat", json!(1e300)),
        ("iat", json!(-5)),
        ("jti", json!("")),
        ("jti", json!(7)),
        ("jti", json!("j".repeat(256))),
        ("nonce", json!(7)),
    ] {
        let mut claims = body();
        claims[claim] = value.clone();
        let message = key.message(&head.to_string(), &claims.to_string());
        messages.push((format!("{claim} = {value}"), message));
    }
    for claim in ["htm", "htu", "iat", "jti"] {
        let mut claims = body();
        claims.as_object_mut().unwrap().remove(claim);
        messages.push((
            format!("no {claim}"),
            key.message(&head.to_string(), &claims.to_string()),
        ));
    }
    let good = key.message(&head.to_string(), &body().to_string());
    let (text, signature) = good.rsplit_once('.').unwrap();
    let deep = format!("{{\"x\":{}1{}}}", "[".repeat(2000), "]".repeat(2000));
    let mut twice = body().to_string();
    twice = twice.replacen('{', "{\"htm\":\"GET\",", 1);
    for (case, message) in [
        ("no signature", format!("{text}.")),
        ("zeros", format!("{text}.{}", base64([0; 64]))),
        (
            "another's signature",
            format!("{text}.{}", base64(Key::es256().sign(text))),
        ),
        ("no base64", format!("{text}.***")),
        ("two parts", text.to_owned()),
        ("four parts", format!("{good}.{signature}")),
        ("nothing", "x".to_owned()),
        ("deep", key.message(&head.to_string(), &deep)),
        ("a name twice", key.message(&head.to_string(), &twice)),
        (
            "too long",
            key.message(
                &head.to_string(),
                &format!("{{\"x\":\"{}\"}}", "x".repeat(7000)),
            ),
        ),
        ("an array", key.message(&head.to_string(), "[]")),
    ] {
        messages.push((case.to_owned(), message));
    }
    messages
}

both! {
    async fn x08_a_proof_that_is_wrong_in_one_place_gets_no_token(app: TestApp) {
        let key = Key::es256();
        let client = app.client(APP).await;
        for (case, message) in wrong(&app, &key, "/oauth/token", None) {
            assert_eq!(refused(&ask(&app, &client, &message).await), "400 invalid_dpop_proof", "{case}");
        }
        let two = app.request("POST", "/oauth/token").basic_auth(&client.id, Some(&client.secret))
            .header("DPoP", proof(&app, &key)).header("DPoP", proof(&app, &key)).form(&[("grant_type", "client_credentials")]);
        assert_eq!(refused(&Reply::of(two.send().await.unwrap()).await), "400 invalid_dpop_proof");
        bound(&app, &client, &key).await;
    }

    async fn x08_a_proof_that_is_wrong_in_one_place_opens_nothing(app: TestApp) {
        let key = Key::es256();
        let token = bound(&app, &app.client(APP).await, &key).await;
        for (case, message) in wrong(&app, &key, CHECK, Some(&token)) {
            let said = call(&app, "DPoP", &token, &[&message]).await.said();
            // A good proof of another key is a good proof.
            assert_eq!(said, "401 invalid_dpop_proof", "{case}");
        }
        let with_ath = |ath: Value| {
            let mut claims = claims(&app, "POST", CHECK, Some(&token));
            claims["ath"] = ath;
            key.message(&header(&key).to_string(), &claims.to_string())
        };
        let other = proof_for(&app, &key, "POST", CHECK, "another token");
        let none = key.message(&header(&key).to_string(), &claims(&app, "POST", CHECK, None).to_string());
        for message in [other, none, with_ath(json!(null)), with_ath(json!("")), with_ath(json!(token))] {
            assert_eq!(call(&app, "DPoP", &token, &[&message]).await.said(), "401 invalid_dpop_proof");
        }
    }

    async fn x08_the_uri_is_compared_as_the_rfc_says_and_never_by_the_host_header(app: TestApp) {
        let key = Key::es256();
        let token = bound(&app, &app.client(APP).await, &key).await;
        for htu in [format!("HTTPS://UNFORGET.example:443{CHECK}"), format!("{ISSUER}/v1/./password/c%68eck"), format!("{ISSUER}{CHECK}?a=b#c")] {
            let mut claims = claims(&app, "POST", CHECK, Some(&token));
            claims["htu"] = json!(htu);
            let message = key.message(&header(&key).to_string(), &claims.to_string());
            let request = app.request("POST", &format!("{CHECK}?x=y")).header("Authorization", format!("DPoP {token}"));
            let request = request.header("DPoP", message).header("X-Forwarded-Host", "evil.example").json(&json!({"token": "x"}));
            assert_eq!(Reply::of(request.send().await.unwrap()).await.said(), "400 wrong_token", "{htu}");
        }
    }

    async fn x08_a_proof_works_once_on_two_nodes_and_after_a_restart(app: TestApp) {
        let mut app = app;
        let key = Key::es256();
        let client = app.client(APP).await;
        let asked = proof(&app, &key);
        assert_eq!(ask(&app, &client, &asked).await.status, 200);
        assert_eq!(refused(&ask(&app, &client, &asked).await), "400 invalid_dpop_proof");
        let token = bound(&app, &client, &key).await;
        let once = proof_for(&app, &key, "POST", CHECK, &token);
        let (node, second) = app.second();
        let first = app.base.clone();
        app.base = second;
        assert_eq!(call(&app, "DPoP", &token, &[&once]).await.said(), "400 wrong_token");
        app.base = first;
        assert_eq!(call(&app, "DPoP", &token, &[&once]).await.said(), "401 invalid_dpop_proof");
        app.flows.purge().await.unwrap();
        node.stop().await;
        app.stop().await;
        let again = server::start(&app.settings, app.clock.clone()).unwrap();
        app.base = format!("http://{}", again.address);
        assert_eq!(call(&app, "DPoP", &token, &[&once]).await.said(), "401 invalid_dpop_proof");
        assert_eq!(refused(&ask(&app, &client, &asked).await), "400 invalid_dpop_proof");
        again.stop().await;
    }

    async fn x08_of_many_at_the_same_moment_one_wins(app: TestApp) {
        let key = Key::es256();
        let client = app.client(APP).await;
        let token = bound(&app, &client, &key).await;
        for _ in 0..3 {
            let once = proof_for(&app, &key, "POST", CHECK, &token);
            let proofs = [once.as_str()];
            let replies = join_all((0..6).map(|_| call(&app, "DPoP", &token, &proofs))).await;
            assert_eq!(replies.iter().filter(|reply| reply.said() == "400 wrong_token").count(), 1);
            let asked = proof(&app, &key);
            let replies = join_all((0..6).map(|_| ask(&app, &client, &asked))).await;
            assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1);
        }
    }

    async fn x08_a_proof_without_a_client_gets_nothing_and_burns_nothing(app: TestApp) {
        let key = Key::es256();
        let client = app.client(APP).await;
        let once = proof(&app, &key);
        let mut wrong = client.clone();
        wrong.secret.push('x');
        assert_eq!(refused(&ask(&app, &wrong, &once).await), "401 invalid_client");
        assert_eq!(ask(&app, &client, &once).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x08_no_log_line_holds_a_proof() {
    let program = Program::new(&[("RUST_LOG", "trace")]);
    let mut service = program.serve().await;
    let key = Key::es256();
    let message = key.message(&header(&key).to_string(), r#"{"jti":"a-very-own-id"}"#);
    let request = reqwest::Client::new().post(format!("{}/oauth/token", service.base));
    let request = request
        .header("DPoP", &message)
        .form(&[("grant_type", "client_credentials")]);
    assert_eq!(request.send().await.unwrap().status(), 400);
    assert_eq!(service.terminate(), Some(0));
    let log = program.log();
    assert!(log.contains("/oauth/token"), "{log}");
    for part in message.split('.').chain(["a-very-own-id"]) {
        assert!(!log.contains(part), "{part}: {log}");
    }
}
