//! Registration over HTTP (RFC 7591, RFC 7592, bar X11).

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use unforget::domain::audit::Act;
use unforget::domain::{AuthMethod, ClientId, JwkSet, PlainToken, RegistrationToken};
use unforget::entropy;
use unforget::flows::By;
use unforget::flows::clients::{ClientChange, NewClient};

use crate::both;
use crate::clients::{holds, stored};
use crate::helpers::{APP, Backend, Reply, TestApp, TestClient};

const PATH: &str = "/oauth/register";
const ADMIN: &str = "clients:write password:remind password:reset";

/// Sends JSON to a path of this service.
async fn send(app: &TestApp, method: &str, path: &str, token: &str, body: &Value) -> Reply {
    let request = app.request(method, path).bearer_auth(token);
    let request = if body.is_null() {
        request
    } else {
        request.json(body)
    };
    Reply::of(request.send().await.unwrap()).await
}

/// Registers a client with these scopes on behalf of this token; it must work.
async fn registered(app: &TestApp, token: &str, metadata: Value) -> Value {
    let reply = send(app, "POST", PATH, token, &metadata).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.json()
}

fn client_of(registered: &Value) -> TestClient {
    let text = |key: &str| registered[key].as_str().unwrap_or_default().to_owned();
    TestClient {
        id: text("client_id"),
        secret: text("client_secret"),
    }
}

/// Path and token of a registration.
fn management(registered: &Value) -> (String, String) {
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

    async fn x11_a_registration_is_read_replaced_and_ended_by_its_own_token(app: TestApp) {
        let admin = app.token(ADMIN).await;
        let made = registered(&app, &admin, json!({"client_name": "A", "scope": "password:remind password:reset", "locale": "fr"})).await;
        let (client, (path, token)) = (client_of(&made), management(&made));
        let mut read = send(&app, "GET", &path, &token, &Value::Null).await.json();
        assert_eq!(read["registration_access_token"], json!(token));
        let mut same = made.clone();
        for once in ["client_secret", "client_secret_expires_at"] {
            same.as_object_mut().unwrap().remove(once);
        }
        assert_eq!(read, same);

        let access = app.token_of(&client).await;
        let change = json!({"client_id": client.id, "client_name": "B", "scope": "password:reset", "client_secret": client.secret});
        let replaced = send(&app, "PUT", &path, &token, &change).await;
        assert_eq!(replaced.status, 200, "{replaced:?}");
        read.as_object_mut().unwrap().remove("locale");
        (read["client_name"], read["scope"]) = (json!("B"), json!("password:reset"));
        assert_eq!(replaced.json(), read);
        // What it gave up is gone at once; what it has not stated stays.
        assert_eq!(app.remind(&access, "ann@example.com").await.said(), "401 invalid_token");
        let access = app.token_of(&client).await;
        let kept = send(&app, "PUT", &path, &token, &json!({"client_id": client.id, "client_name": "B"})).await.json();
        assert_eq!(kept["scope"], "password:reset");

        let ended = send(&app, "DELETE", &path, &token, &Value::Null).await;
        assert_eq!((ended.status, ended.text.as_str()), (204, ""));
        assert_eq!(app.check(&access, "x").await.said(), "401 invalid_token");
        assert_eq!(app.token_request(&client, &[("grant_type", "client_credentials")]).await.said(), "401 invalid_client");
        for method in ["GET", "DELETE"] {
            assert_eq!(send(&app, method, &path, &token, &Value::Null).await.said(), "401 invalid_token");
        }
    }

    async fn x11_a_registration_never_gets_more_than_it_has(app: TestApp) {
        let admin = app.token(ADMIN).await;
        let made = registered(&app, &admin, json!({"client_name": "A", "scope": "password:remind"})).await;
        let (client, (path, token)) = (client_of(&made), management(&made));
        let wanted = |scope: &str| json!({"client_id": client.id, "client_name": "A", "scope": scope});
        let refused = send(&app, "PUT", &path, &token, &wanted("password:remind password:reset")).await;
        assert_eq!(refused.said(), "400 invalid_client_metadata");
        // Whoever registered it may give of its own, and no more.
        assert_eq!(send(&app, "PUT", &path, &admin, &wanted("users:read")).await.said(), "400 invalid_client_metadata");
        let given = send(&app, "PUT", &path, &admin, &wanted("password:remind password:reset")).await;
        assert_eq!(given.json()["scope"], "password:remind password:reset");
        assert!(given.json()["registration_access_token"].is_null());
        // What an operator takes away does not come back.
        app.narrow(&client, "password:remind").await;
        assert_eq!(send(&app, "PUT", &path, &token, &wanted("password:remind password:reset")).await.said(), "400 invalid_client_metadata");
    }

    async fn x11_an_app_cannot_lift_what_its_operator_has_imposed(app: TestApp) {
        let admin = app.token(ADMIN).await;
        let made = registered(&app, &admin, json!({"client_name": "A", "token_lifetime": 3600})).await;
        let (client, (path, token)) = (client_of(&made), management(&made));
        let keys = json!({"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "a",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]});
        let imposed = ClientChange {
            require_dpop: Some(true),
            token_lifetime: Some(Some(TimeDelta::minutes(5))),
            auth_method: Some(AuthMethod::PrivateKeyJwt),
            jwks: Some(Some(JwkSet::parse(&keys.to_string()).unwrap())),
            ..ClientChange::default()
        };
        app.flows.change_client(By::Operator, client.client_id(), imposed).await.unwrap().unwrap();
        let told = |reply: &Reply| ["token_lifetime", "dpop_bound_access_tokens", "token_endpoint_auth_method"].map(|name| reply.json()[name].clone());
        let body = |lifetime: Value, jwks: &Value| {
            let method = "client_secret_basic";
            json!({"client_id": client.id, "client_name": "B", "token_lifetime": lifetime, "dpop_bound_access_tokens": false,
                "token_endpoint_auth_method": method, "jwks": jwks})
        };
        for (wanted, lifetime) in [(json!(2_592_000), 300), (Value::Null, 300), (json!(60), 60)] {
            let kept = send(&app, "PUT", &path, &token, &body(wanted, &keys)).await;
            assert_eq!(told(&kept), [json!(lifetime), json!(true), json!("private_key_jwt")]);
            assert!(kept.json()["client_secret"].is_null());
        }
        let without_keys = send(&app, "PUT", &path, &token, &body(Value::Null, &Value::Null)).await;
        assert_eq!(without_keys.said(), "400 invalid_client_metadata");
        // Its registrar can; then it gets a secret, which works.
        let free = send(&app, "PUT", &path, &admin, &body(json!(600), &Value::Null)).await;
        assert_eq!(told(&free), [json!(600), json!(false), json!("client_secret_basic")]);
        assert_eq!(app.token_request(&client_of(&free.json()), &[("grant_type", "client_credentials")]).await.status, 200);
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

    async fn x11_a_registration_is_nobody_elses(app: TestApp) {
        let (admin, other) = (app.token(ADMIN).await, app.token(ADMIN).await);
        let mine = registered(&app, &admin, json!({"client_name": "A"})).await;
        let theirs = registered(&app, &other, json!({"client_name": "B"})).await;
        let by_operator = app.client(APP).await;
        let (path, token) = management(&mine);
        let foreign = management(&theirs).1;
        let of_operator = format!("/oauth/register/{}", by_operator.id);
        let body = json!({"client_id": client_of(&mine).id, "client_name": "Eve"});
        for (path, token) in [
            (path.as_str(), foreign.as_str()), (&path, &other), (&path, "uf_rg_x"), (&of_operator, &token), (&of_operator, &admin),
            ("/oauth/register/nobody", &token), ("/oauth/register/nobody", &admin), ("/oauth/register/%00", &token),
        ] {
            for (method, body) in [("GET", &Value::Null), ("PUT", &body), ("DELETE", &Value::Null)] {
                assert_eq!(send(&app, method, path, token, body).await.said(), "401 invalid_token", "{method} {path}");
            }
        }
        // The token of a registration is no access token.
        assert_eq!(app.check(&token, "x").await.said(), "401 invalid_token");
        let ordinary = app.token(APP).await;
        assert_eq!(send(&app, "GET", &path, &ordinary, &Value::Null).await.said(), "403 insufficient_scope");
        // Switched off by an operator, it cannot look after itself.
        app.flows.disable_client(By::Operator, client_of(&mine).client_id(), true).await.unwrap();
        assert_eq!(send(&app, "DELETE", &path, &token, &Value::Null).await.said(), "401 invalid_token");
    }

    async fn x11_an_update_must_name_the_client_and_may_not_state_what_the_server_decides(app: TestApp) {
        let admin = app.token(ADMIN).await;
        let made = registered(&app, &admin, json!({"client_name": "A"})).await;
        let (id, (path, token)) = (client_of(&made).id, management(&made));
        for (more, field) in [
            (json!({"client_id": null}), "client_id"),
            (json!({"client_id": "other"}), "client_id"),
            (json!({"client_secret": "wrong"}), "client_secret"),
            (json!({"registration_access_token": token}), "registration_access_token"),
            (json!({"registration_client_uri": path}), "registration_client_uri"),
            (json!({"client_secret_expires_at": 0}), "client_secret_expires_at"),
            (json!({"client_id_issued_at": 0}), "client_id_issued_at"),
        ] {
            let mut body = json!({"client_id": id, "client_name": "B"});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let refused = send(&app, "PUT", &path, &token, &body).await;
            assert_eq!(refused.said(), "400 invalid_client_metadata", "{more}");
            assert!(refused.text.contains(&format!("\"{field} ")), "{more}: {}", refused.text);
        }
        assert_eq!(send(&app, "GET", &path, &token, &Value::Null).await.json()["client_name"], "A");
    }

    async fn x11_whoever_registered_a_client_manages_it_only_while_it_has_no_more_than_itself(app: TestApp) {
        let admin = app.token(ADMIN).await;
        let made = registered(&app, &admin, json!({"client_name": "A", "scope": "password:remind"})).await;
        let (client, (path, token)) = (client_of(&made), management(&made));
        let richer = ClientChange { scopes: Some("password:remind users:resetPassword".parse().unwrap()), ..ClientChange::default() };
        app.flows.change_client(By::Operator, client.client_id(), richer).await.unwrap().unwrap();
        let body = json!({"client_id": client.id, "client_name": "Mine"});
        for token in [&admin, &token] {
            for (method, body) in [("GET", &Value::Null), ("PUT", &body), ("DELETE", &Value::Null)] {
                assert_eq!(send(&app, method, &path, token, body).await.said(), "401 invalid_token", "{method}");
            }
        }
        // Nor does a token that carries less manage a client that has more.
        let rich = app.client(&format!("{ADMIN} users:read")).await;
        let made = registered(&app, &app.token_of(&rich).await, json!({"client_name": "B", "scope": "users:read"})).await;
        let asked = [("grant_type", "client_credentials"), ("scope", "clients:write")];
        let less = app.token_request(&rich, &asked).await.json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(send(&app, "GET", &management(&made).0, &less, &Value::Null).await.said(), "401 invalid_token");
    }

    async fn x11_a_client_that_is_made_anew_under_an_old_id_inherits_no_registration(app: TestApp) {
        let named = |new: &mut NewClient| new.id = Some(ClientId::new("partner-a"));
        let first = app.client_with(ADMIN, named).await;
        let made = registered(&app, &app.token_of(&first).await, json!({"client_name": "A"})).await;
        app.flows.delete_client(By::Operator, first.client_id()).await.unwrap();
        let second = app.client_with(ADMIN, named).await;
        let (path, token) = management(&made);
        assert_eq!(send(&app, "GET", &path, &app.token_of(&second).await, &Value::Null).await.said(), "401 invalid_token");
        assert_eq!(send(&app, "GET", &path, &token, &Value::Null).await.status, 200);
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
