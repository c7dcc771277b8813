//! What strangers write, in every field that reaches a mail (bar E02, E03): refused, or harmless there. Forty payloads through each.

use reqwest::header::{ACCEPT_LANGUAGE, HeaderValue};
use serde_json::{Value, json};
use unforget::domain::Scopes;

use crate::both;
use crate::helpers::{Backend, Reply, TestApp};
use crate::mail::{HEADERS, header_names};
use crate::smtp::assert_clean_line_endings;

/// What would begin a header, end a mail, be markup, or be filled in by somebody's template engine. In each, `Eve` is who must not be seen
/// in the head.
const PAYLOADS: [&str; 40] = [
    "\r\nBcc: Eve@evil.example",
    "\nBcc: Eve@evil.example",
    "\rBcc: Eve@evil.example",
    "\r\n\r\nEve",
    "\r\n.\r\nMAIL FROM:<Eve@evil.example>",
    "\n.\nMAIL FROM:<Eve@evil.example>",
    "\n.\r\nMAIL FROM:<Eve@evil.example>",
    "\r.\rEve",
    "\r\n..\r\nEve",
    "\0Eve",
    "\u{b}Bcc: Eve@evil.example",
    "\u{c}Eve",
    "\u{85}Bcc: Eve@evil.example",
    "\u{2028}Bcc: Eve@evil.example",
    "\u{2029}Eve",
    "\u{1b}[2JEve",
    "\u{7f}Eve",
    "\u{202e}Eve",
    "\u{feff}Eve",
    "%0d%0aBcc:%20Eve@evil.example",
    "%0aEve",
    "\\r\\nBcc: Eve@evil.example",
    "=?utf-8?q?=0D=0ABcc:_Eve@evil.example?=",
    "=0D=0ABcc: Eve@evil.example",
    "Eve@evil.example, ",
    ",Eve@evil.example",
    ";Eve@evil.example",
    " <Eve@evil.example>",
    "\" <Eve@evil.example> \"",
    "(Eve)",
    "<b>Eve</b>",
    "<script>Eve</script>",
    "'><img src=Eve onerror=x>",
    "{{7*7}}Eve",
    "${7*7}Eve",
    "{% raw %}Eve",
    "{ $app }Eve",
    "{token}Eve",
    "%sEve%n",
    ". . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . . Eve",
];

/// Sends JSON with a language that is asked for, if a header can hold it.
async fn send(app: &TestApp, path: &str, token: &str, language: &str, body: &Value) -> Reply {
    let request = app.request("POST", path).bearer_auth(token).json(body);
    let request = match HeaderValue::from_bytes(language.as_bytes()) {
        Ok(value) => request.header(ACCEPT_LANGUAGE, value),
        Err(_) => request,
    };
    Reply::of(request.send().await.unwrap()).await
}

both! {
    async fn e02_e03_no_payload_in_any_field_becomes_a_header_a_recipient_or_markup(app: TestApp) {
        let all = app.token(&Scopes::all().to_string()).await;
        let (mut wanted, mut odd) = (Vec::new(), Vec::new());
        for (index, payload) in PAYLOADS.into_iter().enumerate() {
            let email = format!("u{index}@example.com");
            let profile = json!({"name": payload, payload: payload, "first_name": format!("Ann{payload}")});
            let made = app.post("/v1/users", &all, json!({"email": email, "profile": profile})).await;
            // A NUL is refused wherever it is (P05).
            assert_eq!(made.status, if payload.contains('\0') { 400 } else { 201 }, "{payload:?}: {made:?}");
            if made.status == 400 {
                assert_eq!(app.post("/v1/users", &all, json!({"email": email})).await.status, 201);
            }
            for bad in [format!("v{index}@example.com{payload}"), format!("v{index}{payload}@example.com"), format!("{payload}v{index}@example.com")] {
                let reply = app.post("/v1/users", &all, json!({"email": bad})).await;
                // Some are fine in a mailbox; they get a mail below.
                match reply.status {
                    // IDNA drops what is not seen in a domain, so the stored address counts.
                    201 => odd.push(reply.json()["user"]["email"].as_str().unwrap().to_owned()),
                    status => assert_eq!(status, 400, "{bad:?}: {reply:?}"),
                }
            }
            let id = made.json()["user"]["id"].as_str().unwrap_or_default().to_owned();
            for locale in [payload.to_owned(), format!("fr{payload}"), format!("fr-{payload}")] {
                let request = app.request("PATCH", &format!("/v1/users/{id}")).bearer_auth(&all).json(&json!({"locale": locale}));
                assert!((400..=405).contains(&request.send().await.unwrap().status().as_u16()), "{locale:?}");
                let reply = app.post("/v1/password/remind", &all, json!({"email": email, "locale": locale})).await;
                assert_eq!(reply.said(), "400 invalid_request", "{locale:?}");
            }
            // An app that calls itself so, or has its links lead there.
            let mut tokens = vec![all.clone()];
            for description in [
                json!({"client_name": format!("Quotes{payload}"), "scope": "password:remind password:reset"}),
                json!({"client_name": "Quotes", "scope": "password:remind password:reset", "reset_url": format!("https://quotes.example/{payload}?t={{token}}")}),
                json!({"client_name": "Quotes", "scope": "password:remind password:reset", "reset_url": format!("https://quotes.example{payload}/{{token}}")}),
                json!({"client_name": "Quotes", "scope": "password:remind password:reset", "locale": format!("fr{payload}")}),
            ] {
                let reply = app.post("/oauth/register", &all, description.clone()).await;
                assert!([201, 400].contains(&reply.status), "{description}: {reply:?}");
                if reply.status == 201 {
                    let text = |key: &str| reply.json()[key].as_str().unwrap().to_owned();
                    let client = crate::helpers::TestClient { id: text("client_id"), secret: text("client_secret") };
                    tokens.push(app.token_of(&client).await);
                }
            }
            for (number, token) in tokens.iter().enumerate() {
                let email = format!("w{index}-{number}@example.com");
                assert_eq!(app.post("/v1/users", &all, json!({"email": email, "profile": {"name": "Eve"}})).await.status, 201);
                let reply = send(&app, "/v1/password/remind", token, payload, &json!({"email": email})).await;
                assert_eq!(reply.said(), "200 reminder_sent", "{payload:?}");
                wanted.push(email);
            }
            let reply = send(&app, "/v1/password/remind", &all, payload, &json!({"email": email})).await;
            assert_eq!(reply.said(), "200 reminder_sent");
            wanted.push(email);
        }
        for email in odd {
            assert_eq!(app.remind(&all, &email).await.said(), "200 reminder_sent", "{email}");
            wanted.push(email);
        }
        let mails = app.mails(wanted.len()).await;
        app.quiet().await;
        assert_eq!(app.sink.offered().len(), wanted.len(), "nobody else got a mail");
        for received in mails {
            assert_clean_line_endings(&received.wire);
            let body = received.wire.strip_suffix(b"\r\n.\r\n").unwrap();
            assert!(!body.windows(5).any(|w| w == b"\r\n.\r\n"));
            let mail = received.parse();
            assert_eq!(header_names(&mail), HEADERS, "{:?}", received.to);
            assert_eq!(received.to.len(), 1);
            assert!(wanted.contains(&received.to[0]), "{:?}", received.to);
            for header in ["From", "Message-ID", "Date"] {
                assert!(!mail.header(header).unwrap().contains("Eve"), "{header}: {mail:?}");
            }
            for markup in ["<b>Eve", "<script", "<img", "49Eve"] {
                assert!(!mail.html.contains(markup), "{markup}: {}", mail.html);
            }
            assert!(!mail.text.contains("49Eve"), "{}", mail.text);
            assert!(mail.text.contains("uf_rt_"), "the link is whole: {}", mail.text);
        }
        // And the letters were sent by no more commands than each needs.
        let commands = app.sink.commands();
        let count = |word: &str| commands.iter().filter(|line| line.to_uppercase().starts_with(word)).count();
        assert_eq!((count("MAIL FROM"), count("RCPT TO")), (wanted.len(), wanted.len()));
        assert!(commands.iter().all(|line| !line.contains(['\r', '\n', '\0'])));
    }
}
