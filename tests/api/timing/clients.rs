//! Whether the time of a refusal tells if there is such a client (bar O09), however it says who it is: unknown, switched off, or known
//! and without the right secret or key; with one key or with as many as a client can have.

use serde_json::json;
use unforget::flows::By;

use super::rig::{Arm, compare, form};
use super::{Effort, Findings, confirm};
use crate::assertion::{TYPE, claims, signer};
use crate::helpers::{APP, Backend, TestApp, TestClient};
use crate::keys::Key;

const UNKNOWN: &str = "uf_cl_0000000000000000000000";
/// The most keys that a client can have.
const MOST_KEYS: usize = 20;
const TOKEN: &str = "/oauth/token";
const GRANT: (&str, &str) = ("grant_type", "client_credentials");

fn counts(effort: Effort) -> (usize, usize) {
    effort.counts((200, 2000), (5, 60))
}

/// Three times the secret of somebody else.
async fn pretenders(app: &TestApp) -> [(&'static str, TestClient); 3] {
    let (known, disabled) = (app.client(APP).await, app.client(APP).await);
    let other = app.client(APP).await.secret;
    let off = app
        .flows
        .disable_client(By::Operator, disabled.client_id(), true);
    assert!(off.await.unwrap());
    let with = |id: String, secret: String| TestClient { id, secret };
    [
        ("wrong secret", with(known.id, other.clone())),
        ("unknown", with(UNKNOWN.to_owned(), other)),
        ("disabled", disabled),
    ]
}

async fn by_basic(backend: Backend, effort: Effort) -> Findings {
    let (app, counts) = (TestApp::start(backend).await, counts(effort));
    let arms = pretenders(&app).await.map(|(name, client)| {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let basic = STANDARD.encode(format!("{}:{}", client.id, client.secret));
        let ask = form(TOKEN, &format!("Basic {basic}"), &[GRANT]);
        Arm::same(name, "invalid_client", ask, counts)
    });
    compare(&app, arms.into(), counts).await
}

async fn by_form(backend: Backend, effort: Effort) -> Findings {
    let (app, counts) = (TestApp::start(backend).await, counts(effort));
    let arms = pretenders(&app).await.map(|(name, client)| {
        let login = [
            GRANT,
            ("client_id", &client.id),
            ("client_secret", &client.secret),
        ];
        Arm::same(name, "invalid_client", form(TOKEN, "", &login), counts)
    });
    compare(&app, arms.into(), counts).await
}

/// Assertions that a key of nobody has signed, with and without the name of a key.
async fn by_assertion(backend: Backend, effort: Effort) -> Findings {
    let (app, counts) = (TestApp::start(backend).await, counts(effort));
    let own = Key::es256();
    let one = signer(&app, &own.set("a")).await;
    let off = signer(&app, &own.set("a")).await;
    let switched = app
        .flows
        .disable_client(By::Operator, off.client_id(), true);
    assert!(switched.await.unwrap());
    let keys: Vec<_> = (0..MOST_KEYS).map(|_| Key::es256().jwk()).collect();
    let many = signer(&app, &json!({"keys": keys}).to_string()).await;

    let nobodys = Key::es256();
    let arm = |name: &str, id: &str, kid: Option<&str>, key: &Key| {
        let mut claims = claims(&app, id);
        claims["exp"] = json!(app.clock.now().timestamp() + 290);
        let mut header = json!({"alg": "ES256"});
        if let Some(kid) = kid {
            header["kid"] = json!(kid);
        }
        let message = key.message(&header.to_string(), &claims.to_string());
        let fields = [
            GRANT,
            ("client_assertion_type", TYPE),
            ("client_assertion", &message),
        ];
        Arm::same(name, "invalid_client", form(TOKEN, "", &fields), counts)
    };
    let named = vec![
        arm("named key, wrong", &one.id, Some("a"), &nobodys),
        arm("named key, unknown client", UNKNOWN, Some("a"), &nobodys),
        arm("named key, disabled client", &off.id, Some("a"), &own),
    ];
    let unnamed = vec![
        arm("no name, one key, wrong", &one.id, None, &nobodys),
        arm("no name, many keys, wrong", &many.id, None, &nobodys),
        arm("no name, unknown client", UNKNOWN, None, &nobodys),
    ];
    let mut findings = compare(&app, named, counts).await;
    findings.extend(compare(&app, unnamed, counts).await);
    findings
}

measured! {
    o09_basic_takes_the_same_time_for_unknown_and_disabled_clients_as_for_a_wrong_secret =
        |backend, effort| by_basic(backend, effort);
    o09_so_does_a_secret_in_the_form = |backend, effort| by_form(backend, effort);
    o09_so_does_an_assertion_with_a_wrong_key_however_many_there_are =
        |backend, effort| by_assertion(backend, effort);
}

glanced! {
    o09_basic_takes_the_same_time_for_unknown_and_disabled_clients_as_for_a_wrong_secret
    o09_so_does_an_assertion_with_a_wrong_key_however_many_there_are
}
