//! What is fired at: every call of the description, its fields, a body that is right, and a caller that may make it.

use serde_json::{Map, Value, json};
use unforget::domain::Scopes;

use super::payloads::ordinary;
use super::{FORM, JSON};
use crate::description::{Described, Description};
use crate::helpers::{OLD_PASSWORD, TestApp};

/// One call under attack: how to reach what is behind its first checks.
pub(super) struct Aim {
    pub(super) method: String,
    /// As it stands in the description.
    pub(super) path: String,
    /// With examples in it.
    pub(super) example: String,
    pub(super) bearer: Option<String>,
    pub(super) kinds: Vec<&'static str>,
    /// The names of the body's fields; those inside of an object have its name before a dot.
    pub(super) fields: Vec<String>,
    /// A body with every field that has to be there.
    pub(super) good: Value,
}

/// Puts a value into a body: `a.b` is a field inside of an object.
pub(super) fn put(body: &mut Value, field: &str, value: Value) {
    match field.split_once('.') {
        Some((outer, inner)) => body[outer][inner] = value,
        None => body[field] = value,
    }
}

/// A body as a form.
pub(super) fn as_form(body: &Value) -> String {
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
pub(super) async fn aims(app: &TestApp, description: &Description) -> Vec<Aim> {
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
