//! `unforget config`

use serde_json::{Map, Value};

use super::CliError;
use super::output::Output;
use crate::config::Settings;

pub(super) fn show(settings: &Settings, output: &Output) -> Result<(), CliError> {
    let object: Map<String, Value> = settings
        .shown
        .iter()
        .map(|(key, value)| (key.clone(), value.clone().into()))
        .collect();
    let lines = || {
        let line = |(key, value): &(String, String)| {
            format!("{key} = {}", toml::Value::String(value.clone()))
        };
        settings
            .shown
            .iter()
            .map(line)
            .collect::<Vec<_>>()
            .join("\n")
    };
    Ok(output.data(&Value::Object(object), lines)?)
}
