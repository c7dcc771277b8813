//! One table of a file of apps, read key by key: whatever is wrong is told with the app and the key, and never with the value,
//! which might be a secret.

use std::fmt::Display;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::CliError;

/// The keys that nobody has asked for yet.
pub(super) struct Fields {
    who: String,
    map: Map<String, Value>,
}

impl Fields {
    /// A table, as people would point at it.
    pub(super) fn new(who: String, value: Value) -> Result<Self, CliError> {
        match value {
            Value::Object(map) => Ok(Self { who, map }),
            _ => Err(CliError::refused(format!("{who}: must be a table"))),
        }
    }

    /// Points at it in other words from now on.
    pub(super) fn call(&mut self, who: String) {
        self.who = who;
    }

    /// A complaint about a key.
    pub(super) fn wrong(&self, key: &str, reason: impl Display) -> CliError {
        CliError::refused(format!("{}: {key}: {reason}", self.who))
    }

    /// A value of any kind; `null` is as good as absent.
    pub(super) fn value(&mut self, key: &str) -> Option<Value> {
        self.map.remove(key).filter(|value| !value.is_null())
    }

    /// A text.
    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>, CliError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(key, "must be a text")),
        }
    }

    /// A text that means something.
    pub(super) fn read<T, E: Display>(
        &mut self,
        key: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, CliError> {
        let text = self.text(key)?;
        let value = text.as_deref().map(read).transpose();
        value.map_err(|reason| self.wrong(key, reason))
    }

    /// A text that means something by itself.
    pub(super) fn parse<T: FromStr<Err: Display>>(
        &mut self,
        key: &str,
    ) -> Result<Option<T>, CliError> {
        self.read(key, str::parse)
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, key: &str) -> Result<Option<bool>, CliError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(self.wrong(key, "must be true or false")),
        }
    }

    /// A list.
    pub(super) fn list(&mut self, key: &str) -> Result<Option<Vec<Value>>, CliError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(_) => Err(self.wrong(key, "must be a list")),
        }
    }

    /// What must be there.
    pub(super) fn required<T>(&self, key: &str, value: Option<T>) -> Result<T, CliError> {
        value.ok_or_else(|| CliError::refused(format!("{}: {key} is missing", self.who)))
    }

    /// Refuses what nobody asked for. A key is named only if it looks like one.
    pub(super) fn end(&self) -> Result<(), CliError> {
        let Some(key) = self.map.keys().next() else {
            return Ok(());
        };
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
        let key = match key.len() <= 40 && key.bytes().all(plain) {
            true => key.as_str(),
            false => "(not shown)",
        };
        Err(CliError::refused(format!(
            "{}: unknown key {key}",
            self.who
        )))
    }
}
