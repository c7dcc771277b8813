//! Client metadata on the wire (RFC 7591 section 2), both ways.

use chrono::TimeDelta;
use serde_json::{Map, Value, json};

use crate::domain::client::ClientName;
use crate::domain::client::TOKEN_LIFETIMES;
use crate::domain::{AuthMethod, Client, JwkSet, Locale, ResetUrl, Scopes};
use crate::flows::clients::NewClient;
use crate::http::error::{ApiError, Problem};
use crate::http::fields::{Fields, FromFields};

/// The only grant; RFC 7591 would take another one when none is stated, which would be of no use here.
const GRANT: &str = "client_credentials";

/// What a client states about itself. Members that we know nothing of are ignored (section 2).
pub(in crate::http) struct ClientMetadata {
    /// `client_id`, which only an update states.
    pub(super) client_id: Option<String>,
    /// `client_secret`, which only an update may state.
    pub(super) client_secret: Option<String>,
    /// `scope`; none when it is not stated.
    pub(super) scopes: Option<Scopes>,
    name: ClientName,
    auth_method: AuthMethod,
    jwks: Option<JwkSet>,
    require_dpop: bool,
    reset_url: Option<ResetUrl>,
    locale: Option<Locale>,
    token_lifetime: Option<TimeDelta>,
}

impl ClientMetadata {
    /// The client that is asked for, with these scopes.
    pub(super) fn into_client(self, scopes: Scopes) -> NewClient {
        let mut client = NewClient::new(self.name, scopes);
        (client.auth_method, client.jwks) = (self.auth_method, self.jwks);
        client.require_dpop = self.require_dpop;
        (client.reset_url, client.locale) = (self.reset_url, self.locale);
        client.token_lifetime = self.token_lifetime;
        client
    }
}

impl FromFields for ClientMetadata {
    fn from_fields(fields: &Fields) -> Result<Self, ApiError> {
        let malformed = |name| ApiError::field(name, Problem::Malformed);
        // What the server decides may not be stated (RFC 7592 section 2.2). `jwks_uri` would have us fetch what we do not.
        for name in [
            "registration_access_token",
            "registration_client_uri",
            "client_secret_expires_at",
            "client_id_issued_at",
            "jwks_uri",
        ] {
            if fields.value(name)?.is_some_and(|value| !value.is_null()) {
                return Err(malformed(name));
            }
        }
        only(fields, "grant_types", &[GRANT])?;
        only(fields, "response_types", &[])?;
        let text = |name| Ok::<_, ApiError>(fields.optional_text(name)?.filter(|t| !t.is_empty()));
        let auth_method = match text("token_endpoint_auth_method")? {
            None => AuthMethod::default(),
            Some(name) => name
                .parse()
                .map_err(|_| malformed("token_endpoint_auth_method"))?,
        };
        let jwks = match fields.value("jwks")? {
            None | Some(Value::Null) => None,
            Some(set @ Value::Object(_)) => {
                Some(JwkSet::parse(&set.to_string()).map_err(|_| malformed("jwks"))?)
            }
            Some(_) => return Err(ApiError::field("jwks", Problem::WrongType)),
        };
        if jwks.is_none() && auth_method.signs() {
            return Err(ApiError::field("jwks", Problem::Missing));
        }
        let name = text("client_name")?.ok_or(ApiError::field("client_name", Problem::Missing))?;
        Ok(Self {
            client_id: text("client_id")?.map(str::to_owned),
            client_secret: text("client_secret")?.map(str::to_owned),
            scopes: text("scope")?
                .map(|scope| scope.parse().map_err(|_| malformed("scope")))
                .transpose()?,
            name: name.parse().map_err(|_| malformed("client_name"))?,
            auth_method,
            jwks,
            require_dpop: truth(fields, "dpop_bound_access_tokens")?,
            reset_url: text("reset_url")?
                .map(|url| url.parse().map_err(|_| malformed("reset_url")))
                .transpose()?,
            locale: fields.locale("locale")?,
            token_lifetime: lifetime(fields)?,
        })
    }
}

/// A list of words that may hold only these.
fn only(fields: &Fields, name: &'static str, known: &[&str]) -> Result<(), ApiError> {
    match fields.value(name)? {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Array(words)) => words
            .iter()
            .all(|word| word.as_str().is_some_and(|word| known.contains(&word)))
            .then_some(())
            .ok_or(ApiError::field(name, Problem::Malformed)),
        Some(_) => Err(ApiError::field(name, Problem::WrongType)),
    }
}

/// A truth value that is false when it is not stated.
fn truth(fields: &Fields, name: &'static str) -> Result<bool, ApiError> {
    match fields.value(name)? {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(truth)) => Ok(*truth),
        Some(_) => Err(ApiError::field(name, Problem::WrongType)),
    }
}

fn lifetime(fields: &Fields) -> Result<Option<TimeDelta>, ApiError> {
    let name = "token_lifetime";
    match fields.value(name)? {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Number(seconds)) => {
            let lifetime = seconds.as_i64().and_then(TimeDelta::try_seconds);
            let lifetime = lifetime.filter(|lifetime| TOKEN_LIFETIMES.contains(lifetime));
            Ok(Some(
                lifetime.ok_or(ApiError::field(name, Problem::Malformed))?,
            ))
        }
        Some(_) => Err(ApiError::field(name, Problem::WrongType)),
    }
}

/// What is registered (RFC 7591 section 3.2.1). The secret is not here: it is shown once.
pub(super) fn describe(client: &Client, public_url: &str) -> Map<String, Value> {
    let mut told = Map::new();
    let mut tell = |name: &str, value: Value| {
        if !value.is_null() {
            told.insert(name.to_owned(), value);
        }
    };
    tell("client_id", json!(client.id.as_str()));
    tell("client_id_issued_at", json!(client.created_at.timestamp()));
    let uri = format!("{public_url}/oauth/register/{}", client.id);
    tell("registration_client_uri", json!(uri));
    tell("client_name", json!(client.name.as_str()));
    tell(
        "token_endpoint_auth_method",
        json!(client.auth_method.name()),
    );
    tell("grant_types", json!([GRANT]));
    tell("response_types", json!([]));
    tell("scope", json!(client.scopes.to_string()));
    let jwks = client.jwks.as_ref();
    let jwks = jwks.and_then(|jwks| serde_json::from_str::<Value>(jwks.as_str()).ok());
    tell("jwks", json!(jwks));
    tell("dpop_bound_access_tokens", json!(client.require_dpop));
    tell(
        "reset_url",
        json!(client.reset_url.as_ref().map(ResetUrl::as_str)),
    );
    tell("locale", json!(client.locale.as_ref().map(Locale::as_str)));
    let lifetime = client.token_lifetime.map(|lifetime| lifetime.num_seconds());
    tell("token_lifetime", json!(lifetime));
    told
}
