//! `POST /oauth/token` as RFC 6749 sections 4.4 and 5 describe it (bar O01 to O16): how it is asked, and what it answers.

use reqwest::header::CONTENT_TYPE;
use serde_json::json;

use crate::both;
use crate::helpers::{APP, Backend, Reply, TestApp, TestClient};
use crate::http::face;
use unforget::flows::By;

const FORM: &str = "application/x-www-form-urlencoded";
const GRANT: (&str, &str) = ("grant_type", "client_credentials");

/// `POST /oauth/token` with HTTP Basic and this body as it is.
async fn post_raw(app: &TestApp, client: &TestClient, content_type: &str, body: &str) -> Reply {
    let request = app
        .request("POST", "/oauth/token")
        .basic_auth(&client.id, Some(&client.secret))
        .header(CONTENT_TYPE, content_type)
        .body(body.to_owned());
    Reply::of(request.send().await.unwrap()).await
}

/// `POST /oauth/token` without an `Authorization` field.
async fn post_form(app: &TestApp, parameters: &[(&str, &str)]) -> Reply {
    let request = app.request("POST", "/oauth/token").form(parameters);
    Reply::of(request.send().await.unwrap()).await
}

/// Status and `error`, of an answer that has the form of RFC 6749 section 5.2 and the headers of section 5.1.
pub(crate) fn refused(reply: &Reply) -> String {
    let json = reply.json();
    let keys: Vec<_> = json.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["error", "error_description"], "{reply:?}");
    assert_eq!(reply.header("cache-control"), "no-store", "{reply:?}");
    assert_eq!(reply.header("pragma"), "no-cache", "{reply:?}");
    let challenge = reply.header("www-authenticate");
    assert_eq!(
        challenge.starts_with("Basic realm=\""),
        reply.status == 401,
        "{reply:?}"
    );
    reply.said()
}

both! {
    async fn o01_only_post_gets_a_token(app: TestApp) {
        let client = app.client(APP).await;
        for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE"] {
            let request = app.request(method, "/oauth/token").basic_auth(&client.id, Some(&client.secret));
            let reply = Reply::of(request.form(&[GRANT]).send().await.unwrap()).await;
            assert_eq!(reply.status, 405, "{method}: {reply:?}");
            assert_eq!(reply.header("allow"), "POST", "{method}: {reply:?}");
            assert!(!reply.text.contains("access_token"), "{method}: {reply:?}");
        }
    }

    async fn o02_only_a_form_in_utf8_is_a_token_request(app: TestApp) {
        let client = app.client(APP).await;
        let form = "grant_type=client_credentials";
        let json = r#"{"grant_type":"client_credentials"}"#;
        for (content_type, body, expected) in [
            (FORM, form, 200),
            ("application/x-www-form-urlencoded; charset=UTF-8", form, 200),
            ("application/x-www-form-urlencoded;charset=\"utf-8\"", form, 200),
            ("Application/X-WWW-Form-URLencoded", form, 200),
            ("application/x-www-form-urlencoded; charset=iso-8859-1", form, 400),
            ("application/json", json, 400),
            ("application/json", form, 400),
            ("text/plain", form, 400),
            ("multipart/form-data; boundary=x", form, 400),
            ("", form, 400),
        ] {
            let reply = post_raw(&app, &client, content_type, body).await;
            assert_eq!(reply.status, expected, "{content_type}: {reply:?}");
            if expected == 400 {
                assert_eq!(refused(&reply), "400 invalid_request", "{content_type}");
            }
        }
        for body in ["grant_type=client%ffcredentials", "grant_type=client_credentials&x=%zz", "grant_type=client_credentials&x=%"] {
            assert_eq!(refused(&post_raw(&app, &client, FORM, body).await), "400 invalid_request", "{body}");
        }
    }

    async fn o03_nothing_in_the_query_counts(app: TestApp) {
        let client = app.client(APP).await;
        let credentials = format!("client_id={}&client_secret={}", client.id, client.secret);
        let request = app.request("POST", &format!("/oauth/token?{credentials}")).form(&[GRANT]);
        let reply = Reply::of(request.send().await.unwrap()).await;
        assert_eq!(refused(&reply), "401 invalid_client");

        let request = app.request("POST", "/oauth/token?grant_type=client_credentials");
        let request = request.basic_auth(&client.id, Some(&client.secret)).header(CONTENT_TYPE, FORM);
        let reply = Reply::of(request.send().await.unwrap()).await;
        assert_eq!(refused(&reply), "400 invalid_request");

        let request = app.request("POST", "/oauth/token?scope=password:remind");
        let request = request.basic_auth(&client.id, Some(&client.secret)).form(&[GRANT]);
        let reply = Reply::of(request.send().await.unwrap()).await;
        assert_eq!(reply.json()["scope"], APP);
    }

    async fn o06_credentials_in_the_body_are_as_good_as_basic(app: TestApp) {
        let client = app.client(APP).await;
        let reply = post_form(&app, &[GRANT, ("client_id", &client.id), ("client_secret", &client.secret)]).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(app.remind(reply.json()["access_token"].as_str().unwrap(), "ann@example.com").await.status, 200);

        for parameters in [
            vec![GRANT, ("client_id", &client.id), ("client_secret", "uf_cs_wrong")],
            vec![GRANT, ("client_id", &client.id)],
            vec![GRANT, ("client_secret", &client.secret)],
            vec![GRANT, ("client_id", ""), ("client_secret", "")],
            vec![GRANT],
        ] {
            assert_eq!(refused(&post_form(&app, &parameters).await), "401 invalid_client", "{parameters:?}");
        }
    }

    async fn o07_two_ways_of_authenticating_are_refused_even_when_both_are_right(app: TestApp) {
        let (client, other) = (app.client(APP).await, app.client(APP).await);
        let assertion = ("client_assertion", "e30.e30.");
        for (parameters, expected) in [
            (vec![GRANT, ("client_secret", &client.secret)], "400 invalid_request"),
            (vec![GRANT, ("client_id", &client.id), ("client_secret", &client.secret)], "400 invalid_request"),
            (vec![GRANT, ("client_secret", "uf_cs_wrong")], "400 invalid_request"),
            (vec![GRANT, assertion], "400 invalid_request"),
            // The id alone proves nothing, so saying it again is harmless; saying another one is not.
            (vec![GRANT, ("client_id", &client.id)], "200 ?"),
            (vec![GRANT, ("client_id", &other.id)], "400 invalid_request"),
        ] {
            let reply = app.token_request(&client, &parameters).await;
            assert_eq!(reply.said(), expected, "{parameters:?}: {reply:?}");
        }
        let both = [GRANT, ("client_id", &client.id), ("client_secret", &client.secret), assertion];
        assert_eq!(refused(&post_form(&app, &both).await), "400 invalid_request");
    }

    async fn o08_a_bad_client_is_challenged(app: TestApp) {
        let mut client = app.client(APP).await;
        client.secret.push('x');
        let by_header = app.token_request(&client, &[GRANT]).await;
        let by_body = post_form(&app, &[GRANT, ("client_id", &client.id), ("client_secret", &client.secret)]).await;
        for reply in [by_header, by_body] {
            assert_eq!(refused(&reply), "401 invalid_client");
            assert_eq!(reply.header("www-authenticate"), "Basic realm=\"unforget\", charset=\"UTF-8\"");
        }
    }

    async fn o09_unknown_disabled_and_deleted_clients_look_like_a_wrong_secret(app: TestApp) {
        let (known, disabled, deleted) = (app.client(APP).await, app.client(APP).await, app.client(APP).await);
        assert!(app.flows.disable_client(By::Operator, disabled.client_id(), true).await.unwrap());
        assert!(app.flows.delete_client(By::Operator, deleted.client_id()).await.unwrap());
        let wrong = TestClient { secret: disabled.secret.clone(), ..known.clone() };
        let garbage = TestClient { secret: "x".to_owned(), ..known.clone() };
        let unknown = TestClient { id: "uf_cl_0000000000000000000000".to_owned(), ..known.clone() };

        let expected = app.token_request(&wrong, &[GRANT]).await;
        assert_eq!(refused(&expected), "401 invalid_client");
        for client in [garbage, unknown, disabled, deleted] {
            let reply = app.token_request(&client, &[GRANT]).await;
            assert_eq!(face(&reply), face(&expected), "{client:?}");
            // What else is wrong is told to nobody who is not a client.
            let reply = app.token_request(&client, &[GRANT, ("scope", "no:such")]).await;
            assert_eq!(face(&reply), face(&expected), "{client:?}");
        }
        assert_eq!(app.token_request(&known, &[GRANT]).await.status, 200);
    }

    async fn o11_each_mistake_has_its_error(app: TestApp) {
        let client = app.client("password:remind").await;
        for (parameters, expected) in [
            (vec![], "400 invalid_request"),
            (vec![("scope", "password:remind")], "400 invalid_request"),
            (vec![("Grant_type", "client_credentials")], "400 invalid_request"),
            (vec![("grant_type", "Client_Credentials")], "400 unsupported_grant_type"),
            (vec![("grant_type", "client_credentials ")], "400 unsupported_grant_type"),
            (vec![("grant_type", "urn:ietf:params:oauth:grant-type:device_code")], "400 unsupported_grant_type"),
            (vec![GRANT, ("scope", "no:such")], "400 invalid_scope"),
            (vec![GRANT, ("scope", "password:remind no:such")], "400 invalid_scope"),
            (vec![GRANT, ("scope", "password:reset")], "400 invalid_scope"),
            (vec![GRANT, ("scope", "password:remind password:reset")], "400 invalid_scope"),
            (vec![GRANT, ("scope", "password:remind\u{e9}")], "400 invalid_scope"),
            (vec![GRANT, ("scope", "*")], "400 invalid_scope"),
            (vec![GRANT, ("x", "a\0b")], "400 invalid_request"),
        ] {
            let reply = app.token_request(&client, &parameters).await;
            assert_eq!(refused(&reply), expected, "{parameters:?}");
        }
    }

    async fn o12_a_repeated_parameter_is_refused(app: TestApp) {
        let client = app.client(APP).await;
        let grant = "grant_type=client_credentials";
        for (body, expected) in [
            (format!("{grant}&{grant}"), "400 invalid_request"),
            (format!("grant_type=password&{grant}"), "400 invalid_request"),
            (format!("{grant}&grant%5Ftype=client_credentials"), "400 invalid_request"),
            (format!("{grant}&scope=password:remind&scope=password:remind"), "400 invalid_request"),
            (format!("{grant}&scope=&scope=password:remind"), "400 invalid_request"),
            (format!("{grant}&foo=1&foo=2"), "400 invalid_request"),
            (format!("{grant}&foo=1&bar=1"), "200 ?"),
            (format!("&{grant}&&foo&"), "200 ?"),
        ] {
            let reply = post_raw(&app, &client, FORM, &body).await;
            assert_eq!(reply.said(), expected, "{body}: {reply:?}");
        }
    }

    async fn o12_an_empty_parameter_counts_as_absent(app: TestApp) {
        let client = app.client(APP).await;
        let reply = app.token_request(&client, &[GRANT, ("scope", ""), ("client_id", ""), ("client_secret", "")]).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.json()["scope"], APP);
        let reply = app.token_request(&client, &[("grant_type", "")]).await;
        assert_eq!(refused(&reply), "400 invalid_request");
    }

    async fn o13_o14_a_token_answer_has_four_keys_and_is_not_to_be_stored(app: TestApp) {
        let client = app.client(APP).await;
        let reply = app.token_request(&client, &[GRANT]).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("cache-control"), "no-store");
        assert_eq!(reply.header("pragma"), "no-cache");
        let mut body = reply.json();
        assert!(body["access_token"].take().as_str().unwrap().starts_with("uf_at_"));
        // No refresh_token (RFC 6749 section 4.4.3).
        assert_eq!(body, json!({"access_token": null, "token_type": "Bearer", "expires_in": 3600, "scope": APP}));

        let brief = app.client_with(APP, |new| new.token_lifetime = Some(chrono::TimeDelta::seconds(90))).await;
        let reply = app.token_request(&brief, &[GRANT]).await;
        assert_eq!(reply.json()["expires_in"], 90);
    }

    async fn o14_no_other_grant_exists(app: TestApp) {
        let client = app.client(APP).await;
        app.user("ann@example.com").await;
        for grant in ["password", "refresh_token", "authorization_code", "implicit"] {
            let parameters = [
                ("grant_type", grant),
                ("username", "ann@example.com"),
                ("password", crate::helpers::OLD_PASSWORD),
                ("refresh_token", "x"),
                ("code", "x"),
            ];
            assert_eq!(refused(&app.token_request(&client, &parameters).await), "400 unsupported_grant_type", "{grant}");
        }
    }

    async fn o15_descriptions_are_plain_ascii_and_echo_nothing(app: TestApp) {
        let client = app.client(APP).await;
        let nasty = "zqx\"\u{e9}\r\n\\<b>";
        let bad = TestClient { id: nasty.to_owned(), secret: nasty.to_owned() };
        let replies = [
            app.token_request(&client, &[("grant_type", nasty)]).await,
            app.token_request(&client, &[GRANT, ("scope", nasty)]).await,
            app.token_request(&client, &[GRANT, (nasty, "1"), (nasty, "2")]).await,
            app.token_request(&client, &[GRANT, ("client_id", nasty)]).await,
            app.token_request(&bad, &[GRANT]).await,
            post_form(&app, &[GRANT, ("client_id", nasty), ("client_secret", nasty)]).await,
            post_raw(&app, &client, FORM, "zqx=%zqx").await,
            post_raw(&app, &client, "application/zqx", "zqx").await,
        ];
        for reply in replies {
            assert!(["400", "401"].contains(&&refused(&reply)[..3]), "{reply:?}");
            let json = reply.json();
            let description = json["error_description"].as_str().unwrap();
            let allowed = |b: u8| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
            assert!(!description.is_empty() && description.bytes().all(allowed), "{reply:?}");
            assert!(!reply.text.contains("zqx"), "{reply:?}");
            assert!(reply.headers.values().all(|v| !v.as_bytes().windows(3).any(|w| w == b"zqx")), "{reply:?}");
        }
    }

    async fn o16_scopes_are_a_set_of_words_within_what_the_client_may_have(app: TestApp) {
        let client = app.client("password:remind password:reset users:disclose").await;
        for (asked, granted) in [
            ("password:reset", "password:reset"),
            ("password:reset password:remind", "password:remind password:reset"),
            ("users:disclose password:remind users:disclose", "password:remind users:disclose"),
        ] {
            let reply = app.token_request(&client, &[GRANT, ("scope", asked)]).await;
            assert_eq!(reply.status, 200, "{asked}: {reply:?}");
            assert_eq!(reply.json()["scope"], granted, "{asked}");
        }
        // Nothing asked: all that the client may have.
        let reply = app.token_request(&client, &[GRANT]).await;
        assert_eq!(reply.json()["scope"], "password:remind password:reset users:disclose");
        let list = "password:reset,password:remind";
        let tab = "password:reset\tpassword:remind";
        for asked in ["Password:reset", "PASSWORD:RESET", list, tab, "password", "password:*", "users:write"] {
            let reply = app.token_request(&client, &[GRANT, ("scope", asked)]).await;
            assert_eq!(refused(&reply), "400 invalid_scope", "{asked}");
        }
        // What was not asked for is not carried.
        let reply = app.token_request(&client, &[GRANT, ("scope", "password:remind")]).await;
        let json = reply.json();
        let token = json["access_token"].as_str().unwrap();
        assert_eq!(app.check(token, "x").await.said(), "403 insufficient_scope");
        assert_eq!(app.remind(token, "ann@example.com").await.said(), "200 reminder_sent");
    }
}
