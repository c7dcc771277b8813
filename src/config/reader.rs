//! Keys and their texts, from the file and the environment, with every problem remembered. Libraries for layered
//! configuration stop at the first error and do not notice misspelt variables.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Display;
use std::path::Path;

use crate::domain::client::is_invisible;

const PREFIX: &str = "UNFORGET_";

/// Texts by key, and what is wrong so far.
pub(super) struct Reader {
    texts: BTreeMap<String, Text>,
    problems: Vec<String>,
    shown: Vec<(String, String)>,
}

struct Text {
    value: String,
    origin: String,
}

impl Reader {
    /// Collects the texts: from the file, over it from the environment, over both what is forced.
    pub(super) fn new(
        file: Option<&Path>,
        environment: impl Iterator<Item = (OsString, OsString)>,
        forced: &[(&str, String)],
    ) -> Self {
        let mut reader = Self {
            texts: BTreeMap::new(),
            problems: Vec::new(),
            shown: Vec::new(),
        };
        if let Some(file) = file {
            reader.read_file(file);
        }
        let mut variables: Vec<_> = environment
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .collect();
        variables.sort(); // DATABASE_URL before UNFORGET_DATABASE_URL, which wins
        for (name, value) in variables {
            let key = match name.as_str() {
                "DATABASE_URL" | "DATABASE_URL_FILE" => name.to_ascii_lowercase(),
                _ => match name.strip_prefix(PREFIX) {
                    Some(rest) => rest.to_ascii_lowercase().replace("__", "."),
                    None => continue,
                },
            };
            reader.read_variable(&name, key, value);
        }
        for (key, value) in forced {
            reader.put((*key).to_owned(), value.clone(), "--dev".to_owned());
        }
        reader
    }

    fn put(&mut self, key: String, value: String, origin: String) {
        self.texts.insert(key, Text { value, origin });
    }

    fn read_variable(&mut self, name: &str, key: String, value: OsString) {
        let Ok(value) = value.into_string() else {
            self.problems.push(format!("{name} is not UTF-8"));
            return;
        };
        let Some(key) = key.strip_suffix("_file").map(ToOwned::to_owned) else {
            self.put(key, value, name.to_owned());
            return;
        };
        let plain = name.strip_suffix("_FILE").unwrap_or(name);
        if self
            .texts
            .get(&key)
            .is_some_and(|text| text.origin == plain)
        {
            self.problems
                .push(format!("{plain} and {name} are both set: keep one of them"));
            return;
        }
        if value.contains("://") {
            // A value in the place of a path, and it may hold a password.
            self.problems
                .push(format!("{name} must be the path of a file"));
            return;
        }
        match std::fs::read_to_string(&value) {
            Ok(text) => self.put(
                key,
                text.trim_end_matches(['\r', '\n']).to_owned(),
                name.to_owned(),
            ),
            Err(error) => self
                .problems
                .push(format!("{name}: cannot read the file {value}: {error}")),
        }
    }

    fn read_file(&mut self, file: &Path) {
        let text = std::fs::read_to_string(file).map_err(|error| error.to_string());
        let table = text.and_then(|text| {
            text.parse::<toml::Table>().map_err(|error| {
                let before = error.span().map_or("", |span| &text[..span.start]);
                format!(
                    "line {}: {}",
                    before.lines().count().max(1),
                    error.message()
                )
            })
        });
        match table {
            Ok(table) => self.flatten("", table, &file.display().to_string()),
            Err(error) => self.problems.push(format!("{}: {error}", file.display())),
        }
    }

    fn flatten(&mut self, prefix: &str, table: toml::Table, origin: &str) {
        for (name, value) in table {
            let key = format!("{prefix}{name}");
            let text = match value {
                toml::Value::Table(inner) => {
                    self.flatten(&format!("{key}."), inner, origin);
                    continue;
                }
                toml::Value::String(text) => text,
                toml::Value::Array(items) => {
                    let text = |item: toml::Value| {
                        item.as_str()
                            .map_or_else(|| item.to_string(), ToOwned::to_owned)
                    };
                    items.into_iter().map(text).collect::<Vec<_>>().join(",")
                }
                other => other.to_string(),
            };
            self.put(key, text, origin.to_owned());
        }
    }

    /// Whether somebody states this key.
    pub(super) fn states(&self, key: &str) -> bool {
        self.texts.contains_key(key)
    }

    /// Takes a key's value, or its default.
    pub(super) fn take<T, E: Display>(
        &mut self,
        key: &str,
        default: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.texts.remove(key);
        let (value, origin) = text.as_ref().map_or((default, "default"), |text| {
            (text.value.as_str(), text.origin.as_str())
        });
        self.shown.push((key.to_owned(), value.to_owned()));
        match parse(value) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                self.problems.push(format!("{key} (from {origin}) {error}"));
                None
            }
        }
    }

    /// Takes a key whose value holds a secret and is shown masked.
    pub(super) fn take_masked<T, E: Display>(
        &mut self,
        key: &str,
        default: &str,
        parse: impl Fn(&str) -> Result<T, E>,
        mask: impl Fn(&T) -> String,
    ) -> Option<T> {
        let taken = self.take(key, default, parse);
        if let Some((_, shown)) = self.shown.last_mut() {
            *shown = taken.as_ref().map_or_else(String::new, mask);
        }
        taken
    }

    /// What is wrong, unknown keys included, and every key with its effective value.
    pub(super) fn finish(mut self) -> (Vec<String>, Vec<(String, String)>) {
        for (key, text) in &self.texts {
            // A key is named only if it looks like one: a value that slipped into its place may be a secret.
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
            let named = key.len() <= 60 && key.bytes().all(plain);
            let key = if named { key } else { "(not shown)" };
            let origin = &text.origin;
            self.problems
                .push(format!("{key} (from {origin}) is not a known key"));
        }
        // Keys and messages may hold whatever the file does; what is said stays one line that any terminal can show.
        let odd = |c: char| c.is_control() || is_invisible(c);
        let readable = |problem: String| problem.replace(odd, "\u{fffd}");
        (
            self.problems.into_iter().map(readable).collect(),
            self.shown,
        )
    }
}
