//! What we say to people, by language (Fluent). A new language is a new file here, and its line in `FILES`.

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use unic_langid::LanguageIdentifier;

use crate::domain::Locale;

/// The languages that we speak. The first one is the fallback.
const FILES: [(&str, &str); 2] = [
    ("en", include_str!("en.ftl")),
    ("fr", include_str!("fr.ftl")),
];

static BUNDLES: LazyLock<Vec<FluentBundle<FluentResource>>> =
    LazyLock::new(|| FILES.iter().map(|(tag, text)| bundle(tag, text)).collect());

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
        FILES[self.0].0
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
            let bundle = &BUNDLES[language];
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
        FILES
            .iter()
            .position(|(known, _)| known.eq_ignore_ascii_case(tag))
            .map(Self)
    }
}

fn bundle(tag: &str, text: &str) -> FluentBundle<FluentResource> {
    let language: LanguageIdentifier = tag.parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![language]);
    bundle.set_use_isolating(false); // the isolating marks would end up inside of links and subjects
    // Syntax and repeated keys are checked by a test, for the files are part of the program.
    let (Ok(resource) | Err((resource, _))) = FluentResource::try_new(text.to_owned());
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
        for (tag, text) in FILES {
            assert!(FluentResource::try_new(text.to_owned()).is_ok(), "{tag}");
            assert_eq!(keys(text), keys(FILES[0].1), "{tag}");
        }
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
