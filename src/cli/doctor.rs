//! `unforget doctor`

use serde_json::{Value, json};

use super::CliError;
use super::output::{Output, table};
use crate::clock::Clock;
use crate::config::{ConfigError, Settings};
use crate::doctor::{self, Check, Level};

/// Prints what was found. A configuration that cannot be read is the first finding, and the last.
pub(super) async fn execute(
    settings: Result<Settings, ConfigError>,
    output: &Output,
) -> Result<(), CliError> {
    let checks = match settings {
        Ok(settings) => doctor::examine(&settings, &Clock::System).await,
        Err(error) => vec![Check::error("configuration", error.to_string())],
    };
    let broken: Vec<&str> = checks
        .iter()
        .filter(|check| check.level == Level::Error)
        .map(|check| check.name)
        .collect();
    let values: Vec<Value> = checks
        .iter()
        .map(|check| json!({"check": check.name, "level": check.level.name(), "text": check.text}))
        .collect();
    let lines = || {
        let row = |check: &Check| {
            let words = [check.level.name(), check.name, &check.text];
            words.map(ToOwned::to_owned).to_vec()
        };
        table(&checks.iter().map(row).collect::<Vec<_>>())
    };
    output.data(&json!({"ok": broken.is_empty(), "checks": values}), lines)?;
    match broken.as_slice() {
        [] => Ok(()),
        names => Err(CliError::refused(format!("broken: {}", names.join(", ")))),
    }
}
