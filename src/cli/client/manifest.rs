//! A file of apps: TOML or JSON, read strictly. What it points at (keys, secrets) is read too, so that nothing can go wrong later.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::fields::Fields;
use super::secret::{Source, document};
use super::{CliError, add, values};
use crate::domain::client::ClientName;
use crate::domain::json::Strict;
use crate::domain::{JwkSet, Scopes};
use crate::flows::clients::apply::{StatedClient, StatedSecret};

/// Where people would put a secret if we let them.
const PLAIN: [&str; 4] = ["secret", "client_secret", "value", "plain"];
const NO_PLAIN: &str = "a plain secret has no place in this file: state secret_file, secret_env, secret_stdin or digest";

/// Reads a file of apps, or standard input (`-`).
pub(super) fn read(path: &Path) -> Result<Vec<StatedClient>, CliError> {
    parse(path, &document(path)?)
}

/// Reads the text of such a file.
pub(super) fn parse(path: &Path, text: &str) -> Result<Vec<StatedClient>, CliError> {
    let text = text.trim_start_matches('\u{feff}'); // some editors begin with it
    let refused = |reason: String| CliError::refused(format!("{}: {reason}", path.display()));
    let value = match is_json(path, text) {
        true => serde_json::from_str::<Strict>(text)
            .map(|Strict(value)| value)
            .map_err(|error| refused(format!("not JSON that can be read: {error}")))?,
        false => from_toml(text).map_err(refused)?,
    };
    if !value.is_object() {
        return Err(refused(
            r#"must be an object with a list "clients""#.to_owned(),
        ));
    }
    let mut top = Fields::new(path.display().to_string(), value)?;
    let clients = top.list("clients")?;
    let clients = top.required("clients", clients)?;
    top.end()?;
    let mut reader = Reader {
        folder: path.parent().map(Path::to_owned).unwrap_or_default(),
        stdin_used: path == Path::new("-"),
    };
    let numbered = clients.into_iter().enumerate();
    numbered
        .map(|(at, value)| reader.client(at + 1, value))
        .collect()
}

/// By the name; by the content when the name does not tell.
fn is_json(path: &Path, text: &str) -> bool {
    match path.extension().and_then(|end| end.to_str()) {
        Some("json") => true,
        Some("toml") => false,
        _ => {
            let text = text.trim_start();
            // TOML begins a table with [; what follows tells it from a list.
            let list = text.strip_prefix('[').map(str::trim_start);
            text.starts_with('{') || list.is_some_and(|rest| rest.starts_with(['{', ']']))
        }
    }
}

/// TOML as a JSON value. The library's own complaint shows the line, which might hold a secret.
fn from_toml(text: &str) -> Result<Value, String> {
    let table = text.parse::<toml::Table>().map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let before = text.get(..start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        format!(
            "not TOML that can be read, at line {line}: {}",
            error.message()
        )
    })?;
    Ok(to_json(toml::Value::Table(table)))
}

fn to_json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Datetime(at) => at.to_string().into(),
        toml::Value::Array(list) => list.into_iter().map(to_json).collect(),
        toml::Value::Table(table) => {
            let pairs = table.into_iter().map(|(key, value)| (key, to_json(value)));
            Value::Object(pairs.collect::<Map<_, _>>())
        }
    }
}

struct Reader {
    /// What the file's paths begin at.
    folder: PathBuf,
    /// Standard input can be read once.
    stdin_used: bool,
}

impl Reader {
    fn client(&mut self, number: usize, value: Value) -> Result<StatedClient, CliError> {
        let mut fields = Fields::new(format!("client number {number}"), value)?;
        let name = fields.parse("name")?;
        let name: ClientName = fields.required("name", name)?;
        let who = format!("client {}", name.as_str());
        fields.call(who.clone());
        let scopes = scopes(&mut fields)?;
        let id = fields.parse("id")?;
        let reset_url = fields.parse("reset_url")?;
        let locale = fields.parse("locale")?;
        let token_lifetime = fields.read("token_lifetime", values::lifetime)?;
        let auth_method = fields.parse("auth_method")?.unwrap_or_default();
        let jwks = self.jwks(&mut fields)?;
        let require_dpop = fields.flag("require_dpop")?.unwrap_or_default();
        let disabled = fields.flag("disabled")?;
        let secrets = self.secrets(&mut fields, &who)?;
        no_plain_secret(&mut fields)?;
        fields.end()?; // first, for a key that is missing may be one that is misspelt
        Ok(StatedClient {
            id,
            name,
            scopes: fields.required("scopes", scopes)?,
            reset_url,
            locale,
            token_lifetime,
            auth_method,
            jwks,
            require_dpop,
            disabled,
            secrets,
        })
    }

    fn jwks(&self, fields: &mut Fields) -> Result<Option<JwkSet>, CliError> {
        let (inline, file) = (fields.value("jwks"), fields.text("jwks_file")?);
        match (inline, file) {
            (None, None) => Ok(None),
            (Some(set), None) => {
                let set = JwkSet::parse(&set.to_string());
                Ok(Some(set.map_err(|reason| fields.wrong("jwks", reason))?))
            }
            (None, Some(file)) => {
                let set = add::jwks(&self.folder.join(file));
                Ok(Some(
                    set.map_err(|reason| fields.wrong("jwks_file", reason))?,
                ))
            }
            (Some(_), Some(_)) => Err(fields.wrong("jwks_file", "the keys are stated twice")),
        }
    }

    fn secrets(
        &mut self,
        fields: &mut Fields,
        client: &str,
    ) -> Result<Vec<StatedSecret>, CliError> {
        let list = fields.list("secrets")?.unwrap_or_default();
        if list.iter().any(Value::is_string) {
            return Err(fields.wrong("secrets", NO_PLAIN));
        }
        let numbered = list.into_iter().enumerate();
        numbered
            .map(|(at, value)| self.secret(format!("{client}, secret number {}", at + 1), value))
            .collect()
    }

    fn secret(&mut self, who: String, value: Value) -> Result<StatedSecret, CliError> {
        let mut fields = Fields::new(who, value)?;
        no_plain_secret(&mut fields)?;
        let label = fields.parse("label")?;
        let not_before = fields.read("not_before", values::instant)?;
        let expires_at = fields.read("expires", values::instant)?;
        let file = fields.text("secret_file")?;
        let sources = [
            file.map(|file| ("secret_file", Source::File(self.folder.join(file)))),
            fields
                .text("secret_env")?
                .map(|name| ("secret_env", Source::Environment(name))),
            fields
                .flag("secret_stdin")?
                .filter(|stated| *stated)
                .map(|_| ("secret_stdin", Source::Stdin)),
            fields
                .text("digest")?
                .map(|hex| ("digest", Source::Digest(hex))),
        ];
        fields.end()?;
        let label = fields.required("label", label)?;
        let mut sources = sources.into_iter().flatten();
        let (Some((key, source)), None) = (sources.next(), sources.next()) else {
            let one = "state one of secret_file, secret_env, secret_stdin and digest";
            return Err(fields.wrong("secrets", one));
        };
        if source == Source::Stdin && std::mem::replace(&mut self.stdin_used, true) {
            return Err(fields.wrong(key, "standard input can be read once"));
        }
        let digest = source.read().map_err(|reason| fields.wrong(key, reason))?;
        Ok(StatedSecret {
            label,
            digest,
            not_before,
            expires_at,
        })
    }
}

fn no_plain_secret(fields: &mut Fields) -> Result<(), CliError> {
    match PLAIN.iter().find(|key| fields.value(key).is_some()) {
        Some(key) => Err(fields.wrong(key, NO_PLAIN)),
        None => Ok(()),
    }
}

/// A text with spaces, as everywhere, or a list of texts.
fn scopes(fields: &mut Fields) -> Result<Option<Scopes>, CliError> {
    let text = match fields.value("scopes") {
        None => return Ok(None),
        Some(Value::String(text)) => text,
        Some(Value::Array(list)) => {
            let names: Option<Vec<_>> = list.iter().map(Value::as_str).collect();
            let names = names.ok_or_else(|| fields.wrong("scopes", "must be a list of texts"))?;
            names.join(" ")
        }
        Some(_) => return Err(fields.wrong("scopes", "must be a text or a list of texts")),
    };
    let scopes = text
        .parse()
        .map_err(|reason| fields.wrong("scopes", reason))?;
    Ok(Some(scopes))
}
