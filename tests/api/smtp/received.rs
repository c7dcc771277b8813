//! A message as the SMTP sink got it: the bytes, and what a mail program makes of them.

use std::time::Instant;

use mail_parser::{Header, Message, MessageParser, MessagePart, PartType};

/// One message that came through to its final dot.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// The envelope sender, without brackets; empty for the null sender.
    pub(crate) from: String,
    /// The envelope recipients.
    pub(crate) to: Vec<String>,
    /// The message: dot-unstuffed, without the closing dot, otherwise byte for byte.
    pub(crate) raw: Vec<u8>,
    /// What was sent after the 354, dots still stuffed and the closing dot included.
    pub(crate) wire: Vec<u8>,
    /// When the final dot came.
    pub(crate) at: Instant,
    /// Whether the sink took it. The client may not have heard the answer.
    pub(crate) accepted: bool,
}

impl Received {
    pub(super) fn new(from: String, to: Vec<String>, wire: Vec<u8>, accepted: bool) -> Self {
        Self {
            raw: unstuff(&wire),
            from,
            to,
            wire,
            at: Instant::now(),
            accepted,
        }
    }

    /// The message as a mail program shows it.
    pub(crate) fn parse(&self) -> Mail {
        let message = MessageParser::default()
            .parse(&self.raw)
            .expect("the sink got something that is not a mail");
        let text = message.text_bodies().find_map(plain).unwrap_or_default();
        let html = message.html_bodies().find_map(html).unwrap_or_default();
        let field = |header: &Header<'_>| field(&message, header);
        Mail {
            headers: message.headers().iter().map(field).collect(),
            text,
            html,
        }
    }
}

/// A parsed message.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    /// The text part, decoded; empty when there is none.
    pub(crate) text: String,
    /// The HTML part, decoded; empty when there is none.
    pub(crate) html: String,
    headers: Vec<(String, String)>,
}

impl Mail {
    /// The first header of that name: unfolded, and with encoded words decoded where it is free text, like the subject.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone())
    }

    /// All headers in their order, named as on the wire, with values as in [`Mail::header`].
    pub(crate) fn headers(&self) -> Vec<(String, String)> {
        self.headers.clone()
    }

    /// The reset token in the text part.
    pub(crate) fn token(&self) -> String {
        let Some(start) = self.text.find("uf_rt_") else {
            panic!("no reset token in this mail:\n{}", self.text);
        };
        let token = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
        self.text[start..].chars().take_while(token).collect()
    }
}

/// Panics at a CR or LF that stands alone: the seed of SMTP smuggling (RFC 5321 section 2.3.8).
pub(crate) fn assert_clean_line_endings(bytes: &[u8]) {
    for (at, byte) in bytes.iter().enumerate() {
        let alone = match byte {
            b'\n' => at == 0 || bytes[at - 1] != b'\r',
            b'\r' => bytes.get(at + 1) != Some(&b'\n'),
            _ => false,
        };
        if alone {
            let context = &bytes[at.saturating_sub(40)..bytes.len().min(at + 40)];
            panic!(
                "a lone {:?} at byte {at}, in \"{}\"",
                char::from(*byte),
                context.escape_ascii()
            );
        }
    }
}

fn plain(part: &MessagePart<'_>) -> Option<String> {
    match &part.body {
        PartType::Text(text) => Some(text.to_string()),
        _ => None,
    }
}

fn html(part: &MessagePart<'_>) -> Option<String> {
    match &part.body {
        PartType::Html(html) => Some(html.to_string()),
        _ => None,
    }
}

fn field(message: &Message<'_>, header: &Header<'_>) -> (String, String) {
    let slice = |from: u32, to: u32| {
        String::from_utf8_lossy(&message.raw_message()[from as usize..to as usize]).into_owned()
    };
    let name = slice(header.offset_field, header.offset_start);
    let name = name.trim_end().trim_end_matches(':').trim_end().to_owned();
    let raw = slice(header.offset_start, header.offset_end);
    let raw = raw.replace("\r\n", "").trim().to_owned();
    let value = match header.value.as_text() {
        Some(decoded) if raw.contains("=?") => decoded.to_owned(),
        _ => raw,
    };
    (name, value)
}

/// Takes the closing dot away, and the dot that the client put before a line's own dot (RFC 5321 section 4.5.2).
fn unstuff(wire: &[u8]) -> Vec<u8> {
    let stuffed = wire.strip_suffix(b".\r\n").unwrap_or(wire);
    let mut raw = Vec::with_capacity(stuffed.len());
    for (at, byte) in stuffed.iter().enumerate() {
        let starts_line = at == 0 || stuffed[..at].ends_with(b"\r\n");
        if !(starts_line && *byte == b'.') {
            raw.push(*byte);
        }
    }
    raw
}
