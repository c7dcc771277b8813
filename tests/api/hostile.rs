//! Hostile requests to every route of the description (bar F05, H05, H06, H07, O15, P05, P07): whatever comes, an answer as described,
//! never a failure of ours, and nothing of it repeated. A table of attacks, times a table of calls.

mod aims;
mod payloads;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use serde_json::Value;

use crate::both;
use crate::description::{Description, whole};
use crate::helpers::{Backend, Reply, TestApp, rounds};
use aims::{Aim, aims, as_form, put};
use payloads::{form_bodies, json_bodies, odd_headers, texts, values};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// What was heard so far: how often each status.
struct Range<'a> {
    app: &'a TestApp,
    description: Description,
    heard: BTreeMap<u16, usize>,
    /// How many attacks were chosen so far.
    turn: usize,
    /// Where an answer was not as described.
    misfits: BTreeSet<String>,
}

impl Range<'_> {
    /// Some of the attacks, others each time, so that all of them are fired at something; every one when `TEST_ROUNDS` is large.
    fn some<T>(&mut self, mut all: Vec<T>, usual: usize) -> Vec<T> {
        let count = rounds(usual).min(all.len());
        let from = self.turn % all.len();
        all.rotate_left(from);
        all.truncate(count);
        self.turn += count;
        all
    }

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

async fn range(app: &TestApp) -> (Range<'_>, Vec<Aim>) {
    let description = Description::of(app).await;
    let aims = aims(app, &description).await;
    assert!(aims.len() > 30, "{}", aims.len());
    (
        Range {
            app,
            description,
            heard: BTreeMap::new(),
            turn: 0,
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
                let all = texts().into_iter().map(Value::from).chain(values()).collect();
                for value in range.some(all, 8) {
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
            for body in range.some(json_bodies(&aim.good.to_string()), 10) {
                range.shoot_body(aim, JSON, body).await;
            }
            for body in range.some(form_bodies(&as_form(&aim.good)), 6) {
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
            for (name, value) in range.some(odd_headers(), 10) {
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
            let all = odd.into_iter().chain([long.as_str()]).collect();
            for odd in range.some(all, 5) {
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
