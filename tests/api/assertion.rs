//! Clients that sign instead of stating a secret (`private_key_jwt`, RFC 7523; bar X05 to X07): how it is done.

use serde_json::{Value, json};

use crate::both;
use crate::helpers::{APP, Backend, Reply, TestApp, TestClient};
use crate::keys::Key;
use crate::token::refused;
use unforget::domain::{AuthMethod, JwkSet};
use unforget::flows::By;

pub(crate) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
pub(crate) const ISSUER: &str = "https://unforget.example";

/// A client with these keys and no secret.
pub(crate) async fn signer(app: &TestApp, jwks: &str) -> TestClient {
    let jwks = JwkSet::parse(jwks).unwrap();
    let client = app.client_with(APP, |new| {
        new.auth_method = AuthMethod::PrivateKeyJwt;
        new.jwks = Some(jwks);
    });
    let client = client.await;
    assert_eq!(client.secret, "");
    client
}

/// The claims of a good assertion: a new id each time.
pub(crate) fn claims(app: &TestApp, id: &str) -> Value {
    let now = app.clock.now().timestamp();
    let jti = uuid::Uuid::from_u128(rand_id()).to_string();
    json!({"iss": id, "sub": id, "aud": ISSUER, "iat": now, "nbf": now, "exp": now + 60, "jti": jti})
}

fn rand_id() -> u128 {
    u128::from_be_bytes(unforget::entropy::bytes())
}

/// A good assertion of this client.
pub(crate) fn assertion(app: &TestApp, client: &TestClient, key: &Key) -> String {
    let header = json!({"alg": key.alg(), "kid": "a"});
    key.message(&header.to_string(), &claims(app, &client.id).to_string())
}

/// `POST` of a form without an `Authorization` field.
pub(crate) async fn post(base: &str, path: &str, form: &[(&str, &str)]) -> Reply {
    let request = reqwest::Client::new().post(format!("{base}{path}"));
    Reply::of(request.form(form).send().await.unwrap()).await
}

/// A token request with this assertion.
pub(crate) async fn present(base: &str, assertion: &str) -> Reply {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_assertion_type", TYPE),
        ("client_assertion", assertion),
    ];
    post(base, "/oauth/token", &form).await
}

both! {
    async fn x06_a_client_signs_with_a_key_of_any_kind_that_is_offered(app: TestApp) {
        for key in Key::every_kind() {
            let client = signer(&app, &key.set("a")).await;
            let reply = present(&app.base, &assertion(&app, &client, &key)).await;
            assert_eq!(reply.status, 200, "{}: {reply:?}", key.alg());
            assert_eq!(reply.json()["token_type"], "Bearer");
            let token = reply.json()["access_token"].as_str().unwrap().to_owned();
            assert_eq!(app.check(&token, "x").await.said(), "400 wrong_token", "the token works");

            // The same without the name of the key, and by the newer name of the algorithm.
            let alg = if key.alg() == "EdDSA" { "Ed25519" } else { key.alg() };
            let bare = key.message(&json!({"alg": alg, "typ": "JWT"}).to_string(), &claims(&app, &client.id).to_string());
            assert_eq!(present(&app.base, &bare).await.status, 200, "{alg}");
        }
    }

    async fn x06_every_endpoint_of_a_client_takes_an_assertion(app: TestApp) {
        let key = Key::es256();
        let client = signer(&app, &key.set("a")).await;
        let token = present(&app.base, &assertion(&app, &client, &key)).await.json();
        let token = token["access_token"].as_str().unwrap();
        let base = app.base.as_str();
        let with = |assertion: String| async move {
            let form = [("client_assertion_type", TYPE), ("client_assertion", assertion.as_str()), ("token", token)];
            let told = post(base, "/oauth/introspect", &form).await;
            let ended = post(base, "/oauth/revoke", &form).await;
            (told, ended)
        };
        let (told, again) = with(assertion(&app, &client, &key)).await;
        assert_eq!(told.json()["active"], true, "{told:?}");
        assert_eq!(refused(&again), "401 invalid_client", "it was used up by the first");
        let (again, _) = with(assertion(&app, &client, &key)).await;
        assert_eq!(again.json()["active"], true, "{again:?}");
        let form = [("client_assertion_type", TYPE), ("client_assertion", &assertion(&app, &client, &key)), ("token", token)];
        assert_eq!(post(&app.base, "/oauth/revoke", &form).await.status, 200);
        let (gone, _) = with(assertion(&app, &client, &key)).await;
        assert_eq!(gone.json(), json!({"active": false}));
    }

    async fn x06_of_several_keys_each_works_and_one_that_was_taken_away_does_not(app: TestApp) {
        let keys = [Key::es256(), Key::es256(), Key::ed25519()];
        let set = |keys: &[&Key]| json!({"keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>()}).to_string();
        let client = signer(&app, &set(&[&keys[0], &keys[1], &keys[2]])).await;
        for key in &keys {
            let message = key.message(&json!({"alg": key.alg()}).to_string(), &claims(&app, &client.id).to_string());
            assert_eq!(present(&app.base, &message).await.status, 200);
        }
        let stranger = Key::es256();
        let message = stranger.message(&json!({"alg": "ES256"}).to_string(), &claims(&app, &client.id).to_string());
        assert_eq!(refused(&present(&app.base, &message).await), "401 invalid_client");
    }

    async fn x07_the_type_is_exact_and_a_stated_id_is_the_signers(app: TestApp) {
        let key = Key::es256();
        let client = signer(&app, &key.set("a")).await;
        let other = app.client(APP).await;
        let ask = |more: Vec<(&'static str, String)>| {
            let mut form = vec![("grant_type", "client_credentials".to_owned())];
            form.extend(more);
            let request = app.request("POST", "/oauth/token").form(&form);
            async move { Reply::of(request.send().await.unwrap()).await }
        };
        let good = || ("client_assertion", assertion(&app, &client, &key));
        let typed = |text: &str| ("client_assertion_type", text.to_owned());
        let id = |text: &str| ("client_id", text.to_owned());

        assert_eq!(ask(vec![good(), typed(TYPE), id(&client.id)]).await.status, 200);
        for (case, form, expected) in [
            ("another's id", vec![good(), typed(TYPE), id(&other.id)], "401 invalid_client"),
            ("nobody's id", vec![good(), typed(TYPE), id("nobody")], "401 invalid_client"),
            ("in capitals", vec![good(), typed(&TYPE.to_uppercase())], "401 invalid_client"),
            ("with a space", vec![good(), typed(&format!("{TYPE} "))], "401 invalid_client"),
            ("saml", vec![good(), typed("urn:ietf:params:oauth:client-assertion-type:saml2-bearer")], "401 invalid_client"),
            ("no type", vec![good()], "400 invalid_request"),
            ("an empty type", vec![good(), typed("")], "400 invalid_request"),
            ("a type alone", vec![typed(TYPE)], "400 invalid_request"),
            ("twice", vec![good(), good(), typed(TYPE)], "400 invalid_request"),
        ] {
            assert_eq!(refused(&ask(form).await), expected, "{case}");
        }
    }

    async fn o07_an_assertion_beside_a_secret_is_refused(app: TestApp) {
        let key = Key::es256();
        let client = signer(&app, &key.set("a")).await;
        let other = app.client(APP).await;
        for path in ["/oauth/token", "/oauth/introspect", "/oauth/revoke"] {
            let good = assertion(&app, &client, &key);
            let form = [
                ("grant_type", "client_credentials"), ("token", "x"), ("client_assertion_type", TYPE),
                ("client_assertion", &good), ("client_id", &other.id), ("client_secret", &other.secret),
            ];
            assert_eq!(refused(&post(&app.base, path, &form).await), "400 invalid_request", "{path}");
            let basic = app.request("POST", path).basic_auth(&other.id, Some(&other.secret)).form(&form[..4]);
            let basic = Reply::of(basic.send().await.unwrap()).await;
            assert_eq!(refused(&basic), "400 invalid_request", "{path}");
        }
    }

    async fn x06_a_disabled_client_signs_in_vain(app: TestApp) {
        let key = Key::es256();
        let client = signer(&app, &key.set("a")).await;
        app.flows.disable_client(By::Operator, client.client_id(), true).await.unwrap();
        assert_eq!(refused(&present(&app.base, &assertion(&app, &client, &key)).await), "401 invalid_client");
        app.flows.disable_client(By::Operator, client.client_id(), false).await.unwrap();
        assert_eq!(present(&app.base, &assertion(&app, &client, &key)).await.status, 200);
    }

    async fn x05_the_metadata_lists_what_can_be_signed_with(app: TestApp) {
        let metadata = Reply::of(app.request("GET", "/.well-known/oauth-authorization-server").send().await.unwrap()).await.json();
        for endpoint in ["token", "introspection", "revocation"] {
            let methods = metadata[format!("{endpoint}_endpoint_auth_methods_supported")].as_array().unwrap();
            assert!(methods.contains(&json!("private_key_jwt")), "{metadata}");
            let algorithms = metadata[format!("{endpoint}_endpoint_auth_signing_alg_values_supported")].clone();
            assert_eq!(algorithms, json!(["ES256", "EdDSA", "Ed25519", "RS256", "PS256"]), "{endpoint}");
        }
    }

    async fn o11_scope_and_grant_are_judged_after_a_signature_as_after_a_secret(app: TestApp) {
        let key = Key::es256();
        let client = signer(&app, &key.set("a")).await;
        let ask = |grant: &'static str, scope: &'static str| {
            let assertion = assertion(&app, &client, &key);
            let base = app.base.clone();
            async move {
                let form = [("grant_type", grant), ("scope", scope), ("client_assertion_type", TYPE), ("client_assertion", &assertion)];
                post(&base, "/oauth/token", &form).await
            }
        };
        let narrow = ask("client_credentials", "password:reset").await;
        assert_eq!(narrow.json()["scope"], "password:reset");
        assert_eq!(refused(&ask("client_credentials", "users:write").await), "400 invalid_scope");
        assert_eq!(refused(&ask("password", "").await), "400 unsupported_grant_type");
        assert_eq!(refused(&ask("", "").await), "400 invalid_request");
    }
}
