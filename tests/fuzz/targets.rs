//! Every parser of strangers' bytes, with what must hold whatever the bytes are. The suite runs these on seeds and on what a dice makes
//! of them (tests/api/fuzz.rs), `scripts/fuzz` for as long as one likes, guided by coverage.
//!
//! For each: no panic, an error without control characters and without what was sent, and what was read reads back as the same.

use std::fmt::Display;
use std::io::Cursor;
use std::path::Path;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::DateTime;
use serde_json::{Map, Value};
use unforget::cli::examine_apps;
use unforget::config::Settings;
use unforget::domain::client::ClientName;
use unforget::domain::{
    ClientId, DatabaseUrl, EmailAddress, JwkSet, Locale, MailUrl, Password, PasswordHash,
    PlainToken, ResetToken, ResetUrl, Scopes, Sender,
};
use unforget::flows::import::{Format, examine};
use unforget::http::parsers as http;
use unforget::oauth::dpop::Presented;
use unforget::oauth::parsers as oauth;

/// What no error and no masked text may ever show.
const CANARY: &str = "canary-7Hq2";
/// The time by which messages are judged: of 2026.
const NOW: i64 = 1_790_000_000;
const ISSUER: &str = "https://unforget.example";

/// A parser under attack.
pub(crate) type Target = fn(&[u8]);

/// All of them, by name. Each has its seeds in tests/fuzz/seeds.
pub(crate) const TARGETS: &[(&str, Target)] = &[
    ("form", form),
    ("json", json),
    ("client_metadata", |bytes| _ = http::client_metadata(bytes)),
    ("token_request", token_request),
    ("headers", headers),
    ("email", email),
    ("names", names),
    ("password", password),
    ("password_hash", password_hash),
    ("reset_url", reset_url),
    ("urls", urls),
    ("jwk_set", jwk_set),
    ("assertion", assertion),
    ("proof", proof),
    ("csv", |bytes| import(bytes, Format::Csv)),
    ("jsonl", |bytes| import(bytes, Format::Jsonl)),
    ("apps_toml", |bytes| apps("apps.toml", bytes)),
    ("apps_json", |bytes| apps("apps.json", bytes)),
    ("settings", settings),
    ("setting", setting),
];

/// Attacks one parser with these bytes.
pub(crate) fn run(target: &str, bytes: &[u8]) {
    let found = TARGETS.iter().find(|(name, _)| *name == target);
    let (_, target) = found.unwrap_or_else(|| panic!("there is no target {target}"));
    target(bytes);
}

/// Asserts that an error is one readable line, and tells nothing of what it complains about.
fn assert_mute(error: impl Display, input: &str) {
    let error = error.to_string();
    assert!(!error.is_empty() && error.len() < 4096, "{error:?}");
    let odd = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202e}');
    assert!(!error.contains(odd), "{error:?}");
    assert!(!error.contains(CANARY), "{error:?}");
    let input = input.trim();
    let told = input.len() >= 24 && error.contains(input);
    assert!(!told, "{error:?}");
}

fn form(bytes: &[u8]) {
    let Some(pairs) = http::form(bytes) else {
        return;
    };
    let encode = |text: &str| {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    let pair = |(name, value): &(String, String)| format!("{}={}", encode(name), encode(value));
    let again = pairs.iter().map(pair).collect::<Vec<_>>().join("&");
    assert_eq!(http::form(again.as_bytes()), Some(pairs));
}

fn json(bytes: &[u8]) {
    let Some(pairs) = http::json(bytes) else {
        return;
    };
    let count = pairs.len();
    let object: Map<String, Value> = pairs.iter().cloned().collect();
    assert_eq!(object.len(), count, "a name is there twice");
    let text = Value::from(object).to_string();
    assert_eq!(http::json(text.as_bytes()), Some(pairs), "{text}");
}

fn token_request(bytes: &[u8]) {
    // The first line is the field, the rest is the body.
    let at = bytes.iter().position(|byte| *byte == b'\n');
    let (field, rest) = bytes.split_at(at.unwrap_or(bytes.len()));
    let read = http::token_request(field, rest.get(1..).unwrap_or_default());
    let debug = format!("{read:?}");
    assert!(!debug.contains(CANARY), "{debug}");
}

fn headers(bytes: &[u8]) {
    let language = http::accept_language(bytes).tag();
    assert!(["en", "fr"].contains(&language));
    if let Some(id) = http::request_id(bytes) {
        assert!(
            id.len() <= 64 && id.bytes().all(|b| b.is_ascii_graphic()),
            "{id:?}"
        );
    }
    let _address = http::forwarded(bytes);
    assert!(
        !http::bearer(bytes) || bytes.len() > 49,
        "what has no length is no token"
    );
}

fn email(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match EmailAddress::parse(text) {
        Ok(address) => {
            let stored = address.to_text();
            assert!(stored.len() <= 254, "{stored:?}");
            let splits = |c: char| c.is_control() || c.is_whitespace() || "<>,;:\"".contains(c);
            assert!(!stored.contains(splits), "{stored:?}");
            assert_eq!(stored.matches('@').count(), 1, "{stored:?}");
            let again = EmailAddress::parse(&stored).ok();
            assert!(
                again.as_ref() == Some(&address),
                "{stored:?} is another address"
            );
            assert!(again.is_some_and(|again| again.key() == address.key()));
        }
        Err(error) => assert_mute(error, text),
    }
}

fn names(bytes: &[u8]) {
    let text = &*String::from_utf8_lossy(bytes);
    match text.parse::<Locale>() {
        Ok(locale) => {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
            assert!(locale.as_str().bytes().all(plain), "{locale:?}");
            assert_eq!(locale.as_str().parse(), Ok(locale));
        }
        Err(error) => assert_mute(error, text),
    }
    match text.parse::<ClientName>() {
        Ok(name) => {
            assert!(!name.as_str().contains(char::is_control), "{name:?}");
            assert_eq!(name.as_str().parse(), Ok(name));
        }
        Err(error) => assert_mute(error, text),
    }
    match text.parse::<Scopes>() {
        Ok(scopes) => assert_eq!(scopes.to_string().parse(), Ok(scopes)),
        Err(error) => assert_mute(error, text),
    }
    match text.parse::<ClientId>() {
        Ok(id) => assert!(id.as_str().bytes().all(|b| b.is_ascii_graphic()), "{id:?}"),
        Err(error) => assert_mute(error, text),
    }
    if let Some(token) = PlainToken::<ResetToken>::parse(text) {
        assert_eq!(token.expose(), text);
    }
}

fn password(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(password) = Password::parse(text) {
        assert!(!text.contains('\0'));
        assert!(password.characters() <= text.chars().count() * 18); // NFC makes at most so many of one
    }
}

fn password_hash(bytes: &[u8]) {
    let text = &*String::from_utf8_lossy(bytes);
    match PasswordHash::parse(text) {
        Ok(hash) => {
            assert_eq!(hash.as_str(), text);
            assert!(
                text.len() <= 512 && text.bytes().all(|b| b.is_ascii_graphic()),
                "{text:?}"
            );
            if is_cheap(text)
                && let Ok(password) = Password::parse("correct horse")
            {
                let _fits = hash.verify(&password);
            }
        }
        Err(error) => assert_mute(error, text),
    }
}

/// Whether a hash is computed in no time: no number in it is large. PHPass says its cost with a letter.
fn is_cheap(text: &str) -> bool {
    let most = if text.contains("scrypt") || text.contains('2') {
        10
    } else {
        100
    };
    let mut fields = text.split(|c: char| !c.is_ascii_alphanumeric()).skip(1);
    let small = |field: &str| {
        let digits = field.trim_start_matches(|c: char| !c.is_ascii_digit());
        digits.parse::<u64>().is_ok_and(|number| number <= most) || digits.is_empty()
    };
    let named = |field: &str| ["2a", "2b", "2y", "2x", "19"].contains(&field) || field.len() > 15;
    !text.starts_with("$P$") && !text.starts_with("$H$") && fields.all(|f| small(f) || named(f))
}

fn reset_url(bytes: &[u8]) {
    let text = &*String::from_utf8_lossy(bytes);
    let template = match text.parse::<ResetUrl>() {
        Ok(template) => template,
        Err(error) => return assert_mute(error, text),
    };
    let token = PlainToken::<ResetToken>::from_random([7; 32]);
    let address = |text: &str| EmailAddress::parse(text);
    for email in [
        "ann@example.com",
        "a{token}/../@evil.example",
        "a&b=c#d?e@x.example",
    ] {
        let Ok(email) = address(email) else { continue };
        let link = template.link(&token, &email, "fr-CA");
        assert!(link.bytes().all(|b| b.is_ascii_graphic()), "{link:?}");
        assert_eq!(link.matches(token.expose()).count(), 1, "{link}");
        assert!(!link.contains(['{', '}', '<', '>', '"']), "{link}");
        // Where it leads is the template's to say, never a value's.
        let host = |text: &str| {
            url::Url::parse(text)
                .ok()
                .map(|url| url.host_str().map(str::to_owned))
        };
        let plain = ["{token}", "{email}", "{locale}"]
            .iter()
            .fold(text.to_owned(), |rest, p| rest.replace(p, "x"));
        assert_eq!(host(&link), host(&plain), "{link}");
        assert!(host(&link).is_some(), "{link}");
    }
}

fn urls(bytes: &[u8]) {
    let text = &*String::from_utf8_lossy(bytes);
    match text.parse::<Sender>() {
        Ok(sender) => {
            let shown = sender.to_string();
            assert!(!shown.contains(char::is_control), "{shown:?}");
        }
        Err(error) => assert_mute(error, text),
    }
    let around = [
        text.to_owned(),
        format!("smtp://user:{CANARY}@{text}"),
        format!("smtps://{text}:{CANARY}@mail.example"),
    ];
    for url in around {
        match url.parse::<MailUrl>() {
            Ok(read) => assert!(!format!("{read} {read:?}").contains(CANARY), "{read}"),
            Err(error) => assert_mute(error, &url),
        }
    }
    let around = [
        text.to_owned(),
        format!("postgres://user:{CANARY}@{text}"),
        format!("postgres://{text}:{CANARY}@database.example/x"),
        format!("postgres://{text}&password={CANARY}"),
        format!("postgresql:///x?{text}&sslpassword={CANARY}"),
    ];
    for url in around {
        match url.parse::<DatabaseUrl>() {
            Ok(read) => {
                let shown = format!("{} {read:?}", read.masked());
                // What is no password by the rules of URLs, a host say, is shown.
                let secret = url::Url::parse(&url).map_or(true, |url| {
                    let in_query = url.query_pairs().any(|(key, value)| {
                        ["password", "sslpassword"].contains(&&*key) && value == CANARY
                    });
                    url.password() == Some(CANARY) || in_query
                });
                assert!(!secret || !shown.contains(CANARY), "{shown}");
            }
            Err(error) => assert_mute(error, &url),
        }
    }
}

fn jwk_set(bytes: &[u8]) {
    let text = &*String::from_utf8_lossy(bytes);
    match JwkSet::parse(text) {
        Ok(set) => {
            let keys = set.keys();
            assert!((1..=20).contains(&keys.len()));
            assert_eq!(
                JwkSet::parse(set.as_str()).map(|set| set.keys()),
                Ok(keys.clone())
            );
            for key in keys {
                assert_eq!(key.key.thumbprint(), key.key.thumbprint());
            }
        }
        Err(error) => assert_mute(error, text),
    }
}

/// A message as it is; or, of three lines, one of which these are the parts.
fn message(bytes: &[u8]) -> String {
    let lines: Vec<_> = bytes.splitn(3, |byte| *byte == b'\n').collect();
    match lines[..] {
        [header, claims, signature] => [header, claims, signature]
            .map(|part| URL_SAFE_NO_PAD.encode(part))
            .join("."),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

fn assertion(bytes: &[u8]) {
    let now = DateTime::from_timestamp_nanos(NOW * 1_000_000_000);
    let text = message(bytes);
    if let Err(word) = oauth::assertion(&text, ISSUER, now) {
        assert!(
            word.len() < 10 && word.bytes().all(|b| b.is_ascii_lowercase()),
            "{word}"
        );
    }
}

fn proof(bytes: &[u8]) {
    let text = message(bytes);
    let presented = Presented {
        proof: Some(&text),
        method: "POST",
        uri: "https://unforget.example/oauth/token",
        token: None,
    };
    // Nobody signs by chance.
    assert!(!oauth::proof(&text, &presented), "{text}");
}

fn import(bytes: &[u8], format: Format) {
    let lines = bytes.split(|byte| *byte == b'\n').count() as u64;
    match examine(Cursor::new(bytes), format, 12) {
        Ok(records) => {
            let numbers: Vec<_> = records.iter().map(|(line, _)| *line).collect();
            assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
            assert!(
                numbers.iter().all(|line| (1..=lines).contains(line)),
                "{numbers:?} of {lines}"
            );
            for refused in records.iter().filter_map(|(_, refused)| *refused) {
                assert_mute(refused, &String::from_utf8_lossy(bytes));
            }
        }
        Err(error) => assert_mute(error, &String::from_utf8_lossy(bytes)),
    }
}

fn apps(name: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    // Such a file may have us read others, or wait at standard input. That is not what is tried here.
    if ["file", "stdin", "env", "\\"]
        .iter()
        .any(|word| text.contains(word))
    {
        return;
    }
    if let Err(error) = examine_apps(name, &text) {
        assert_mute(error, &text);
    }
}

fn settings(bytes: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("unforget.toml");
    std::fs::write(&file, bytes).unwrap();
    load(&file, &String::from_utf8_lossy(bytes));
}

/// The first word names a key, the rest is its value: what the file's own syntax would seldom let through.
fn setting(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (key, value) = text.split_once(' ').unwrap_or((&text, ""));
    if key.contains(CANARY) {
        return; // a key that looks like one is named
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("unforget.toml");
    let key = key
        .split('.')
        .map(|part| toml::Value::from(part).to_string())
        .collect::<Vec<_>>()
        .join(".");
    std::fs::write(&file, format!("{key} = {}\n", toml::Value::from(value))).unwrap();
    load(&file, value);
}

fn load(file: &Path, text: &str) {
    match Settings::load(Some(file)) {
        Ok(settings) => {
            for (key, value) in &settings.shown {
                assert!(!value.contains(CANARY), "{key} shows {value}");
            }
        }
        Err(error) => assert_mute(error, text),
    }
}
