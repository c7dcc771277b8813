//! Registration over HTTP (RFC 7591, bar X11). What comes after is in `registration`.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use unforget::domain::audit::Act;
use unforget::domain::{PlainToken, RegistrationToken};
use unforget::entropy;
use unforget::flows::By;

use crate::both;
use crate::clients::{holds, stored};
use crate::helpers::{APP, Backend, Reply, TestApp, TestClient};

pub(crate) const PATH: &str = "/oauth/register";
pub(crate) const ADMIN: &str = "clients:write password:remind password:reset";

/// Sends JSON to a path of this service.
pub(crate) async fn send(
    app: &TestApp,
    method: &str,
    path: &str,
    token: &str,
    body: &Value,
) -> Reply {
    let request = app.request(method, path).bearer_auth(token);
    let request = if body.is_null() {
        request
    } else {
        request.json(body)
    };
    Reply::of(request.send().await.unwrap()).await
}

/// Registers a client with these scopes on behalf of this token; it must work.
pub(crate) async fn registered(app: &TestApp, token: &str, metadata: Value) -> Value {
    let reply = send(app, "POST", PATH, token, &metadata).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.json()
}

pub(crate) fn client_of(registered: &Value) -> TestClient {
    let text = |key: &str| registered[key].as_str().unwrap_or_default().to_owned();
    TestClient {
        id: text("client_id"),
        secret: text("client_secret"),
    }
}

/// Path and token of a registration.
pub(crate) fn management(registered: &Value) -> (String, String) {
    let uri = registered["registration_client_uri"].as_str().unwrap();
    let path = uri
        .strip_prefix("https://unforget.example")
        .unwrap()
        .to_owned();
    (
        path,
        registered["registration_access_token"]
            .as_str()
            .unwrap()
            .to_owned(),
    )
}

both! {
    async fn x11_a_registered_client_works_at_once(app: TestApp) {
        let admin = app.token(ADMIN).await;
        let metadata = json!({
            "client_name": "Teen Quotes", "scope": "password:reset password:remind", "grant_types": ["client_credentials"],
            "response_types": [], "token_endpoint_auth_method": "client_secret_post", "redirect_uris": ["https://ignored.example"],
            "reset_url": "https://quotes.example/reset?token={token}", "locale": "fr", "token_lifetime": 600, "logo_uri": "x",
        });
        let reply = send(&app, "POST", PATH, &admin, &metadata).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        assert_eq!((reply.header("cache-control"), reply.header("pragma")), ("no-store", "no-cache"));
        let mut told = reply.json();
        assert_eq!(reply.header("location"), format!("/oauth/register/{}", told["client_id"].as_str().unwrap()));
        let client = client_of(&told);
        let issued = app.token_request(&client, &[("grant_type", "client_credentials")]).await.json();
        assert_eq!((&issued["expires_in"], &issued["scope"]), (&json!(600), &json!("password:remind password:reset")));
        let (path, _) = management(&told);
        assert_eq!(path, format!("/oauth/register/{}", client.id));
        for own in ["client_id", "client_secret", "registration_access_token", "registration_client_uri", "client_id_issued_at"] {
            assert!(!told.as_object_mut().unwrap().remove(own).unwrap().is_null(), "{own}");
        }
        assert_eq!(told, json!({
            "client_secret_expires_at": 0, "client_name": "Teen Quotes", "scope": "password:remind password:reset",
            "grant_types": ["client_credentials"], "response_types": [], "token_endpoint_auth_method": "client_secret_post",
            "dpop_bound_access_tokens": false, "reset_url": "https://quotes.example/reset?token={token}", "locale": "fr",
            "token_lifetime": 600,
        }));
    }

    async fn x11_nobody_registers_a_scope_that_the_registrar_does_not_hold(app: TestApp) {
        let admin = app.token(ADMIN).await;
        for scope in ["users:resetPassword", "password:remind users:read", "tokens:introspect", "no:such", "password:remind\"", "Password:remind"] {
            let refused = send(&app, "POST", PATH, &admin, &json!({"client_name": "Eve", "scope": scope})).await;
            assert_eq!(refused.said(), "400 invalid_client_metadata", "{scope}");
            assert_eq!(refused.header("cache-control"), "no-store");
        }
        // The registrar's token counts, not its registration: a token for less registers for less.
        let rich = app.client("clients:write users:read password:remind").await;
        let asked = [("grant_type", "client_credentials"), ("scope", "clients:write password:remind")];
        let less = app.token_request(&rich, &asked).await.json()["access_token"].as_str().unwrap().to_owned();
        let refused = send(&app, "POST", PATH, &less, &json!({"client_name": "Eve", "scope": "users:read"})).await;
        assert_eq!(refused.said(), "400 invalid_client_metadata");
        // What is not stated is what an ordinary app needs, as far as the registrar holds it.
        assert_eq!(registered(&app, &less, json!({"client_name": "Bob"})).await["scope"], "password:remind");
        let only = app.token("clients:write").await;
        assert_eq!(send(&app, "POST", PATH, &only, &json!({"client_name": "Bob"})).await.said(), "400 invalid_client_metadata");
        assert_eq!(registered(&app, &only, json!({"client_name": "Bob", "scope": "clients:write"})).await["scope"], "clients:write");
    }

    async fn x11_registration_needs_the_scope(app: TestApp) {
        let body = json!({"client_name": "Eve"});
        let nobody = Reply::of(app.request("POST", PATH).json(&body).send().await.unwrap()).await;
        assert_eq!((nobody.status, nobody.header("www-authenticate")), (401, "Bearer realm=\"unforget\""));
        let ordinary = app.token(APP).await;
        let refused = send(&app, "POST", PATH, &ordinary, &body).await;
        assert_eq!(refused.said(), "403 insufficient_scope");
        assert!(refused.header("www-authenticate").ends_with("scope=\"clients:write\""));
        assert_eq!(send(&app, "POST", PATH, "uf_at_x", &body).await.said(), "401 invalid_token");
    }

    async fn x11_metadata_that_cannot_be_is_named(app: TestApp) {
        let admin = app.token(ADMIN).await;
        for (metadata, field) in [
            (json!({}), "client_name"),
            (json!({"client_name": ""}), "client_name"),
            (json!({"client_name": 7}), "client_name"),
            (json!({"client_name": "a\nb"}), "client_name"),
            (json!({"client_name": "bank \u{202e}gnp"}), "client_name"),
            (json!({"client_name": "\u{200b}"}), "client_name"),
            (json!({"client_name": "verify at https://evil.example"}), "client_name"),
            (json!({"client_name": "A", "grant_types": ["authorization_code"]}), "grant_types"),
            (json!({"client_name": "A", "grant_types": "client_credentials"}), "grant_types"),
            (json!({"client_name": "A", "response_types": ["code"]}), "response_types"),
            (json!({"client_name": "A", "token_endpoint_auth_method": "none"}), "token_endpoint_auth_method"),
            (json!({"client_name": "A", "token_endpoint_auth_method": "private_key_jwt"}), "jwks"),
            (json!({"client_name": "A", "jwks": {"keys": []}}), "jwks"),
            (json!({"client_name": "A", "jwks": {"keys": [{"kty": "oct", "k": "AAAA"}]}}), "jwks"),
            (json!({"client_name": "A", "jwks_uri": "https://a.example/jwks"}), "jwks_uri"),
            (json!({"client_name": "A", "reset_url": "http://a.example/{token}"}), "reset_url"),
            (json!({"client_name": "A", "reset_url": "https://a.example/"}), "reset_url"),
            (json!({"client_name": "A", "locale": "not a tag"}), "locale"),
            (json!({"client_name": "A", "token_lifetime": 0}), "token_lifetime"),
            (json!({"client_name": "A", "token_lifetime": 1e9}), "token_lifetime"),
            (json!({"client_name": "A", "token_lifetime": "1h"}), "token_lifetime"),
            (json!({"client_name": "A", "dpop_bound_access_tokens": "true"}), "dpop_bound_access_tokens"),
            (json!({"client_name": "A", "client_id": "mine"}), "client_id"),
            (json!({"client_name": "A", "client_secret": "mine"}), "client_secret"),
        ] {
            let refused = send(&app, "POST", PATH, &admin, &metadata).await;
            assert_eq!(refused.said(), "400 invalid_client_metadata", "{metadata}");
            let told = refused.json()["error_description"].as_str().unwrap().to_owned();
            assert!(told.starts_with(&format!("{field} ")), "{metadata}: {told}");
        }
        for (body, said) in [("{", "400 invalid_request"), ("[]", "400 invalid_request"), ("{\"client_name\":\"A\",\"client_name\":\"B\"}", "400 invalid_client_metadata"), ("{\"x\":1,\"x\":2,\"client_name\":\"A\"}", "400 invalid_request")] {
            let request = app.request("POST", PATH).bearer_auth(&admin).header("content-type", "application/json").body(body);
            assert_eq!(Reply::of(request.send().await.unwrap()).await.said(), said, "{body}");
        }
        let form = app.post_form(PATH, &admin, &[("client_name", "A")]).await;
        assert_eq!(form.said(), "415 invalid_request");
    }

    async fn x11_refused_registrations_and_changes_stand_in_the_audit(app: TestApp) {
        let admin = app.client(ADMIN).await;
        let access = app.token_of(&admin).await;
        let made = registered(&app, &access, json!({"client_name": "A"})).await;
        let (client, (path, token)) = (client_of(&made), management(&made));
        let too_much = json!({"client_id": client.id, "client_name": "A", "scope": "users:write"});
        send(&app, "POST", PATH, &access, &json!({"client_name": "A", "scope": "users:write"})).await;
        send(&app, "PUT", &path, &token, &too_much).await;
        let stranger = PlainToken::<RegistrationToken>::from_random(entropy::bytes());
        for method in ["PUT", "DELETE"] {
            send(&app, method, &path, stranger.expose(), &too_much).await;
        }
        let (own, by) = (Some(client.client_id()), Some(admin.client_id()));
        let rows = app.audit().await.into_iter().filter(|entry| entry.refusal.is_some());
        let rows: Vec<_> = rows.map(|entry| (entry.act, entry.refusal.unwrap(), entry.client_id, entry.subject_client)).collect();
        assert_eq!(rows, [
            (Act::ClientAdd, "invalid_scope".to_owned(), by, None),
            (Act::ClientChange, "invalid_scope".to_owned(), own.clone(), own.clone()),
            (Act::ClientChange, "invalid_token".to_owned(), None, own.clone()),
            (Act::ClientDelete, "invalid_token".to_owned(), None, own),
        ]);
    }

    async fn o19_who_is_switched_off_while_sending_a_request_does_not_act_any_more(app: TestApp) {
        for how in ["disable", "revoke", "narrow"] {
            let admin = app.client(ADMIN).await;
            let token = app.token_of(&admin).await;
            let body = json!({"client_name": "Late", "scope": "password:remind"}).to_string();
            let head = format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
                                Content-Length: {}\r\nConnection: close\r\n\r\n{}", body.len(), &body[..4]);
            let mut connection = tokio::net::TcpStream::connect(app.base.strip_prefix("http://").unwrap()).await.unwrap();
            connection.write_all(head.as_bytes()).await.unwrap();
            // It has been let in by now.
            tokio::time::sleep(Duration::from_millis(400)).await;
            match how {
                "disable" => assert!(app.flows.disable_client(By::Operator, admin.client_id(), true).await.unwrap()),
                "narrow" => app.narrow(&admin, "clients:write").await,
                _ => {
                    let request = app.request("POST", "/oauth/revoke").basic_auth(&admin.id, Some(&admin.secret));
                    assert_eq!(Reply::of(request.form(&[("token", &token)]).send().await.unwrap()).await.status, 200);
                }
            }
            connection.write_all(&body.as_bytes()[4..]).await.unwrap();
            let mut answer = String::new();
            connection.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 401 "), "{how}: {answer}");
        }
        assert!(app.flows.list_clients().await.unwrap().iter().all(|client| client.name.as_str() != "Late"));
    }

    async fn x11_nothing_secret_of_a_registration_is_stored(app: TestApp) {
        let admin = app.token(ADMIN).await;
        let made = registered(&app, &admin, json!({"client_name": "A"})).await;
        let secrets = [client_of(&made).secret, management(&made).1];
        let stored = stored(&app).await;
        for secret in secrets {
            assert!(!holds(&stored, secret.as_bytes()), "{secret}");
        }
        assert!(holds(&stored, client_of(&made).id.as_bytes()));
    }
}
