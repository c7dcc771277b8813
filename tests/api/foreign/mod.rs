//! The `oauth2` crate, a client that nobody here wrote; those of other languages are in tests/foreign.

use oauth2::basic::{BasicClient, BasicErrorResponseType, BasicRequestTokenError};
use oauth2::{
    AuthType, ClientId, ClientSecret, IntrospectionUrl, Scope, TokenIntrospectionResponse,
    TokenResponse, TokenUrl,
};

use crate::both;
use crate::helpers::{APP, Backend, PATIENCE, TestApp, TestClient};
use crate::token_basic::foreign_client;

#[expect(unreachable_pub, reason = "an app has it so")]
mod ask;

type Answer = Result<oauth2::basic::BasicTokenResponse, BasicRequestTokenError<reqwest::Error>>;

/// How the crate asks for a token.
async fn token(app: &TestApp, client: &TestClient, method: AuthType, scope: &str) -> Answer {
    let http = reqwest::Client::new();
    BasicClient::new(ClientId::new(client.id.clone()))
        .set_client_secret(ClientSecret::new(client.secret.clone()))
        .set_auth_type(method)
        .set_token_uri(TokenUrl::new(format!("{}/oauth/token", app.base)).unwrap())
        .exchange_client_credentials()
        .add_scopes(scope.split(' ').map(|scope| Scope::new(scope.to_owned())))
        .request_async(&|request| ask::send(&http, request))
        .await
}

/// The error's code, as the crate understood it.
fn refused(answer: Answer) -> BasicErrorResponseType {
    match answer {
        Err(BasicRequestTokenError::ServerResponse(response)) => response.error().clone(),
        other => panic!("{other:?}"),
    }
}

both! {
    async fn o04_o06_the_oauth2_crate_gets_tokens_for_every_client_and_calls_the_api(app: TestApp) {
        let mut clients = vec![app.client(APP).await];
        for (id, secret) in [
            ("svc-a_1", "s-e_c.r~t*!"),
            ("svc-b", "a+b%20c/d~e*f!"),
            ("svc.c", "a+b%c~d*e!f/g"),
        ] {
            foreign_client(&app, id, secret).await;
            clients.push(TestClient { id: id.to_owned(), secret: secret.to_owned() });
        }
        for client in &clients {
            for method in [AuthType::BasicAuth, AuthType::RequestBody] {
                let token = token(&app, client, method, APP).await.unwrap();
                assert_eq!(token.expires_in().unwrap().as_secs(), 3600);
                let scopes: Vec<&str> = token.scopes().unwrap().iter().map(|s| s.as_str()).collect();
                assert_eq!(scopes.join(" "), APP);
                let email = format!("{}@example.com", unforget::entropy::id(app.clock.now()));
                let reply = app.remind(token.access_token().secret(), &email).await;
                assert_eq!(reply.said(), "200 reminder_sent");
            }
        }
    }

    async fn o08_o11_the_oauth2_crate_understands_refusals(app: TestApp) {
        let mut client = app.client("password:remind").await;
        let answer = token(&app, &client, AuthType::BasicAuth, "users:write").await;
        assert_eq!(refused(answer), BasicErrorResponseType::InvalidScope);
        client.secret = "wrong".to_owned();
        for method in [AuthType::BasicAuth, AuthType::RequestBody] {
            let answer = token(&app, &client, method, "password:remind").await;
            assert_eq!(refused(answer), BasicErrorResponseType::InvalidClient);
        }
    }

    async fn x02_the_oauth2_crate_looks_a_token_up(app: TestApp) {
        let client = app.client(APP).await;
        let token = token(&app, &client, AuthType::BasicAuth, "password:remind").await.unwrap();
        let http = reqwest::Client::new();
        let seen = BasicClient::new(ClientId::new(client.id.clone()))
            .set_client_secret(ClientSecret::new(client.secret.clone()))
            .set_introspection_url(IntrospectionUrl::new(format!("{}/oauth/introspect", app.base)).unwrap())
            .introspect(token.access_token())
            .request_async(&|request| ask::send(&http, request))
            .await
            .unwrap();
        assert!(seen.active());
        assert_eq!(seen.client_id().unwrap().as_str(), client.id);
        assert!(seen.exp().unwrap() > seen.iat().unwrap());
    }

    async fn the_rust_of_the_page_sends_a_mail(app: TestApp) {
        let page = include_str!("../../../docs/integrate.md");
        let (_, code) = include_str!("ask.rs").split_once("\n\n").unwrap();
        assert!(page.contains(&format!("```rust\n{code}```\n")), "docs/integrate.md has other code");
        app.user("demo@example.com").await;
        let client = app.client(APP).await;
        let said = ask::remind(&app.base, &client.id, &client.secret, "demo@example.com").await;
        assert!(said.unwrap().starts_with("200 OK {\"status\":\"reminder_sent\""));
        app.sink.wait_for(1, PATIENCE).await;
    }
}
