//! What a mail says, in English and in French, and what it never says (E07, E08).

use serde_json::json;

use crate::both;
use crate::delivery::first_failure;
use crate::helpers::{APP, Backend, OLD_PASSWORD, TestApp};
use crate::mail::{HEADERS, header_names, mail_of, user_of_language};
use crate::smtp::assert_clean_line_endings;

/// What the HTML part's only link leads to.
fn href(html: &str) -> String {
    let (_, rest) = html.split_once("href=\"").unwrap();
    let (link, rest) = rest.split_once('"').unwrap();
    assert!(!rest.contains("href"), "a second link: {rest}");
    link.replace("&#38;", "&").replace("&amp;", "&")
}

both! {
    async fn e07_e08_the_link_is_whole_and_the_token_is_there_once_in_each_part(app: TestApp) {
        let email = "o'neil+tag&x=y@example.com";
        app.user(email).await;
        let start = "https://quotes.example/reset?t={token}&mail={email}&hl={locale}&pad=";
        let template = format!("{start}{}", "x.=".repeat(300));
        let client = app.client_with(APP, |new| new.reset_url = Some(template.parse().unwrap())).await;
        let token = app.token_of(&client).await;
        app.remind(&token, email).await;
        let mail = app.mails(1).await.remove(0).parse();
        let reset_token = mail.token();
        let link = template
            .replace("{token}", &reset_token)
            .replace("{email}", "o%27neil%2Btag%26x%3Dy%40example.com")
            .replace("{locale}", "en");
        assert!(mail.text.lines().any(|line| line.trim_end() == link), "{}", mail.text);
        assert_eq!(href(&mail.html), link);
        for part in [&mail.text, &mail.html] {
            assert_eq!(part.matches(&reset_token).count(), 1);
            assert_eq!(part.matches("uf_").count(), 1);
        }
        assert_eq!(app.check(&token, &reset_token).await.said(), "200 token_valid");
    }

    async fn e08_a_reset_mail_states_its_end_and_loads_nothing(app: TestApp) {
        app.user("ann@example.com").await;
        let mail = mail_of(&app, "Teen Quotes", "ann@example.com").await.parse();
        let report = app.flows.list_mails(None, 1).await.unwrap().remove(0);
        let until = report.mail.expires_at.format("%Y-%m-%d %H:%M UTC").to_string();
        for part in [&mail.text, &mail.html] {
            for words in [until.as_str(), "60 minutes", "works once", "If this was not you"] {
                assert!(part.contains(words), "{words}: {part}");
            }
            assert_eq!(part.matches("http").count(), 1, "more than the link: {part}");
            assert!(!part.contains(OLD_PASSWORD));
        }
        for remote in ["<img", "<link", "<script", "<iframe", "url(", "src=", "@import"] {
            assert!(!mail.html.contains(remote), "{remote}");
        }
    }

    async fn e08_a_late_mail_states_the_time_that_is_left(app: TestApp) {
        app.user("ann@example.com").await;
        app.sink.stop();
        let token = app.token(APP).await;
        app.remind(&token, "ann@example.com").await;
        first_failure(&app).await;
        app.sink.resume().await;
        app.advance(1800);
        let mail = app.mails(1).await.remove(0).parse();
        assert!(mail.text.contains("30 minutes"), "{}", mail.text);
    }

    async fn the_calls_language_wins_over_the_users_and_that_over_the_clients(app: TestApp) {
        let (english, french) = ("Reset your password for Teen Quotes", "Réinitialisez votre mot de passe pour Teen Quotes");
        let table = [
            (None, None, None, english, "en"),
            (None, None, Some("fr"), french, "fr"),
            (None, Some("en"), Some("fr"), english, "en"),
            (None, Some("fr-CA"), Some("en"), french, "fr"),
            (Some("fr"), Some("en"), Some("en"), french, "fr"),
            (Some("en"), Some("fr"), Some("fr"), english, "en"),
            (Some("de"), Some("fr"), Some("en"), french, "fr"), // a language that we do not speak is no wish
        ];
        for (index, (call, user, client, subject, language)) in table.into_iter().enumerate() {
            let email = format!("u{index}@example.com");
            user_of_language(&app, &email, user).await;
            let client = app.client_with(APP, |new| new.locale = client.map(|l| l.parse().unwrap())).await;
            let token = app.token_of(&client).await;
            let body = json!({"email": email, "locale": call});
            let body = if call.is_some() { body } else { json!({"email": email}) };
            assert_eq!(app.post("/v1/password/remind", &token, body).await.said(), "200 reminder_sent");
            let mail = app.mails(index + 1).await.remove(index).parse();
            assert_eq!(mail.header("Subject").as_deref(), Some(subject), "row {index}");
            assert!(mail.html.contains(&format!("<html lang=\"{language}\">")), "row {index}");
        }
    }

    async fn e08_the_notice_has_no_link_no_token_and_no_password(app: TestApp) {
        let cases = [
            (None, "Your password for Teen Quotes was changed", "If it was not you, ask Teen Quotes for help"),
            (Some("fr"), "Votre mot de passe pour Teen Quotes a été modifié", "Si ce n'était pas vous"),
        ];
        for (index, (locale, subject, warning)) in cases.into_iter().enumerate() {
            let email = format!("u{index}@example.com");
            user_of_language(&app, &email, locale).await;
            let token = app.token(APP).await;
            let reset_token = app.mailed_token(&token, &email).await;
            assert_eq!(app.reset(&token, &email, &reset_token, "a new secret").await.status, 200);
            let received = app.mails(2 * index + 2).await.remove(2 * index + 1);
            assert_eq!(received.to, [email]);
            assert_clean_line_endings(&received.wire);
            let mail = received.parse();
            assert_eq!(header_names(&mail), HEADERS);
            assert_eq!(mail.header("Subject").as_deref(), Some(subject));
            assert!(mail.text.contains(warning), "{}", mail.text);
            for part in [&mail.text, &mail.html] {
                for secret in ["http", "href", "uf_", reset_token.as_str(), "a new secret"] {
                    assert!(!part.contains(secret), "{secret}: {part}");
                }
            }
        }
    }
}
