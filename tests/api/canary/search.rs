//! The search for secrets in what was said and written down: as they are, and as base64, percent-encoded, hexadecimal, escaped, or
//! backwards.

use std::fmt::Write;

use base64::{Engine, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE};
use diesel::sql_types::Text;
use diesel::{Connection, PgConnection, QueryableByName, RunQueryDsl, sql_query};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::helpers::Database;

/// Secrets, and places where they must not be.
#[derive(Default)]
pub(super) struct Watch {
    secrets: Vec<(String, String)>,
    places: Vec<(String, Vec<u8>)>,
}

impl Watch {
    /// From now on this is a secret.
    pub(super) fn secret(&mut self, name: &str, secret: &str) {
        assert!(secret.len() >= 8, "{name} could be found by chance");
        self.secrets.push((name.to_owned(), secret.to_owned()));
    }

    /// Something that was said, or is written down.
    pub(super) fn place(&mut self, name: &str, content: impl AsRef<[u8]>) {
        self.places
            .push((name.to_owned(), content.as_ref().to_vec()));
    }

    /// Asserts that none of the secrets is in any of the places. Each place is gone through once, for all of them.
    pub(super) fn search(&self) {
        let forms = |(name, secret): &(String, String)| {
            let name = name.clone();
            disguises(secret)
                .into_iter()
                .map(move |(disguise, needle)| (name.clone(), disguise, needle))
        };
        let needles: Vec<_> = self.secrets.iter().flat_map(forms).collect();
        let mut by_beginning = vec![Vec::new(); 1 << 16];
        for (index, (.., needle)) in needles.iter().enumerate() {
            by_beginning[beginning(needle)].push(index);
        }
        for (place, content) in &self.places {
            for at in 0..content.len().saturating_sub(1) {
                for index in &by_beginning[beginning(&content[at..])] {
                    let (name, disguise, needle) = &needles[*index];
                    if content[at..].starts_with(needle) {
                        let around = &content[at.saturating_sub(200)..content.len().min(at + 200)];
                        panic!(
                            "{name} ({disguise}) is in {place}: {}",
                            around.escape_ascii()
                        );
                    }
                }
            }
        }
    }
}

/// The first two bytes.
fn beginning(bytes: &[u8]) -> usize {
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

/// The forms in which a secret is looked for.
fn disguises(secret: &str) -> Vec<(&'static str, Vec<u8>)> {
    let hex = |upper: bool| {
        let mut text = String::new();
        for byte in secret.bytes() {
            match upper {
                true => write!(text, "{byte:02X}").unwrap(),
                false => write!(text, "{byte:02x}").unwrap(),
            }
        }
        text
    };
    let backwards: String = secret.chars().rev().collect();
    let percent = utf8_percent_encode(secret, NON_ALPHANUMERIC).to_string();
    let json = serde_json::Value::from(secret).to_string();
    let ascii: String = secret
        .chars()
        .map(|c| {
            if c.is_ascii() {
                c.to_string()
            } else {
                format!("\\u{:04x}", u32::from(c))
            }
        })
        .collect();
    let mut forms = vec![
        ("as it is", secret.as_bytes().to_vec()),
        ("backwards", backwards.into_bytes()),
        ("percent-encoded", percent.to_lowercase().into_bytes()),
        ("percent-encoded", percent.replace("%20", "+").into_bytes()),
        ("percent-encoded", percent.into_bytes()),
        ("escaped", json.trim_matches('"').as_bytes().to_vec()),
        (
            "escaped",
            format!("{secret:?}").trim_matches('"').as_bytes().to_vec(),
        ),
        ("escaped", ascii.into_bytes()),
        ("in hexadecimal", hex(false).into_bytes()),
        ("in hexadecimal", hex(true).into_bytes()),
        (
            "in UTF-16",
            secret.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ),
    ];
    // Base64 depends on what stands before; what the neighbours have a part in is left out.
    for before in 0..3 {
        let whole = [&b"xyz"[..before], secret.as_bytes()].concat();
        for engine in [STANDARD, URL_SAFE] {
            let text = engine.encode(&whole);
            let end = whole.len() / 3 * 4;
            let start = [0, 2, 3][before];
            forms.push(("in base64", text.as_bytes()[start..end].to_vec()));
        }
    }
    forms
}

/// Everything that the database holds: on SQLite its files, the log of changes included; on PostgreSQL every row of every table, where
/// bytes are in hexadecimal, and what bytes hold too.
pub(super) fn stored(database: &Database) -> Vec<u8> {
    if let Some(folder) = database.folder() {
        let files = std::fs::read_dir(folder).unwrap();
        return files
            .flat_map(|file| std::fs::read(file.unwrap().path()).unwrap())
            .collect();
    }
    #[derive(QueryableByName)]
    struct Line {
        #[diesel(sql_type = Text)]
        line: String,
    }
    let mut connection = PgConnection::establish(&database.url()).unwrap();
    let mut lines = |query: &str| sql_query(query).load::<Line>(&mut connection).unwrap();
    let tables = lines(
        "SELECT tablename::text AS line FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')",
    );
    assert!(tables.len() > 5);
    let mut all = String::new();
    for table in tables {
        for row in lines(&format!(
            "SELECT t::text AS line FROM \"{}\" AS t",
            table.line
        )) {
            all.push_str(&row.line);
            all.push('\n');
        }
    }
    all.into_bytes()
}

#[test]
fn the_search_finds_a_secret_in_every_disguise() {
    let secret = "Kanárie +/%=&? first";
    let mut watch = Watch::default();
    watch.secret("it", secret);
    watch.place("nowhere", "Kanarie");
    watch.search();
    let encode = |before: &str| STANDARD.encode(format!("{before}{secret}{before}"));
    for disguised in [
        secret.to_owned(),
        encode(""),
        encode("a"),
        encode("ab"),
        encode("abc"),
        "x=Kan%C3%A1rie%20%2B%2F%25%3D%26%3F%20first".to_owned(),
        "4b616ec3a1726965202b2f253d263f206669727374".to_owned(),
        "tsrif ?&=%/+ eiránaK".to_owned(),
    ] {
        let mut watch = Watch::default();
        watch.secret("it", secret);
        watch.place("somewhere", format!("x {disguised} y"));
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| watch.search()));
        assert!(found.is_err(), "{disguised}");
    }
}
