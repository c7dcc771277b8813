//! The Rust of docs/integrate.md, as it stands there.

use oauth2::basic::BasicClient;
use oauth2::{ClientId, ClientSecret, HttpRequest, HttpResponse, Scope, TokenResponse, TokenUrl};

pub async fn remind(
    unforget: &str,
    id: &str,
    secret: &str,
    email: &str,
) -> Result<String, Box<dyn std::error::Error>> {
    let http = reqwest::Client::new();
    let token = BasicClient::new(ClientId::new(id.to_owned()))
        .set_client_secret(ClientSecret::new(secret.to_owned()))
        .set_token_uri(TokenUrl::new(format!("{unforget}/oauth/token"))?)
        .exchange_client_credentials()
        .add_scope(Scope::new("password:remind".to_owned()))
        .request_async(&|request| send(&http, request))
        .await?;
    let call = http
        .post(format!("{unforget}/v1/password/remind"))
        .bearer_auth(token.access_token().secret());
    let answer = call.form(&[("email", email)]).send().await?;
    Ok(format!("{} {}", answer.status(), answer.text().await?))
}

pub async fn send(
    http: &reqwest::Client,
    request: HttpRequest,
) -> Result<HttpResponse, reqwest::Error> {
    let answer = http.execute(request.try_into()?).await?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut response = HttpResponse::new(answer.bytes().await?.to_vec());
    (*response.status_mut(), *response.headers_mut()) = (status, headers);
    Ok(response)
}
