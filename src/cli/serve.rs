//! `unforget serve`, `unforget serve --dev`

use std::net::SocketAddr;
use std::path::Path;

use super::CliError;
use super::output::Output;
use crate::clock::Clock;
use crate::config::Settings;
use crate::domain::{Client, EmailAddress, Password, PlainToken, Scopes};
use crate::flows::Flows;
use crate::flows::clients::NewClient;
use crate::flows::users::NewUser;
use crate::server::{self, ServerError};
use crate::telemetry;

/// Where the throw-away data lives.
const DEV_FOLDER: &str = "data/dev";
const DEV_EMAIL: &str = "demo@example.com";

pub(super) async fn serve(settings: &Settings) -> Result<(), CliError> {
    let _logs = telemetry::start();
    let running = server::start(settings, Clock::System)?;
    tracing::info!(address = %running.address, database = settings.database_url.name(), mail = %settings.mail.url, "unforget runs");
    Ok(running.until_signal().await?)
}

pub(super) async fn dev(output: &Output) -> Result<(), CliError> {
    let folder = Path::new(DEV_FOLDER);
    let settings = Settings::load_dev(folder)?;
    // Somebody else's running demo keeps its data.
    drop(
        std::net::TcpListener::bind(settings.listen)
            .map_err(|error| ServerError::Listen(settings.listen, error))?,
    );
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    let _logs = telemetry::start();
    let running = server::start(&settings, Clock::System)?;
    let (client, secret) = demo_data(&running.flows).await?;
    output.line(&guide(running.address, &client, secret.expose()))?;
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
        password: Some(password.into()),
        password_hash: None,
        locale: None,
        profile: serde_json::Map::new(),
    };
    flows.add_user(user).await.map_err(CliError::refused)?;
    let client = NewClient {
        name: "Demo app".parse().map_err(CliError::refused)?,
        scopes: Scopes::all(),
        reset_url: Some(
            "http://localhost:3000/reset?token={token}"
                .parse()
                .map_err(CliError::refused)?,
        ),
        locale: None,
        token_lifetime: None,
    };
    Ok(flows.add_client(client).await?)
}

fn guide(address: SocketAddr, client: &Client, secret: &str) -> String {
    let base = format!("http://{address}");
    let id = &client.id;
    format!(
        r#"
Unforget runs at {base} for you to try it. NOT FOR PRODUCTION: what is in {DEV_FOLDER} is thrown away at every start.

There is a demo app with every scope and a demo user, {DEV_EMAIL}. Paste into another terminal, in this folder:

# 1. The app gets a token for itself.
TOKEN=$(curl -s -u '{id}:{secret}' -d grant_type=client_credentials {base}/oauth/token | sed 's/.*"access_token":"\([^"]*\)".*/\1/')

# 2. With it, the app asks for a reset mail for its user.
curl -s -H "Authorization: Bearer $TOKEN" -d email={DEV_EMAIL} {base}/v1/password/remind; echo

# 3. The mail lies in {DEV_FOLDER}/mail, one file each. This takes the token out of its link.
sleep 1; RESET=$(cat {DEV_FOLDER}/mail/*.eml | tr -d '\r' | sed ':a;/=$/{{N;s/=\n//;ba}}' | grep -o 'uf_rt_[0-9A-Za-z]*' | tail -n 1); echo "$RESET"

# 4. The app sends it back with the new password.
curl -s -H "Authorization: Bearer $TOKEN" -d email={DEV_EMAIL} -d token=$RESET -d 'password=a new secret' {base}/v1/password/reset; echo

# 5. A link works once: now it is dead, and the user has been told.
curl -s -H "Authorization: Bearer $TOKEN" -d token=$RESET {base}/v1/password/check; echo
sleep 1; cat {DEV_FOLDER}/mail/*.eml | grep '^Subject:'
"#
    )
}
