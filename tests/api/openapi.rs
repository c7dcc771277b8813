//! The description of the API is true (bar H17): no route without a description, no description without a route, and the answers
//! are as it says. `scripts/check-api` asks far more of it; this is what must hold at every build.

use std::collections::HashSet;

use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use unforget::domain::Scopes;

use crate::both;
use crate::description::{Description, whole};
use crate::helpers::{APP, Backend, OLD_PASSWORD, Reply, TestApp};

async fn get(app: &TestApp, path: &str) -> Reply {
    Reply::of(app.request("GET", path).send().await.unwrap()).await
}

/// Every reference in the document.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    if value.get("$ref").is_some() {
        found.push(value);
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Object(object) => object.values().for_each(|item| references(item, found)),
        _ => {}
    }
}

both! {
    async fn h17_the_document_is_openapi_3_1_and_speaks_of_this_service(backend: Backend) {
        let app = whole(backend).await;
        let Description(document) = Description::of(&app).await;
        assert_eq!(document["openapi"], "3.1.0");
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(document["servers"], json!([{"url": "https://unforget.example"}]));
        let flow = &document["components"]["securitySchemes"]["application"]["flows"]["clientCredentials"];
        assert_eq!(flow["tokenUrl"], "https://unforget.example/oauth/token");
        let named: Scopes = flow["scopes"].as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>().join(" ").parse().unwrap();
        assert_eq!(named, Scopes::all());
        assert!(flow["scopes"].as_object().unwrap().values().all(|about| !about.as_str().unwrap().is_empty()));
    }

    async fn h17_each_route_is_described_and_each_description_has_its_route(backend: Backend) {
        let app = whole(backend).await;
        let description = Description::of(&app).await;
        let (mut ids, tags) = (HashSet::new(), description.0["tags"].as_array().unwrap());
        for call in description.calls() {
            let what = format!("{} {}", call.method, call.path);
            for word in ["summary", "operationId"] {
                assert!(call.operation[word].as_str().is_some_and(|text| !text.is_empty()), "{what} is in the routing table and has no {word}");
            }
            assert!(ids.insert(call.operation["operationId"].clone()), "{what}");
            for tag in call.operation["tags"].as_array().unwrap() {
                assert!(tags.iter().any(|known| known["name"] == *tag), "{what}: {tag}");
            }
            let responses = call.operation["responses"].as_object().unwrap();
            assert!(responses.keys().any(|status| status.starts_with('2')), "{what}");
            assert!(responses.values().all(|told| !description.resolve(told)["description"].as_str().unwrap().is_empty()), "{what}");

            // Without credentials, or of nobody: it is refused, but it is there.
            let reply = Reply::of(app.request(&call.method, &call.example()).send().await.unwrap()).await;
            assert!(![404, 405].contains(&reply.status), "{what}: {reply:?}");
            description.assert_fits(&call.method, call.path, &reply);
        }
        let mut found = Vec::new();
        references(&description.0, &mut found);
        assert!(found.iter().all(|reference| !description.resolve(reference).is_null()));
    }

    async fn h17_what_is_refused_before_the_body_is_as_described_for_every_call(backend: Backend) {
        let app = whole(backend).await;
        let description = Description::of(&app).await;
        let (foreign, unscoped, all) = (
            "uf_at_x".to_owned(),
            app.token("tokens:introspect").await,
            app.token(&Scopes::all().to_string()).await,
        );
        let guarded = description.calls().into_iter().filter(|call| !call.operation["security"].as_array().unwrap().is_empty());
        for call in guarded {
            for token in ["", &foreign, &unscoped, &all] {
                for (content_type, body) in [("text/plain", "x".to_owned()), ("application/json", "{".to_owned()), ("application/json", "x".repeat(17_000))] {
                    let request = app.request(&call.method, &call.example()).header("authorization", format!("Bearer {token}"));
                    let reply = Reply::of(request.header(CONTENT_TYPE, content_type).body(body).send().await.unwrap()).await;
                    description.assert_fits(&call.method, call.path, &reply);
                }
            }
        }
    }
}

both! {
    async fn h17_what_the_calls_of_the_journey_answer_is_as_described(app: TestApp) {
        let description = Description::of(&app).await;
        let client = app.client(APP).await;
        let issued = app.token_request(&client, &[("grant_type", "client_credentials")]).await;
        description.assert_fits("POST", "/oauth/token", &issued);
        app.user("ann@example.com").await;
        let token = app.token_of(&client).await;

        let email = json!({"email": "ann@example.com"});
        let reminded = app.post("/v1/password/remind", &token, email).await;
        let link = app.mails(1).await[0].parse().token();
        let checked = app.check(&token, &link).await;
        let visited = app.post("/reset/check", "", json!({"token": link})).await;
        assert_eq!(visited.said(), "200 token_valid");
        description.assert_fits("POST", "/reset/check", &visited);
        let short = app.reset(&token, "ann@example.com", &link, "x").await;
        let reset = app.reset(&token, "ann@example.com", &link, "a new secret").await;
        let used = app.reset(&token, "ann@example.com", &link, "a new secret").await;
        for (path, reply, expected) in [
            ("remind", reminded, "200 reminder_sent"),
            ("check", checked, "200 token_valid"),
            ("reset", short, "400 wrong_password"),
            ("reset", reset, "200 password_reset"),
            ("reset", used, "400 wrong_token"),
        ] {
            assert_eq!(reply.said(), expected);
            description.assert_fits("POST", &format!("/v1/password/{path}"), &reply);
        }
    }

    async fn h17_what_calls_for_users_answer_is_as_described(app: TestApp) {
        let description = Description::of(&app).await;
        let id = app.user("ann@example.com").await;
        let token = app.token(&Scopes::all().to_string()).await;
        let one = format!("/v1/users/{id}");
        let person = json!({"email": "ann@example.com", "password": OLD_PASSWORD});
        let changed = json!({"email": "ann@example.com", "old_password": OLD_PASSWORD, "password": "a new secret"});
        let new = json!({"email": "bob@example.com", "locale": "fr", "profile": {"role": {"level": 1}}});
        for (method, path, called, body, status) in [
            ("POST", "/v1/password/verify", "/v1/password/verify", person.clone(), 200),
            ("POST", "/v1/sessions", "/v1/sessions", person.clone(), 201),
            ("PUT", "/v1/password", "/v1/password", changed.clone(), 200),
            ("PUT", "/v1/password", "/v1/password", changed, 400),
            ("POST", "/v1/users", "/v1/users", new.clone(), 201),
            ("POST", "/v1/users", "/v1/users", new, 409),
            ("GET", "/v1/users", "/v1/users?email=bob@example.com", json!({}), 200),
            ("GET", "/v1/users", "/v1/users?email=eve@example.com", json!({}), 404),
            ("GET", "/v1/users/{id}", &one, json!({}), 200),
            ("PATCH", "/v1/users/{id}", &one, json!({"disabled": true, "locale": null}), 200),
            ("PUT", "/v1/users/{id}/password", &format!("{one}/password"), json!({"password": "another secret"}), 200),
            ("POST", "/v1/users/{user_id}/reset-password", &format!("{one}/reset-password"), json!({"new_password": "a third secret"}), 204),
            ("DELETE", "/v1/users/{id}", &one, json!({}), 200),
            ("DELETE", "/v1/users/{id}", &one, json!({}), 404),
        ] {
            let reply = Reply::of(app.request(method, called).bearer_auth(&token).json(&body).send().await.unwrap()).await;
            assert_eq!(reply.status, status, "{method} {called}: {reply:?}");
            description.assert_fits(method, path, &reply);
        }
    }

    async fn f18_a_check_is_described_to_tell_nothing_of_the_user(app: TestApp) {
        let description = Description::of(&app).await;
        let told = &description.0["paths"]["/v1/password/check"]["post"]["responses"]["200"]["content"]["application/json"]["schema"];
        assert_eq!(told["additionalProperties"], false);
        let names: Vec<_> = told["properties"].as_object().unwrap().keys().collect();
        assert_eq!(names, ["expires_at", "status", "success"]);
    }

    async fn the_page_for_people_is_made_of_our_own_files_alone(app: TestApp) {
        let page = get(&app, "/docs").await;
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        let hosts = policy.split([' ', ';']).filter(|word| word.contains("//") || word.contains('*') || *word == "'unsafe-eval'");
        assert_eq!(hosts.count(), 0, "{policy}");

        let mut files = 0;
        for part in page.text.split(['"']).filter(|part| part.starts_with("docs/") || part.contains("//")) {
            let file = get(&app, &format!("/{part}")).await;
            assert_eq!(file.status, 200, "{part}");
            assert_eq!(file.header("x-content-type-options"), "nosniff");
            let kind = if part.ends_with(".css") { "text/css" } else { "text/javascript" };
            assert_eq!(file.header("content-type"), format!("{kind}; charset=utf-8"), "{part}");
            files += 1;
        }
        assert_eq!(files, 3);
        assert!(get(&app, "/docs/start.js").await.text.contains("openapi.json"));
        for path in ["/docs/", "/docs/index.html", "/docs/swagger-initializer.js", "/docs/..%2Fstart.js", "/docs/start.js/x"] {
            assert_eq!(get(&app, path).await.said(), "404 not_found", "{path}");
        }
    }
}
