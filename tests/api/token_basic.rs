//! HTTP Basic at the token endpoint: the encodings of the client libraries that exist (bar O04), and what is no Basic at all
//! (bar O20).

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use unforget::domain::{ClientId, HashedToken};
use unforget::flows::By;
use unforget::flows::clients::NewClient;

use crate::both;
use crate::helpers::{APP, Backend, Reply, TestApp};
use crate::token::refused;

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

/// Asks for a token with this `Authorization` field.
async fn ask(app: &TestApp, authorization: impl AsRef<[u8]>) -> Reply {
    let field = HeaderValue::from_bytes(authorization.as_ref()).unwrap();
    let request = app
        .request("POST", "/oauth/token")
        .header(AUTHORIZATION, field);
    Reply::of(request.form(&[GRANT]).send().await.unwrap()).await
}

fn basic(user_pass: impl AsRef<[u8]>) -> String {
    format!("Basic {}", STANDARD.encode(user_pass))
}

/// A client whose id and secret were chosen elsewhere, as those that an operator brings along.
pub(crate) async fn foreign_client(app: &TestApp, id: &str, secret: &str) {
    let (name, scopes) = ("An older service".parse().unwrap(), APP.parse().unwrap());
    let new = NewClient {
        id: Some(ClientId::new(id)),
        secret: Some(HashedToken::of(secret)),
        ..NewClient::new(name, scopes)
    };
    app.flows.add_client(By::Operator, new).await.unwrap();
}

both! {
    async fn o04_each_client_familys_encoding_of_basic_is_understood(app: TestApp) {
        foreign_client(&app, "svc-a_1", "s-e_c.r~t*!").await;
        foreign_client(&app, "svc-b", "a+b%c~d*e!f/g").await;
        foreign_client(&app, "svc-c", "a+b%20c").await;
        foreign_client(&app, "svc-d", "a b:c\u{e9}").await;
        for user_pass in [
            // As is (authlib, requests-oauthlib, simple-oauth2 loose); all but letters and digits (openid-client,
            // oauth4webapi); the strict form (simple-oauth2, the Rust crate).
            "svc-a_1:s-e_c.r~t*!",
            "svc%2Da%5F1:s%2De%5Fc%2Er%7Et%2A%21",
            "svc-a_1:s-e_c.r~t%2A%21",
            "svc-a_1:s-e_c.r%7Et*%21",
            // Raw, this is no form encoding at all: "%c~" is broken.
            "svc-b:a+b%c~d*e!f/g",
            "svc-b:a%2Bb%25c%7Ed%2Ae%21f%2Fg",
            "svc%2Db:a%2Bb%25c~d*e!f%2fg",
            // Raw, this reads as another secret when decoded.
            "svc-c:a+b%20c",
            "svc-c:a%2Bb%2520c",
            // A space has two forms; the first colon separates; UTF-8.
            "svc-d:a+b%3Ac%C3%A9",
            "svc-d:a%20b:c%c3%a9",
            "svc-d:a b:c\u{e9}",
        ] {
            let reply = ask(&app, basic(user_pass)).await;
            assert_eq!(reply.status, 200, "{user_pass}: {reply:?}");
        }
    }

    async fn o04_a_secret_is_decoded_once_and_compared_exactly(app: TestApp) {
        foreign_client(&app, "svc-a", "a+b").await;
        assert_eq!(ask(&app, basic("svc-a:a%2Bb")).await.status, 200);
        for user_pass in [
            "svc-a:a%252Bb",
            "svc-a:a b",
            "svc-a:a%20b",
            "svc-a:A+b",
            "svc-a:a+b ",
            "svc-a: a+b",
            "svc-a:a+b:",
            "SVC-A:a+b",
            "svc-a%20:a+b",
        ] {
            assert_eq!(refused(&ask(&app, basic(user_pass)).await), "401 invalid_client", "{user_pass}");
        }
    }

    async fn o04_our_own_ids_and_secrets_survive_the_greediest_encoding(app: TestApp) {
        let client = app.client(APP).await;
        let encoded = format!("{}:{}", client.id, client.secret).replace('_', "%5F");
        assert_eq!(ask(&app, basic(encoded)).await.status, 200);
    }

    async fn o20_the_scheme_is_basic_in_any_case(app: TestApp) {
        let client = app.client(APP).await;
        let credentials = STANDARD.encode(format!("{}:{}", client.id, client.secret));
        for scheme in ["Basic", "basic", "BASIC", "bAsIc"] {
            assert_eq!(ask(&app, format!("{scheme} {credentials}")).await.status, 200, "{scheme}");
        }
        for other in ["Bearer", "Basicx", "Digest"] {
            assert_eq!(refused(&ask(&app, format!("{other} {credentials}")).await), "401 invalid_client", "{other}");
        }
    }

    async fn o20_broken_basic_is_refused_and_never_a_fault(app: TestApp) {
        let client = app.client(APP).await;
        let good = format!("{}:{}", client.id, client.secret);
        let encoded = STANDARD.encode(&good);
        let nul = format!("{}\0:{}\0", client.id, client.secret);
        let percent_nul = format!("{}%00:{}%00", client.id, client.secret);
        let long = |length: usize| format!("{}:{}", client.id, "x".repeat(length));
        let broken: Vec<Vec<u8>> = [
            "",
            "Basic",
            "Basic ",
            "Basic :",
            "Basic !!!!",
            "Basic ====",
            "Basic =",
            "Basic a",
            &good,
            &format!("Basic {good}"),
            &encoded,
            &format!("Basic {}", STANDARD.encode(&client.id)),
            &format!("Basic {} {}", &encoded[..12], &encoded[12..]),
            &format!("Basic {encoded} {encoded}"),
            &format!("Basic {encoded}, Basic {encoded}"),
            &format!("Basic {}", URL_SAFE.encode([b'?', 0xfb, 0xff, 0xfe, b':'])),
            &format!("Basic {}", STANDARD_NO_PAD.encode(b"ab:c")),
            &basic(""),
            &basic(":"),
            &basic("::"),
            &basic(format!("{}:", client.id)),
            &basic(format!(":{}", client.secret)),
            &basic(&nul),
            &basic(&percent_nul),
            &basic(b"\xff\xfe:\xff"),
            &basic([client.id.as_bytes(), b":\xc3\x28"].concat()),
            &basic(format!("{}:%ff%fe", client.id)),
            &basic(format!("{}:%", client.id)),
            &basic(long(16 * 1024)),
            // A header of 64 KiB.
            &basic(long(48 * 1024)),
            "Negotiate YII=",
        ]
        .iter()
        .map(|text| text.as_bytes().to_vec())
        .chain([b"Basic \xff\xfe\xfd".to_vec(), b"\xe9 x".to_vec()])
        .collect();
        for field in broken {
            let reply = ask(&app, &field).await;
            let shown = String::from_utf8_lossy(&field[..field.len().min(80)]).into_owned();
            assert_eq!(refused(&reply), "401 invalid_client", "{shown}");
        }
        assert_eq!(ask(&app, basic(good)).await.status, 200);
    }

    async fn o20_two_authorization_headers_are_refused(app: TestApp) {
        let client = app.client(APP).await;
        let field = basic(format!("{}:{}", client.id, client.secret));
        let request = app.request("POST", "/oauth/token").header(AUTHORIZATION, &field).header(AUTHORIZATION, &field);
        let reply = Reply::of(request.form(&[GRANT]).send().await.unwrap()).await;
        assert_eq!(refused(&reply), "400 invalid_request");
    }

    async fn o20_a_bearer_token_does_not_authenticate_a_client(app: TestApp) {
        let token = app.token(APP).await;
        assert_eq!(refused(&ask(&app, format!("Bearer {token}")).await), "401 invalid_client");
    }
}
