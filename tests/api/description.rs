//! The service's own description, as a test reads it: the calls that stand in it, and whether an answer is as it says.

use serde_json::Value;
use unforget::domain::ClientId;

use crate::helpers::{Backend, Reply, TestApp};

/// A service with every route that a configuration can switch on.
pub(crate) async fn whole(backend: Backend) -> TestApp {
    TestApp::start_with(backend, |settings| {
        settings.page_client = Some(ClientId::new("uf_cl_x"))
    })
    .await
}

/// `GET /openapi.json`.
pub(crate) struct Description(pub(crate) Value);

/// One method of one path.
pub(crate) struct Described<'a> {
    pub(crate) path: &'a str,
    pub(crate) method: String,
    pub(crate) operation: &'a Value,
}

impl Description {
    pub(crate) async fn of(app: &TestApp) -> Self {
        let reply = Reply::of(app.request("GET", "/openapi.json").send().await.unwrap()).await;
        assert_eq!(reply.status, 200);
        Self(reply.json())
    }

    /// Every call, in the order of the paths.
    pub(crate) fn calls(&self) -> Vec<Described<'_>> {
        let mut calls = Vec::new();
        for (path, item) in self.0["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let method = method.to_uppercase();
                calls.push(Described {
                    path,
                    method,
                    operation,
                });
            }
        }
        calls
    }

    /// Every path, with an example for each parameter in it and every query that it needs.
    pub(crate) fn paths(&self) -> Vec<(&str, String)> {
        let mut paths: Vec<(&str, String)> = Vec::new();
        for call in self.calls() {
            if paths.last().is_none_or(|(last, _)| *last != call.path) {
                paths.push((call.path, call.example()));
            }
        }
        paths
    }

    /// Follows a reference, if it is one.
    pub(crate) fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(at) => self
                .0
                .pointer(at.trim_start_matches('#'))
                .unwrap_or_else(|| panic!("{at} leads nowhere")),
            None => value,
        }
    }

    /// Asserts that an answer is one that the call is described to give: its status, its headers and its body.
    pub(crate) fn assert_fits(&self, method: &str, path: &str, reply: &Reply) {
        let operation = &self.0["paths"][path][method.to_lowercase()];
        let told = &operation["responses"][reply.status.to_string()];
        let brief = format!("{method} {path}: {} {:.300}", reply.status, reply.text);
        assert!(!told.is_null(), "not described: {brief}");
        let told = self.resolve(told);
        for (name, header) in told["headers"].as_object().unwrap() {
            let required = self.resolve(header)["required"] == true;
            assert!(
                !required || reply.headers.contains_key(name),
                "no {name}: {brief}"
            );
        }
        for name in self.0["components"]["headers"].as_object().unwrap().keys() {
            let sent = reply.headers.contains_key(name);
            assert!(
                !sent || !told["headers"][name].is_null(),
                "{name} is not described: {brief}"
            );
        }
        let schema = &told["content"]["application/json"]["schema"];
        if schema.is_null() {
            assert!(
                told["content"].is_object() || reply.text.is_empty(),
                "{brief}"
            );
        } else {
            let problems = self.problems(schema, &reply.json(), "body");
            assert!(problems.is_empty(), "{problems:?}: {brief}");
        }
    }

    /// Where a value does not fit a schema. Knows the words of JSON Schema that our schemas use, and that other fields than the
    /// described ones are a mistake here.
    fn problems(&self, schema: &Value, value: &Value, at: &str) -> Vec<String> {
        let parts = self.parts(schema);
        let mut problems = Vec::new();
        for part in &parts {
            let types: Vec<&str> = match &part["type"] {
                Value::String(one) => vec![one],
                many => many
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect(),
            };
            if !types.is_empty() && !types.contains(&type_of(value)) {
                problems.push(format!("{at} is no {types:?}"));
            }
            if part["enum"]
                .as_array()
                .is_some_and(|values| !values.contains(value))
            {
                problems.push(format!("{at} is none of {}", part["enum"]));
            }
            for name in part["required"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
            {
                if value.get(name).is_none() {
                    problems.push(format!("{at} has no {name}"));
                }
            }
            for item in value.as_array().into_iter().flatten() {
                problems.extend(self.problems(&part["items"], item, at));
            }
        }
        let property = |name: &str| {
            parts
                .iter()
                .map(|part| &part["properties"][name])
                .filter(|p| !p.is_null())
                .collect::<Vec<_>>()
        };
        let closed = parts.iter().any(|part| part["properties"].is_object());
        for (name, value) in value.as_object().into_iter().flatten().filter(|_| closed) {
            let at = format!("{at}.{name}");
            if property(name).is_empty() {
                problems.push(format!("{at} is not described"));
            }
            problems.extend(
                property(name)
                    .iter()
                    .flat_map(|schema| self.problems(schema, value, &at)),
            );
        }
        problems
    }

    /// A schema, or all that it is made of.
    pub(crate) fn parts<'a>(&'a self, schema: &'a Value) -> Vec<&'a Value> {
        let schema = self.resolve(schema);
        match schema["allOf"].as_array() {
            Some(parts) => parts.iter().flat_map(|part| self.parts(part)).collect(),
            None => vec![schema],
        }
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

impl Described<'_> {
    /// The path with its examples.
    pub(crate) fn example(&self) -> String {
        let mut path = self.path.to_owned();
        for parameter in self.operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let (name, example) = (parameter["name"].as_str(), parameter["example"].as_str());
            match (parameter["in"].as_str(), name.zip(example)) {
                (Some("path"), Some((name, example))) => {
                    path = path.replace(&format!("{{{name}}}"), example)
                }
                (Some("query"), Some((name, example))) => path = format!("{path}?{name}={example}"),
                _ => {}
            }
        }
        path
    }
}
