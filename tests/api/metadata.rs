//! `GET /.well-known/oauth-authorization-server` (RFC 8414, bar X03 to X05, O22).

use serde_json::{Value, json};

use crate::both;
use crate::helpers::{APP, Backend, Reply, TestApp};

const PATH: &str = "/.well-known/oauth-authorization-server";

async fn metadata(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = app.request("GET", path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Reply::of(request.send().await.unwrap()).await
}

fn words(list: &Value) -> Vec<&str> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect()
}

both! {
    async fn x03_the_issuer_is_as_configured_whatever_the_request_says(app: TestApp) {
        let plain = metadata(&app, PATH, &[]).await;
        assert_eq!(plain.status, 200);
        assert_eq!(plain.json()["issuer"], app.settings.public_url);
        for (name, value) in plain.json().as_object().unwrap() {
            if name.ends_with("_endpoint") {
                assert!(value.as_str().unwrap().starts_with("https://unforget.example/oauth/"), "{name}");
            }
        }
        for forged in [("host", "evil.example"), ("x-forwarded-host", "evil.example"), ("forwarded", "host=evil.example"), ("x-forwarded-proto", "http")] {
            let reply = metadata(&app, PATH, &[forged]).await;
            assert_eq!(reply.text, plain.text, "{forged:?}");
        }
    }

    async fn x03_clients_that_look_where_openid_puts_it_find_the_same(app: TestApp) {
        let there = metadata(&app, "/.well-known/openid-configuration", &[]).await;
        assert_eq!((there.status, &there.text), (200, &metadata(&app, PATH, &[]).await.text));
    }

    async fn x04_response_types_are_stated_and_empty(app: TestApp) {
        assert_eq!(metadata(&app, PATH, &[]).await.json()["response_types_supported"], json!([]));
    }

    async fn x05_methods_are_stated_for_every_endpoint_and_none_is_never_one(app: TestApp) {
        let told = metadata(&app, PATH, &[]).await.json();
        let methods = words(&told["token_endpoint_auth_methods_supported"]);
        assert!(methods.contains(&"client_secret_basic") && methods.contains(&"client_secret_post"), "{methods:?}");
        for endpoint in ["token", "introspection", "revocation"] {
            assert_eq!(words(&told[format!("{endpoint}_endpoint_auth_methods_supported")]), methods);
            let algorithms = &told[format!("{endpoint}_endpoint_auth_signing_alg_values_supported")];
            assert_eq!(algorithms.is_array(), methods.contains(&"private_key_jwt"), "{algorithms}");
            let never = |algorithm: &&str| *algorithm == "none" || algorithm.starts_with("HS");
            assert!(!algorithms.is_array() || !words(algorithms).iter().any(never), "{algorithms}");
        }
        assert!(!methods.contains(&"none"));
    }

    async fn o22_the_metadata_lists_what_works_and_nothing_else(app: TestApp) {
        let told = metadata(&app, PATH, &[]).await.json();
        assert_eq!(told["grant_types_supported"], json!(["client_credentials"]));
        for absent in ["authorization_endpoint", "jwks_uri", "userinfo_endpoint", "code_challenge_methods_supported", "end_session_endpoint"] {
            assert!(told[absent].is_null(), "{absent}");
        }
        // Every scope can be registered and asked for.
        let scopes = words(&told["scopes_supported"]).join(" ");
        let client = app.client(&scopes).await;
        let asked = [("grant_type", "client_credentials"), ("scope", scopes.as_str())];
        assert_eq!(app.token_request(&client, &asked).await.status, 200);
        // Every endpoint is there: it has a method that it answers.
        for (name, url) in told.as_object().unwrap().iter().filter(|(name, _)| name.ends_with("_endpoint")) {
            let path = url.as_str().unwrap().strip_prefix("https://unforget.example").unwrap();
            let there = Reply::of(app.request("POST", path).send().await.unwrap()).await;
            assert!(![404, 405].contains(&there.status), "{name}: {there:?}");
        }
        // The methods with a secret, at each endpoint.
        let client = app.client(APP).await;
        let token = app.token_of(&client).await;
        let fields = [("grant_type", "client_credentials"), ("token", token.as_str())];
        for path in ["/oauth/token", "/oauth/introspect", "/oauth/revoke"] {
            let basic = app.request("POST", path).basic_auth(&client.id, Some(&client.secret)).form(&fields);
            assert_eq!(Reply::of(basic.send().await.unwrap()).await.status, 200, "{path}");
            let credentials = [("client_id", client.id.as_str()), ("client_secret", &client.secret)];
            let post = app.request("POST", path).form(&[fields.as_slice(), &credentials].concat());
            assert_eq!(Reply::of(post.send().await.unwrap()).await.status, 200, "{path}");
        }
    }
}

both! {
    async fn x03_an_issuer_with_a_path_is_found_where_the_rfc_puts_it(backend: Backend) {
        let app = TestApp::start_with(backend, |settings| settings.public_url = "https://example.com/auth/unforget".to_owned()).await;
        let reply = metadata(&app, &format!("{PATH}/auth/unforget"), &[]).await;
        assert_eq!(reply.json()["issuer"], "https://example.com/auth/unforget");
        assert_eq!(reply.json()["token_endpoint"], "https://example.com/auth/unforget/oauth/token");
        assert_eq!(metadata(&app, PATH, &[]).await.text, reply.text);
        for other in ["/auth", "/auth/unforget/", "/other", "/"] {
            assert_eq!(metadata(&app, &format!("{PATH}{other}"), &[]).await.status, 404, "{other}");
        }
    }
}
