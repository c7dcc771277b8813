//! What the mails say: one layout in text and HTML, filled with the words of a language.

use askama::Template;
use uuid::Uuid;

use crate::domain::{EmailAddress, Instant};
use crate::texts::Language;

/// A mail, ready to be sent to its one recipient.
pub struct Letter {
    /// Becomes the Message-ID: the same for every try of one mail (bar E05).
    pub id: Uuid,
    /// The stored address.
    pub to: EmailAddress,
    /// When it is written.
    pub at: Instant,
    /// One line.
    pub subject: String,
    /// The text part.
    pub text: String,
    /// The HTML part: the same words.
    pub html: String,
}

#[derive(Template)]
#[template(path = "letter.html", config = "src/mail/askama.toml")]
struct Html<'a> {
    language: &'a str,
    title: &'a str,
    before: &'a [String],
    action: Option<&'a Action>,
    after: &'a [String],
}

#[derive(Template)]
#[template(path = "letter.txt", escape = "none", config = "src/mail/askama.toml")]
struct Text<'a> {
    before: &'a [String],
    action: Option<&'a Action>,
    after: &'a [String],
}

struct Action {
    invitation: String,
    button: String,
    link: String,
}

struct Words {
    subject: String,
    title: String,
    before: Vec<String>,
    action: Option<Action>,
    after: Vec<String>,
}

/// "Here is your link."
pub fn reset(
    id: Uuid,
    to: EmailAddress,
    language: Language,
    service: &str,
    link: String,
    at: Instant,
    expires_at: Instant,
) -> Letter {
    let minutes = (((expires_at - at).num_seconds() + 30) / 60)
        .max(1)
        .to_string();
    let until = expires_at.format("%Y-%m-%d %H:%M").to_string();
    let values = [
        ("service", service),
        ("minutes", minutes.as_str()),
        ("until", until.as_str()),
    ];
    let say = |key| language.text_with(key, &values);
    let words = Words {
        subject: say("reset-subject"),
        title: say("reset-title"),
        before: vec![say("reset-intro")],
        action: Some(Action {
            invitation: say("reset-link"),
            button: say("reset-button"),
            link,
        }),
        after: vec![say("reset-expiry"), say("reset-not-you")],
    };
    compose(id, to, language, at, &words)
}

/// "Your password was changed" (bar F21): no link, no secret.
pub fn password_changed(
    id: Uuid,
    to: EmailAddress,
    language: Language,
    service: &str,
    at: Instant,
    changed_at: Instant,
) -> Letter {
    let when = changed_at.format("%Y-%m-%d %H:%M").to_string();
    let values = [("service", service), ("at", when.as_str())];
    let say = |key| language.text_with(key, &values);
    let words = Words {
        subject: say("changed-subject"),
        title: say("changed-title"),
        before: vec![say("changed-intro")],
        action: None,
        after: vec![say("changed-you"), say("changed-not-you")],
    };
    compose(id, to, language, at, &words)
}

/// "This is not your address any more" (bar F21): to the old one, and without the new one.
pub fn email_changed(
    id: Uuid,
    to: EmailAddress,
    language: Language,
    service: &str,
    at: Instant,
    changed_at: Instant,
) -> Letter {
    let when = changed_at.format("%Y-%m-%d %H:%M").to_string();
    let values = [("service", service), ("at", when.as_str())];
    let say = |key| language.text_with(key, &values);
    let words = Words {
        subject: say("email-changed-subject"),
        title: say("email-changed-title"),
        before: vec![say("email-changed-intro")],
        action: None,
        after: vec![say("changed-you"), say("changed-not-you")],
    };
    compose(id, to, language, at, &words)
}

/// "It works": for `unforget mail test`.
pub fn test(id: Uuid, to: EmailAddress, language: Language, at: Instant) -> Letter {
    let words = Words {
        subject: language.text("test-subject"),
        title: language.text("test-title"),
        before: vec![language.text("test-intro")],
        action: None,
        after: Vec::new(),
    };
    compose(id, to, language, at, &words)
}

fn compose(id: Uuid, to: EmailAddress, language: Language, at: Instant, words: &Words) -> Letter {
    let action = words.action.as_ref();
    let html = Html {
        language: language.tag(),
        title: &words.title,
        before: &words.before,
        action,
        after: &words.after,
    };
    let text = Text {
        before: &words.before,
        action,
        after: &words.after,
    };
    // Writing a template into a String fails only when a value's Display does; these are strings.
    Letter {
        id,
        to,
        at,
        subject: words.subject.clone(),
        text: text.render().unwrap_or_default().trim().to_owned() + "\n",
        html: html.render().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e02_names_are_escaped_in_html_and_inert() {
        let to = EmailAddress::parse("ann@example.com").unwrap();
        let at = Instant::UNIX_EPOCH;
        let name = "<b>{{7*7}} ${x} { $until }</b>";
        let letter = reset(
            Uuid::nil(),
            to,
            Language::default(),
            name,
            "https://a.example/?t=1&u=2".to_owned(),
            at,
            at,
        );
        assert!(!letter.html.contains("<b>"));
        assert!(letter.html.contains("{{7*7}} ${x} { $until }"));
        assert!(letter.text.contains(name));
        assert!(letter.text.contains("https://a.example/?t=1&u=2\n"));
    }

    #[test]
    fn the_text_of_a_reset_mail() {
        let to = EmailAddress::parse("ann@example.com").unwrap();
        let at = Instant::UNIX_EPOCH;
        let expires = at + chrono::TimeDelta::minutes(60);
        let letter = reset(
            Uuid::nil(),
            to,
            Language::default(),
            "Quotes",
            "https://a.example/x".to_owned(),
            at,
            expires,
        );
        assert_eq!(letter.subject, "Reset your password for Quotes");
        assert_eq!(
            letter.text,
            "Someone asked for a new password for your account at Quotes.\n\n\
             To choose a new password, open this link:\n\nhttps://a.example/x\n\n\
             The link works once, until 1970-01-01 01:00 UTC: that is 60 minutes from the moment this mail was sent.\n\n\
             If this was not you, ignore this mail. Your password stays as it is.\n"
        );
    }
}
