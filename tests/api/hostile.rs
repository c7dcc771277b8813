//! Hostile requests to every route of the description (bar F05, H05, H06, H07, O15, P05, P07): whatever comes, an answer as described,
//! never a failure of ours, and nothing of it repeated. A table of attacks, times a table of calls.

mod payloads;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value, json};
use unforget::domain::Scopes;

use crate::both;
use crate::description::{Described, Description, whole};
use crate::helpers::{Backend, OLD_PASSWORD, Reply, TestApp};
use payloads::{form_bodies, json_bodies, odd_headers, ordinary, texts, values};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// One call under attack: how to reach what is behind its first checks.
struct Aim {
    method: String,
    /// As it stands in the description.
    path: String,
    /// With examples in it.
    example: String,
    bearer: Option<String>,
    kinds: Vec<&'static str>,
    /// The names of the body's fields; those inside of an object have its name before a dot.
    fields: Vec<String>,
    /// A body with every field that has to be there.
    good: Value,
}

/// What was heard so far: how often each status.
struct Range<'a> {
    app: &'a TestApp,
    description: Description,
    heard: BTreeMap<u16, usize>,
    /// Where an answer was not as described.
    misfits: BTreeSet<String>,
}

impl Range<'_> {
    /// Sends a request and holds its answer to the description.
    async fn shoot(
        &mut self,
        aim: &Aim,
        path: &str,
        change: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
    ) {
        let mut request = self.app.request(&aim.method, path);
        if let Some(bearer) = &aim.bearer {
            request = request.bearer_auth(bearer);
        }
        let Ok(request) = change(request).build() else {
            return; // no client can write it; the raw sockets of http_wire can
        };
        let what = || {
            let body = request
                .body()
                .and_then(|body| body.as_bytes())
                .unwrap_or_default();
            format!(
                "{request:?}\n{}",
                body[..body.len().min(300)].escape_ascii()
            )
        };
        let what = what();
        let sent = reqwest::Client::execute(self.app.http(), request).await;
        let reply = Reply::of(sent.unwrap_or_else(|error| panic!("{error:?}: {what}"))).await;
        assert!(reply.status < 500, "{what}\n{reply:?}");
        // What was stored is given back.
        let repeated = reply.status >= 400 && reply.text.contains("canary");
        assert!(!repeated, "{what}\n{reply:?}");
        assert_eq!(
            reply.headers.get_all("x-request-id").iter().count(),
            1,
            "{what}\n{reply:?}"
        );
        // 404 without the route's own words, where a path has become another one.
        if aim.method != "HEAD" && path == aim.example {
            let fits = || self.description.assert_fits(&aim.method, &aim.path, &reply);
            if let Err(panic) = catch_unwind(AssertUnwindSafe(fits)) {
                let told = panic.downcast_ref::<String>().cloned();
                self.misfits.insert(told.unwrap_or_default());
            }
        }
        *self.heard.entry(reply.status).or_default() += 1;
    }

    async fn shoot_body(&mut self, aim: &Aim, kind: &str, body: Vec<u8>) {
        self.shoot(aim, &aim.example, |request| {
            request.header(CONTENT_TYPE, kind).body(body)
        })
        .await;
    }
}

/// Puts a value into a body: `a.b` is a field inside of an object.
fn put(body: &mut Value, field: &str, value: Value) {
    match field.split_once('.') {
        Some((outer, inner)) => body[outer][inner] = value,
        None => body[field] = value,
    }
}

/// A body as a form.
fn as_form(body: &Value) -> String {
    let encode = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let pairs = body.as_object().unwrap().iter();
    pairs
        .map(|(name, value)| format!("{}={}", encode(name), encode(&text(value))))
        .collect::<Vec<_>>()
        .join("&")
}

/// Every call of the description, with a caller that may make it.
async fn aims(app: &TestApp, description: &Description) -> Vec<Aim> {
    app.user("ann@example.com").await;
    let client = app.client(&Scopes::all().to_string()).await;
    let token = app.token_of(&client).await;
    let user = app
        .user_token(&token, "ann@example.com", OLD_PASSWORD)
        .await;
    let mine = app
        .post("/oauth/register", &token, json!({"client_name": "Quotes"}))
        .await
        .json();
    let mine = format!("/oauth/register/{}", mine["client_id"].as_str().unwrap());
    let aim = |call: Described<'_>| {
        let contents = description.resolve(&call.operation["requestBody"])["content"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        let kinds: Vec<_> = [JSON, FORM]
            .into_iter()
            .filter(|kind| contents.contains_key(*kind))
            .collect();
        let (mut fields, mut good) = (Vec::new(), json!({}));
        for kind in &kinds {
            describe(
                description,
                &contents[*kind]["schema"],
                "",
                &mut fields,
                &mut good,
            );
        }
        fields.sort();
        fields.dedup();
        let ways = call.operation["security"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let users_only = !ways.is_empty() && ways.iter().all(|way| way.get("user").is_some());
        // Where clients state their secret, they do it in the form, so that the header is free to be attacked.
        let by_secret = call.path == "/oauth/token";
        if by_secret {
            put(&mut good, "client_id", json!(client.id));
            put(&mut good, "client_secret", json!(client.secret));
        }
        Aim {
            example: if call.path == "/oauth/register/{client_id}" {
                mine.clone()
            } else {
                call.example()
            },
            path: call.path.to_owned(),
            method: call.method,
            bearer: (!by_secret).then(|| {
                if users_only {
                    user.clone()
                } else {
                    token.clone()
                }
            }),
            kinds,
            fields,
            good,
        }
    };
    // What deletes the client that is aimed at comes last.
    let mut aims: Vec<_> = description.calls().into_iter().map(aim).collect();
    aims.sort_by_key(|aim| aim.method == "DELETE");
    aims
}

/// Collects the fields of a schema, and a good body.
fn describe(
    description: &Description,
    schema: &Value,
    within: &str,
    fields: &mut Vec<String>,
    good: &mut Value,
) {
    for part in description.parts(schema) {
        let required: Vec<_> = part["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        for (name, schema) in part["properties"].as_object().unwrap_or(&Map::new()) {
            let field = format!("{within}{name}");
            if required.contains(&name.as_str()) {
                put(good, &field, ordinary(name));
            }
            let inner = description
                .parts(schema)
                .into_iter()
                .any(|part| part["properties"].is_object());
            if inner && within.is_empty() {
                put(good, &field, json!({}));
                describe(description, schema, &format!("{name}."), fields, good);
            }
            fields.push(field);
        }
    }
}

async fn range(app: &TestApp) -> (Range<'_>, Vec<Aim>) {
    let description = Description::of(app).await;
    let aims = aims(app, &description).await;
    assert!(aims.len() > 30, "{}", aims.len());
    (
        Range {
            app,
            description,
            heard: BTreeMap::new(),
            misfits: BTreeSet::new(),
        },
        aims,
    )
}

/// Asserts that what is behind the first checks was reached, and that the service is well.
async fn assert_well(range: &Range<'_>, wanted: &[u16]) {
    let misfits: Vec<_> = range.misfits.iter().take(20).collect();
    assert!(misfits.is_empty(), "{misfits:#?}");
    for status in wanted {
        assert!(
            range.heard.contains_key(status),
            "never {status}: {:?}",
            range.heard
        );
    }
    let ready = range
        .app
        .request("GET", "/health/ready")
        .send()
        .await
        .unwrap();
    assert_eq!(ready.status(), 200);
}

both! {
    async fn f05_o15_p05_p07_no_value_of_any_field_is_a_fault_of_ours(backend: Backend) {
        let app = whole(backend).await;
        let (mut range, aims) = range(&app).await;
        for aim in &aims {
            for field in &aim.fields {
                for value in texts().into_iter().map(Value::from).chain(values()) {
                    let mut body = aim.good.clone();
                    put(&mut body, field, value.clone());
                    // A form knows nothing but texts.
                    let form = aim.kinds.contains(&FORM) && value.is_string() && !field.contains('.');
                    if aim.kinds.contains(&JSON) {
                        range.shoot_body(aim, JSON, body.to_string().into_bytes()).await;
                    }
                    if form && !aim.kinds.contains(&JSON) {
                        range.shoot_body(aim, FORM, as_form(&body).into_bytes()).await;
                    }
                }
            }
        }
        assert_well(&range, &[200, 201, 400, 401, 422]).await;
    }

    async fn h05_h06_h07_no_body_of_any_call_is_a_fault_of_ours(backend: Backend) {
        let app = whole(backend).await;
        let (mut range, aims) = range(&app).await;
        for aim in &aims {
            for body in json_bodies(&aim.good.to_string()) {
                range.shoot_body(aim, JSON, body).await;
            }
            for body in form_bodies(&as_form(&aim.good)) {
                range.shoot_body(aim, FORM, body).await;
            }
            for kind in ["text/plain", "multipart/form-data; boundary=x", "application/xml", "application/json, application/json"] {
                range.shoot_body(aim, kind, b"canary".to_vec()).await;
            }
        }
        assert_well(&range, &[200, 400, 401, 413, 415]).await;
    }

    async fn h14_o20_no_header_of_any_call_is_a_fault_of_ours(backend: Backend) {
        let app = whole(backend).await;
        let (mut range, aims) = range(&app).await;
        for aim in &aims {
            for (name, value) in odd_headers() {
                let Ok(value) = HeaderValue::from_bytes(&value) else { panic!("{name}") };
                let body = aim.good.to_string();
                let kind = aim.kinds.first().copied().unwrap_or(JSON);
                let body = if kind == FORM { as_form(&aim.good) } else { body };
                range.shoot(aim, &aim.example, |request| {
                    let own = HeaderValue::from_static(kind);
                    let mut headers = reqwest::header::HeaderMap::from_iter([(CONTENT_TYPE, own)]);
                    headers.insert(name, value); // in the place of what is there
                    request.headers(headers).body(body)
                }).await;
            }
        }
        assert_well(&range, &[200, 400, 401, 415]).await;
    }

    async fn p05_no_path_and_no_query_is_a_fault_of_ours(backend: Backend) {
        let app = whole(backend).await;
        let (mut range, aims) = range(&app).await;
        let odd = ["%00", "%ff", "%c0%af", "%ed%a0%80", "%", "%zz", "%2e%2e", "%2F", "..;", "'%20OR%201=1--", "%7B%7B7*7%7D%7D", "00000000-0000-0000-0000-00000000000g", "-1", "%0d%0aX:%20canary"];
        let long = "canary".repeat(1000);
        for aim in &aims {
            for odd in odd.into_iter().chain([long.as_str()]) {
                let bare = aim.example.split('?').next().unwrap();
                let mut paths = vec![format!("{bare}?{odd}")];
                if aim.method == "GET" {
                    paths.push(format!("{bare}?email={odd}"));
                    paths.push(format!("{bare}?token={odd}&token={odd}"));
                    paths.push(format!("{bare}/{odd}"));
                }
                if let Some((before, after)) = aim.path.split_once('{') {
                    let after = after.split_once('}').unwrap().1;
                    paths.push(format!("{before}{odd}{after}"));
                }
                for path in paths {
                    range.shoot(aim, &path, |request| request.header(CONTENT_TYPE, JSON).body("{}")).await;
                }
            }
        }
        assert_well(&range, &[200, 400, 404]).await;
    }
}
