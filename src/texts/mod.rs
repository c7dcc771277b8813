//! What we say to people, by language (Fluent). A new language is a new file beside this one, named by its tag.

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use rust_embed::Embed;
use unic_langid::LanguageIdentifier;

use crate::domain::Locale;

/// The files, as parts of the program.
#[derive(Embed)]
#[folder = "src/texts"]
#[include = "*.ftl"]
struct Files;

/// The language that has every text; the one that speaks when nobody's wish can be met.
const FALLBACK: &str = "en";

/// A language with its texts.
struct Spoken {
    tag: String,
    texts: FluentBundle<FluentResource>,
}

/// The languages that we speak. The first one is the fallback.
static SPOKEN: LazyLock<Vec<Spoken>> = LazyLock::new(|| {
    let mut spoken: Vec<_> = files()
        .map(|(tag, text)| Spoken {
            texts: bundle(&tag, text),
            tag,
        })
        .collect();
    spoken.sort_by_key(|spoken| (spoken.tag != FALLBACK, spoken.tag.clone()));
    spoken
});

/// Tag and text of each file.
fn files() -> impl Iterator<Item = (String, String)> {
    Files::iter().filter_map(|name| {
        let tag = name.strip_suffix(".ftl")?.to_owned();
        let text = String::from_utf8(Files::get(&name)?.data.into_owned()).ok()?;
        Some((tag, text))
    })
}

/// One of the languages that we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Language(usize);

impl Language {
    /// The first wish that we can meet, in the order given.
    pub fn of_locales<'a>(wishes: impl IntoIterator<Item = Option<&'a Locale>>) -> Self {
        let known = |locale: &Locale| Self::of_tag(&locale.language());
        wishes
            .into_iter()
            .flatten()
            .find_map(known)
            .unwrap_or_default()
    }

    /// The language with this tag, if we speak it.
    pub fn named(tag: &str) -> Option<Self> {
        Self::of_tag(tag)
    }

    /// The best match for an `Accept-Language` header (RFC 9110 section 12.5.4).
    pub fn of_accept_language(header: &str) -> Self {
        Self::stated(header).unwrap_or_default()
    }

    /// The best match for such a header, if it names a language that we speak.
    pub fn stated(header: &str) -> Option<Self> {
        let wish = |part: &str| {
            let mut parameters = part.split(';');
            let tag = parameters.next()?.trim();
            let weight = parameters
                .find_map(|p| p.trim().strip_prefix("q=")?.parse::<f32>().ok())
                .unwrap_or(1.0);
            let language = Self::of_tag(tag.split('-').next()?)?;
            (weight > 0.0).then_some((weight, language))
        };
        let best = |a: Option<(f32, Self)>, b: (f32, Self)| {
            if a.is_some_and(|a| a.0 >= b.0) {
                a
            } else {
                Some(b)
            }
        };
        header
            .split(',')
            .filter_map(wish)
            .fold(None, best)
            .map(|(_, language)| language)
    }

    /// The language's tag.
    pub fn tag(self) -> &'static str {
        &SPOKEN[self.0].tag
    }

    /// A text.
    pub fn text(self, key: &str) -> String {
        self.text_with(key, &[])
    }

    /// A text with values in it.
    pub fn text_with(self, key: &str, values: &[(&str, &str)]) -> String {
        let mut args = FluentArgs::new();
        for (name, value) in values {
            match value.parse::<i64>() {
                // As a number it chooses plural forms; an app named "007" keeps its name.
                Ok(number) if number.to_string() == *value => args.set(*name, number),
                _ => args.set(*name, *value),
            }
        }
        let found = [self.0, 0].into_iter().find_map(|language| {
            let bundle = &SPOKEN[language].texts;
            let pattern = bundle.get_message(key)?.value()?;
            Some(
                bundle
                    .format_pattern(pattern, Some(&args), &mut Vec::new())
                    .into_owned(),
            )
        });
        found.unwrap_or_else(|| key.to_owned())
    }

    fn of_tag(tag: &str) -> Option<Self> {
        SPOKEN
            .iter()
            .position(|spoken| spoken.tag.eq_ignore_ascii_case(tag))
            .map(Self)
    }
}

fn bundle(tag: &str, text: String) -> FluentBundle<FluentResource> {
    let language: LanguageIdentifier = tag.parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![language]);
    bundle.set_use_isolating(false); // the isolating marks would end up inside of links and subjects
    // Syntax and repeated keys are checked by a test, for the files are part of the program.
    let (Ok(resource) | Err((resource, _))) = FluentResource::try_new(text);
    let _repeated = bundle.add_resource(resource);
    bundle
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Vec<&str> {
        let names = text
            .lines()
            .filter(|l| l.starts_with(|c: char| c.is_ascii_lowercase()));
        let mut keys: Vec<_> = names
            .filter_map(|l| l.split_once(" =").map(|(key, _)| key))
            .collect();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn every_language_has_every_key_and_parses() {
        let files: Vec<_> = files().collect();
        let fallback = &files.iter().find(|(tag, _)| tag == FALLBACK).unwrap().1;
        assert!(files.len() > 1 && keys(fallback).len() > 20);
        for (tag, text) in &files {
            assert!(tag.parse::<LanguageIdentifier>().is_ok(), "{tag}");
            assert!(FluentResource::try_new(text.clone()).is_ok(), "{tag}");
            assert_eq!(keys(text), keys(fallback), "{tag}");
        }
    }

    #[test]
    fn every_text_that_is_asked_for_exists_and_every_text_is_asked_for() {
        let (mut sources, mut folders) = (String::new(), vec![std::path::PathBuf::from("src")]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                let path = entry.path();
                match path.extension().and_then(|end| end.to_str()) {
                    None => folders.push(path),
                    Some("rs" | "js" | "html") => {
                        sources += &std::fs::read_to_string(path).unwrap();
                    }
                    Some(_) => {}
                }
            }
        }
        let files: Vec<_> = files().collect();
        let known = keys(&files[0].1);
        for call in ["text(\"", "say(\"", "text_with(\""] {
            for asked in sources.split(call).skip(1) {
                let key = asked.split('"').next().unwrap();
                let is_key = key.contains('-') && key != "no-such-key";
                assert!(!is_key || known.contains(&key), "{key}");
            }
        }
        for key in known {
            assert!(sources.contains(&format!("\"{key}\"")), "{key}");
        }
    }

    #[test]
    fn a_text_that_no_language_has_shows_its_key() {
        assert_eq!(Language::default().text("no-such-key"), "no-such-key");
        assert_eq!(Language::default().tag(), FALLBACK);
    }

    #[test]
    fn the_header_chooses() {
        let tag = |header| Language::of_accept_language(header).tag();
        assert_eq!(tag(""), "en");
        assert_eq!(tag("fr-CA, en;q=0.8"), "fr");
        assert_eq!(tag("de, en;q=0.3, fr;q=0.5"), "fr");
        assert_eq!(tag("fr;q=0, *"), "en");
        assert_eq!(tag("de;q=x,,;"), "en");
    }

    #[test]
    fn the_first_known_wish_wins() {
        let (de, fr): (Locale, Locale) = ("de".parse().unwrap(), "fr-CH".parse().unwrap());
        assert_eq!(
            Language::of_locales([None, Some(&de), Some(&fr)]).tag(),
            "fr"
        );
        assert_eq!(Language::of_locales([Some(&de), None]).tag(), "en");
    }
}
