//! `unforget serve`, `unforget serve --dev`

use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use super::CliError;
use super::output::Output;
use crate::clock::Clock;
use crate::config::Settings;
use crate::domain::{Client, ClientId, EmailAddress, Password, PlainToken, Scopes};
use crate::flows::clients::NewClient;
use crate::flows::users::NewUser;
use crate::flows::{By, Flows};
use crate::server::{self, ServerError};
use crate::telemetry;

/// Where the throw-away data lives.
const DEV_FOLDER: &str = "data/dev";
const DEV_EMAIL: &str = "demo@example.com";

pub(super) async fn serve(settings: &Settings) -> Result<(), CliError> {
    let _told = telemetry::start(settings.collector.as_ref())?;
    let running = server::start(settings, Clock::System)?;
    let metrics = running.metrics_address.map(tracing::field::display);
    tracing::info!(address = %running.address, metrics, database = settings.database_url.name(), mail = %settings.mail.url, "unforget runs");
    Ok(running.until_signal().await?)
}

pub(super) async fn dev(output: &Output) -> Result<(), CliError> {
    let folder = Path::new(DEV_FOLDER);
    let (mut settings, has_url) = Settings::load_dev(folder)?;
    // Somebody else's running demo keeps its data.
    settings.listen = TcpListener::bind(settings.listen)
        .and_then(|listener| listener.local_addr())
        .map_err(|error| ServerError::Listen(settings.listen, error))?;
    if !has_url {
        // Who follows the guide must find the issuer that it names (RFC 8414 section 3.3).
        settings.public_url = format!("http://{}", settings.listen);
    }
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    let _told = telemetry::start(settings.collector.as_ref())?;
    let flows = server::flows(&settings, Clock::System)?;
    let (client, secret) = demo_data(&flows).await?;
    settings.page_client = Some(page_client(&flows).await?);
    drop(flows);
    let running = server::start(&settings, Clock::System)?;
    let issuer = &settings.public_url;
    output.line(&guide(running.address, issuer, &client, secret.expose()))?;
    Ok(running.until_signal().await?)
}

async fn demo_data(
    flows: &Flows,
) -> Result<(Client, PlainToken<crate::domain::ClientSecret>), CliError> {
    let email = EmailAddress::parse(DEV_EMAIL).map_err(CliError::refused)?;
    let password = Password::parse("correct horse battery staple")
        .map_err(|refusal| CliError::refused(refusal.name()))?;
    let user = NewUser {
        email,
        password: Some(Ok(password.into())),
        password_hash: None,
        locale: None,
        profile: serde_json::Map::new(),
    };
    flows
        .add_user(By::Operator, user)
        .await
        .map_err(CliError::refused)?;
    let name = "Demo app".parse().map_err(CliError::refused)?;
    let mut client = NewClient::new(name, Scopes::all());
    let link = "http://localhost:3000/reset?token={token}&email={email}";
    client.reset_url = Some(link.parse().map_err(CliError::refused)?);
    let added = flows.add_client(By::Operator, client).await;
    let (client, secret) = added.map_err(CliError::refused)?;
    let secret = secret.ok_or_else(|| CliError::refused("the demo app has no secret"))?;
    Ok((client, secret))
}

/// Whose users may ask for a link at `/forgot`: a client without a screen of its own, so that its links lead to the page.
async fn page_client(flows: &Flows) -> Result<ClientId, CliError> {
    let name = "Demo accounts".parse().map_err(CliError::refused)?;
    let scopes = "password:remind password:reset".parse();
    let client = NewClient::new(name, scopes.map_err(CliError::refused)?);
    let added = flows.add_client(By::Operator, client).await;
    Ok(added.map_err(CliError::refused)?.0.id)
}

fn guide(address: SocketAddr, issuer: &str, client: &Client, secret: &str) -> String {
    let base = format!("http://{address}");
    let id = &client.id;
    format!(
        r#"
Unforget runs at {base} for you to try it. NOT FOR PRODUCTION: what is in {DEV_FOLDER} is thrown away at every start.

There is a demo app with every scope and a demo user, {DEV_EMAIL}. In a browser:

  {base}/forgot   our own pages. The link is in the mail in {DEV_FOLDER}/mail.
  http://localhost:3000/forgot   an app's own pages, while this runs:
      OAUTH_ISSUER={issuer} OAUTH_CLIENT_ID={id} OAUTH_CLIENT_SECRET={secret} python3 examples/app.py

And without one. Paste into another terminal, in this folder:

# 1. The app gets a token for itself.
TOKEN=$(curl -s -u '{id}:{secret}' -d grant_type=client_credentials {base}/oauth/token | sed 's/.*"access_token":"\([^"]*\)".*/\1/')

# 2. With it, the app asks for a reset mail for its user.
curl -s -H "Authorization: Bearer $TOKEN" -d email={DEV_EMAIL} {base}/v1/password/remind; echo

# 3. The mail lies in {DEV_FOLDER}/mail, one file each. This takes the token out of its link.
until ls {DEV_FOLDER}/mail/*.eml >/dev/null 2>&1; do sleep 0.2; done
RESET=$(cat {DEV_FOLDER}/mail/*.eml | tr -d '\r' | sed ':a;/=$/{{N;s/=\n//;ba}}' | grep -o 'uf_rt_[0-9A-Za-z]*' | tail -n 1); echo "$RESET"

# 4. The app sends it back with the new password.
curl -s -H "Authorization: Bearer $TOKEN" -d email={DEV_EMAIL} -d token=$RESET -d 'password=a new secret' {base}/v1/password/reset; echo

# 5. A link works once: now it is dead, and the user has been told.
curl -s -H "Authorization: Bearer $TOKEN" -d token=$RESET {base}/v1/password/check; echo
until [ "$(ls {DEV_FOLDER}/mail/*.eml | wc -l)" -gt 1 ]; do sleep 0.2; done
cat {DEV_FOLDER}/mail/*.eml | grep '^Subject:'
"#
    )
}
