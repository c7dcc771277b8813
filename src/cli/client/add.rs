//! `unforget client add ..`

use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use clap::Args;

use super::secret::{self, Source};
use super::{CliError, Output, show, unprinted, values};
use crate::domain::client::ClientName;
use crate::domain::client_secret::SecretLabel;
use crate::domain::{AuthMethod, ClientId, JwkSet, Locale, ResetUrl, Scopes};
use crate::flows::clients::{ClientError, NewClient};
use crate::flows::{By, Flows};

#[derive(Args)]
pub(in crate::cli) struct AddArguments {
    /// What people call it; mails name it too
    name: ClientName,
    /// What its tokens may carry: space-separated, may be repeated
    #[arg(long = "scope", required = true, value_name = "SCOPES", value_parser = values::Several)]
    scopes: Vec<Scopes>,
    /// Where its reset links lead: an https URL with {token}, optionally {email} and {locale}
    #[arg(long, value_name = "URL")]
    reset_url: Option<ResetUrl>,
    /// The language of its mails when neither the call nor the user states one
    #[arg(long)]
    locale: Option<Locale>,
    /// How long its tokens live [default: the configured token.lifetime]
    #[arg(long, value_name = "DURATION", value_parser = values::lifetime)]
    token_lifetime: Option<TimeDelta>,
    /// How it authenticates
    #[arg(long, value_name = "METHOD", default_value = AuthMethod::default().name(), value_parser = values::auth_methods())]
    auth_method: AuthMethod,
    /// Its public keys: a JWK Set in a file, or - for standard input
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    /// Give it only tokens that are bound to a key (DPoP)
    #[arg(long)]
    require_dpop: bool,
    /// The id that it has elsewhere already [default: a new one]
    #[arg(long)]
    id: Option<ClientId>,
    /// What people call its secret
    #[arg(long, value_name = "LABEL")]
    secret_label: Option<SecretLabel>,
    #[command(flatten)]
    secret: SecretArguments,
}

/// A secret that the app has already; without one a new one is made and printed.
#[derive(Args)]
#[group(multiple = false)]
struct SecretArguments {
    /// Read the secret that it has already from standard input
    #[arg(long)]
    secret_stdin: bool,
    /// Read the secret that it has already from a file
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Read the secret that it has already from an environment variable
    #[arg(long, value_name = "NAME")]
    secret_env: Option<String>,
    /// The SHA-256 of the secret that it has already, in hexadecimal
    #[arg(long, value_name = "HEX")]
    secret_digest: Option<String>,
}

impl SecretArguments {
    fn source(self) -> Option<Source> {
        let stdin = self.secret_stdin.then_some(Source::Stdin);
        stdin
            .or(self.secret_file.map(Source::File))
            .or(self.secret_env.map(Source::Environment))
            .or(self.secret_digest.map(Source::Digest))
    }
}

pub(super) async fn execute(
    arguments: AddArguments,
    flows: &Flows,
    output: &Output,
) -> Result<(), CliError> {
    let source = arguments.secret.source();
    let scopes = arguments.scopes.iter().flat_map(|set| set.iter()).collect();
    if source == Some(Source::Stdin) && arguments.jwks.as_deref() == Some(Path::new("-")) {
        return Err(CliError::refused(
            "standard input can give either the keys or the secret",
        ));
    }
    let new = NewClient {
        reset_url: arguments.reset_url,
        locale: arguments.locale,
        token_lifetime: arguments.token_lifetime,
        auth_method: arguments.auth_method,
        jwks: arguments.jwks.as_deref().map(jwks).transpose()?,
        require_dpop: arguments.require_dpop,
        id: arguments.id,
        secret_label: arguments.secret_label,
        secret: source.map(|source| source.read()).transpose()?,
        ..NewClient::new(arguments.name, scopes)
    };
    let brings_secret = new.secret.is_some();
    let added = flows.add_client(By::Operator, new).await;
    let (client, made) = added.map_err(|error| match error {
        ClientError::NoScope => CliError::refused(format!("{error}: give --scope")),
        ClientError::NoKeys => CliError::refused(format!("{error}: give --jwks")),
        _ => CliError::refused(error),
    })?;
    let mut shown = show::value(&client);
    shown["client_secret"] = made.as_ref().map(|secret| secret.expose()).into();
    let text = || {
        let (remark, secret) = match &made {
            Some(secret) => (" The secret is shown this once.", secret.expose()),
            None if brings_secret => ("", "(the one that it has)"),
            None => ("", "(none: it authenticates with its keys)"),
        };
        format!(
            "Registered {}.{remark}\n\nclient_id      {}\nclient_secret  {secret}\nscopes         {}",
            client.name.as_str(),
            client.id,
            client.scopes
        )
    };
    let printed = output.data(&shown, text);
    let ids: Vec<_> = made.iter().map(|_| &client.id).collect();
    printed.map_err(|error| unprinted(error, &ids))
}

/// Reads public keys from a file, or from standard input.
pub(super) fn jwks(path: &Path) -> Result<JwkSet, CliError> {
    let text = secret::document(path)?;
    JwkSet::parse(&text).map_err(|error| CliError::refused(format!("{}: {error}", path.display())))
}
