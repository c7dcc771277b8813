//! Tokens that are bound to a key (RFC 9449; bar X08, X09): how they are got and used, and that nothing else will do.

use serde_json::{Value, json};

use crate::assertion::{ISSUER, TYPE, assertion, signer};
use crate::both;
use crate::helpers::{APP, Backend, OLD_PASSWORD, Reply, TestApp, TestClient};
use crate::keys::{Key, base64};
use crate::token::refused;
use sha2::{Digest, Sha256};
use unforget::domain::ClientId;

pub(crate) const CHECK: &str = "/v1/password/check";
const ALGS: &str = r#"algs="ES256 EdDSA Ed25519 RS256 PS256""#;

/// The header of a good proof.
pub(crate) fn header(key: &Key) -> Value {
    json!({"typ": "dpop+jwt", "alg": key.alg(), "jwk": key.jwk()})
}

/// The claims of a good proof: a new id each time.
pub(crate) fn claims(app: &TestApp, method: &str, path: &str, token: Option<&str>) -> Value {
    let jti = uuid::Uuid::from_u128(u128::from_be_bytes(unforget::entropy::bytes())).to_string();
    let iat = app.clock.now().timestamp();
    let mut claims =
        json!({"jti": jti, "htm": method, "htu": format!("{ISSUER}{path}"), "iat": iat});
    if let Some(token) = token {
        claims["ath"] = json!(base64(Sha256::digest(token)));
    }
    claims
}

/// A good proof for the token endpoint.
pub(crate) fn proof(app: &TestApp, key: &Key) -> String {
    let claims = claims(app, "POST", "/oauth/token", None);
    key.message(&header(key).to_string(), &claims.to_string())
}

/// A good proof for a call with this token.
pub(crate) fn proof_for(app: &TestApp, key: &Key, method: &str, path: &str, token: &str) -> String {
    let claims = claims(app, method, path, Some(token));
    key.message(&header(key).to_string(), &claims.to_string())
}

/// A token request with this proof.
pub(crate) async fn ask(app: &TestApp, client: &TestClient, proof: &str) -> Reply {
    let request = app.request("POST", "/oauth/token").header("DPoP", proof);
    let request = request.basic_auth(&client.id, Some(&client.secret));
    let form = [("grant_type", "client_credentials")];
    Reply::of(request.form(&form).send().await.unwrap()).await
}

/// A token that is bound to this key.
pub(crate) async fn bound(app: &TestApp, client: &TestClient, key: &Key) -> String {
    let reply = ask(app, client, &proof(app, key)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.json()["token_type"], "DPoP");
    reply.json()["access_token"].as_str().unwrap().to_owned()
}

/// A call that is answered `400 wrong_token` when it is let in.
pub(crate) async fn call(app: &TestApp, scheme: &str, token: &str, proofs: &[&str]) -> Reply {
    let mut request = app.request("POST", CHECK).json(&json!({"token": "x"}));
    request = request.header("Authorization", format!("{scheme} {token}"));
    for proof in proofs {
        request = request.header("DPoP", *proof);
    }
    Reply::of(request.send().await.unwrap()).await
}

/// Every challenge of an answer.
pub(crate) fn challenges(reply: &Reply) -> Vec<&str> {
    let fields = reply.headers.get_all("www-authenticate").iter();
    fields.map(|field| field.to_str().unwrap()).collect()
}

both! {
    async fn x08_a_proof_binds_the_token_to_a_key_of_any_kind(app: TestApp) {
        for key in Key::every_kind() {
            let client = app.client(APP).await;
            let token = bound(&app, &client, &key).await;
            for scheme in ["DPoP", "dpop"] {
                let proof = proof_for(&app, &key, "POST", CHECK, &token);
                assert_eq!(call(&app, scheme, &token, &[&proof]).await.said(), "400 wrong_token", "{}", key.alg());
            }
            let form = [("token", token.as_str()), ("client_id", &client.id), ("client_secret", &client.secret)];
            let told = Reply::of(app.request("POST", "/oauth/introspect").form(&form).send().await.unwrap()).await.json();
            assert_eq!((&told["active"], &told["token_type"]), (&json!(true), &json!("DPoP")));
            let jwk = key.jwk();
            let member = |name: &str| jwk[name].as_str().unwrap().to_owned();
            let canonical = match key {
                Key::Es256(_) => format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, member("x"), member("y")),
                Key::EdDsa(_) => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, member("x")),
                Key::Rs256(_) | Key::Ps256(_) => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, member("e"), member("n")),
            };
            assert_eq!(told["cnf"], json!({"jkt": base64(Sha256::digest(canonical))}));
        }
    }

    async fn x09_a_bound_token_without_its_proof_is_refused(app: TestApp) {
        let key = Key::es256();
        let client = app.client(APP).await;
        let token = bound(&app, &client, &key).await;
        let good = || proof_for(&app, &key, "POST", CHECK, &token);
        let only = format!(r#"DPoP realm="unforget", error="invalid_token", {ALGS}"#);

        // As a plain bearer token, with and without a proof beside it.
        for proofs in [vec![], vec![good()]] {
            let proofs: Vec<_> = proofs.iter().map(String::as_str).collect();
            let reply = call(&app, "Bearer", &token, &proofs).await;
            assert_eq!(reply.said(), "401 invalid_token");
            assert_eq!(challenges(&reply), [only.as_str()]);
        }
        let (one, two) = (good(), good());
        for proofs in [vec![], vec![one.as_str(), two.as_str()], vec![""]] {
            let reply = call(&app, "DPoP", &token, &proofs).await;
            assert_eq!(reply.said(), "401 invalid_dpop_proof", "{}", proofs.len());
            assert_eq!(challenges(&reply), [format!(r#"DPoP realm="unforget", error="invalid_dpop_proof", {ALGS}"#)]);
        }
        // With somebody else's key, however good the proof.
        let reply = call(&app, "DPoP", &token, &[&proof_for(&app, &Key::es256(), "POST", CHECK, &token)]).await;
        assert_eq!(reply.said(), "401 invalid_token");
        // A token that is not bound is none of this scheme.
        let plain = app.token_of(&client).await;
        let reply = call(&app, "DPoP", &plain, &[&proof_for(&app, &key, "POST", CHECK, &plain)]).await;
        assert_eq!(reply.said(), "401 invalid_token");
        assert_eq!(call(&app, "DPoP", "garbage", &[&good()]).await.said(), "401 invalid_token");
        assert_eq!(call(&app, "DPoP", "", &[&good()]).await.said(), "400 invalid_request");
        assert_eq!(call(&app, "DPoP", &token, &[&one]).await.said(), "400 wrong_token", "nothing was burned meanwhile");
    }

    async fn x09_without_credentials_both_schemes_are_offered(app: TestApp) {
        let reply = Reply::of(app.request("POST", CHECK).send().await.unwrap()).await;
        assert_eq!(reply.status, 401);
        assert_eq!(challenges(&reply), [r#"Bearer realm="unforget""#.to_owned(), format!(r#"DPoP realm="unforget", {ALGS}"#)]);
    }

    async fn x09_the_scope_of_a_bound_token_is_judged_as_of_any(app: TestApp) {
        let key = Key::es256();
        let token = bound(&app, &app.client(APP).await, &key).await;
        let path = "/v1/users";
        let proof = proof_for(&app, &key, "POST", path, &token);
        let request = app.request("POST", path).header("Authorization", format!("DPoP {token}")).header("DPoP", proof);
        let reply = Reply::of(request.json(&json!({"email": "a@example.com"})).send().await.unwrap()).await;
        assert_eq!(reply.said(), "403 insufficient_scope");
        assert!(challenges(&reply)[1].starts_with(r#"DPoP realm="unforget", error="insufficient_scope", scope="users:write""#));
    }

    async fn x09_a_client_that_has_to_prove_its_key_gets_and_keeps_only_bound_tokens(app: TestApp) {
        let key = Key::es256();
        let client = app.client_with("password:reset sessions:create", |new| new.require_dpop = true).await;
        let grant = [("grant_type", "client_credentials")];
        for _ in 0..2 {
            assert_eq!(refused(&app.token_request(&client, &grant).await), "400 invalid_dpop_proof");
            bound(&app, &client, &key).await;
        }
        // What it gets for its users is bound as well.
        app.user("ann@example.com").await;
        let token = bound(&app, &client, &key).await;
        let proof = proof_for(&app, &key, "POST", "/v1/sessions", &token);
        let request = app.request("POST", "/v1/sessions").header("Authorization", format!("DPoP {token}")).header("DPoP", proof);
        let session = Reply::of(request.json(&json!({"email": "ann@example.com", "password": OLD_PASSWORD})).send().await.unwrap()).await;
        assert_eq!(session.json()["token_type"], "DPoP", "{session:?}");
        let user = session.json()["access_token"].as_str().unwrap().to_owned();
        let change = json!({"old_password": OLD_PASSWORD, "password": "a new secret"});
        let put = || app.request("PUT", "/v1/password").json(&change);
        let plain = Reply::of(put().bearer_auth(&user).send().await.unwrap()).await;
        assert_eq!(plain.said(), "401 invalid_token");
        let proof = proof_for(&app, &key, "PUT", "/v1/password", &user);
        let proved = put().header("Authorization", format!("DPoP {user}")).header("DPoP", proof);
        assert_eq!(Reply::of(proved.send().await.unwrap()).await.said(), "200 password_updated");
    }

    async fn x09_a_key_and_an_assertion_go_together(app: TestApp) {
        let (own, bound_to) = (Key::ed25519(), Key::es256());
        let client = signer(&app, &own.set("a")).await;
        let once = assertion(&app, &client, &own);
        let form = [("grant_type", "client_credentials"), ("client_assertion_type", TYPE), ("client_assertion", &once)];
        let post = |proof: String| {
            let request = app.request("POST", "/oauth/token").header("DPoP", proof).form(&form);
            async move { Reply::of(request.send().await.unwrap()).await }
        };
        // A proof that is refused leaves the assertion as it was: many libraries send it again.
        assert_eq!(refused(&post("nonsense".to_owned()).await), "400 invalid_dpop_proof");
        let reply = post(proof(&app, &bound_to)).await;
        assert_eq!(reply.json()["token_type"], "DPoP", "{reply:?}");
        assert_eq!(refused(&post(proof(&app, &bound_to)).await), "401 invalid_client", "used up");
    }

    async fn x09_the_metadata_lists_the_algorithms_of_proofs(app: TestApp) {
        let reply = app.request("GET", "/.well-known/oauth-authorization-server").send().await.unwrap();
        let told = Reply::of(reply).await.json();
        assert_eq!(told["dpop_signing_alg_values_supported"], json!(["ES256", "EdDSA", "Ed25519", "RS256", "PS256"]));
    }
}

both! {
    async fn x09_every_contract_takes_bound_tokens_and_refuses_in_its_own_words(backend: Backend) {
        let app = TestApp::start_with(backend, |settings| settings.interslice_client = Some(ClientId::new("nobody"))).await;
        let key = Key::es256();
        let client = app.client("password:remind password:reset users:resetPassword").await;
        let token = bound(&app, &client, &key).await;
        for (method, path, body, word) in [
            ("POST", "/auth/reset/password-email", json!({"email": "nobody@example.com"}), "/name"),
            ("POST", "/v1/users/018f0000-0000-7000-8000-000000000000/reset-password", json!({"new_password": "a new secret"}), "/description"),
            ("POST", "/api/v1/users/password", json!({"user": {"email": "nobody@example.com"}}), "/error"),
        ] {
            let send = |proof: Option<String>, scheme: &str| {
                let request = app.request(method, path).header("Authorization", format!("{scheme} {token}")).json(&body);
                let request = match proof {
                    Some(proof) => request.header("DPoP", proof),
                    None => request,
                };
                async move { Reply::of(request.send().await.unwrap()).await }
            };
            for (proof, scheme) in [(None, "DPoP"), (None, "Bearer"), (Some(proof_for(&app, &key, "GET", path, &token)), "DPoP")] {
                let reply = send(proof, scheme).await;
                assert_eq!(reply.status, 401, "{path}: {reply:?}");
                assert!(reply.json().pointer(word).is_some_and(Value::is_string), "{path}: {reply:?}");
                assert!(challenges(&reply).iter().any(|challenge| challenge.starts_with("DPoP ")), "{path}: {reply:?}");
            }
            let reply = send(Some(proof_for(&app, &key, method, path, &token)), "DPoP").await;
            assert!(![401, 403, 500].contains(&reply.status), "{path}: {reply:?}");
        }
    }
}
