//! The description of the OAuth2 endpoints is true (bar H17): its examples can be sent, its words are those that are sent, and so are
//! its headers.

use serde_json::{Value, json};

use crate::assertion::post;
use crate::both;
use crate::description::Description;
use crate::dpop::{CHECK, ask, bound, call, claims, header};
use crate::helpers::{APP, Backend, Reply, TestApp};
use crate::keys::Key;
use crate::token::refused;

/// A proof that says it was made an hour ago, with this nonce.
fn late(app: &TestApp, key: &Key, path: &str, token: Option<&str>, nonce: Option<&str>) -> String {
    let mut claims = claims(app, "POST", path, token);
    claims["iat"] = json!(app.clock.now().timestamp() - 3600);
    if let Some(nonce) = nonce {
        claims["nonce"] = json!(nonce);
    }
    key.message(&header(key).to_string(), &claims.to_string())
}

both! {
    async fn h17_the_example_of_each_oauth_form_is_refused_for_its_client_alone(app: TestApp) {
        let description = Description::of(&app).await;
        let mut sent = 0;
        for call in description.calls() {
            let example = &call.operation["requestBody"]["content"]["application/x-www-form-urlencoded"]["example"];
            if !call.path.starts_with("/oauth/") || example.is_null() {
                continue;
            }
            let fields: Vec<_> = example.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
            let reply = post(&app.base, call.path, &fields).await;
            assert_eq!(refused(&reply), "401 invalid_client", "{}: {example}", call.path);
            description.assert_fits("POST", call.path, &reply);
            sent += 1;
        }
        assert_eq!(sent, 3);
    }

    async fn h17_the_words_of_each_oauth_error_are_those_that_are_sent(app: TestApp) {
        let description = Description::of(&app).await;
        let mut seen = 0;
        for call in description.calls().iter().filter(|call| call.path.starts_with("/oauth/")) {
            for (status, told) in call.operation["responses"].as_object().unwrap() {
                let told = description.resolve(told);
                for (name, example) in told["content"]["application/json"]["examples"].as_object().into_iter().flatten() {
                    let (word, text) = (&example["value"]["error"], &example["value"]["error_description"]);
                    let (word, text) = (word.as_str().unwrap(), text.as_str().unwrap());
                    let line = format!("`{word}`: {text}");
                    let lines: Vec<_> = told["description"].as_str().unwrap().split("\n\n").collect();
                    assert!(name.starts_with(word) && lines.contains(&line.as_str()), "{} {} {status}: {name} {line} {lines:?}", call.method, call.path);
                    seen += 1;
                }
            }
        }
        assert!(seen > 50, "{seen}");

        // What a registrar is told first.
        let token = app.token("clients:write").await;
        for (bearer, body, expected) in [("", "{}", "401 invalid_client"), (token.as_str(), "{}", "400 invalid_client_metadata")] {
            let mut request = app.request("POST", "/oauth/register").header("content-type", "application/json").body(body);
            if !bearer.is_empty() {
                request = request.bearer_auth(bearer);
            }
            let reply = Reply::of(request.send().await.unwrap()).await;
            assert_eq!(format!("{} {}", reply.status, reply.json()["error"].as_str().unwrap()), expected);
            description.assert_fits("POST", "/oauth/register", &reply);
            let told = &description.0["paths"]["/oauth/register"]["post"]["responses"][reply.status.to_string()];
            let line = format!("`{}`: {}", reply.json()["error"].as_str().unwrap(), reply.json()["error_description"].as_str().unwrap());
            assert!(description.resolve(told)["description"].as_str().unwrap().contains(&line), "{line}");
        }
    }

    async fn h17_a_nonce_is_described_wherever_one_is_sent(app: TestApp) {
        let description = Description::of(&app).await;
        let key = Key::es256();
        let client = app.client(APP).await;
        let fits = |path: &str, reply: &Reply, expected: u16| {
            assert_eq!(reply.status, expected, "{reply:?}");
            assert_ne!(reply.header("dpop-nonce"), "", "{reply:?}");
            description.assert_fits("POST", path, reply);
        };
        let first = ask(&app, &client, &late(&app, &key, "/oauth/token", None, None)).await;
        fits("/oauth/token", &first, 400);
        let token = bound(&app, &client, &key).await;
        let asked = call(&app, "DPoP", &token, &[&late(&app, &key, CHECK, Some(&token), None)]).await;
        fits(CHECK, &asked, 401);

        // The next one comes before the last has ended, whatever the answer.
        app.advance(200);
        let nonce = Some(first.header("dpop-nonce"));
        let issued = ask(&app, &client, &late(&app, &key, "/oauth/token", None, nonce)).await;
        fits("/oauth/token", &issued, 200);
        let checked = call(&app, "DPoP", &token, &[&late(&app, &key, CHECK, Some(&token), nonce)]).await;
        fits(CHECK, &checked, 400);
        let request = app.request("POST", "/oauth/introspect").form(&[("token", &token)]);
        let request = request.header("Authorization", format!("DPoP {token}"));
        let proof = late(&app, &key, "/oauth/introspect", Some(&token), nonce);
        let told = Reply::of(request.header("DPoP", proof).send().await.unwrap()).await;
        assert_eq!(told.json()["active"], Value::Bool(true));
        fits("/oauth/introspect", &told, 200);
    }
}
