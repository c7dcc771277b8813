//! The fields of a body or a query, read into values that cannot be wrong. Errors name the field, never its value.

use std::collections::HashSet;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::body::Format;
use super::error::{ApiError, Problem};
use crate::domain::json::{self, Strict};
use crate::domain::profile::holds_secret;
use crate::domain::{EmailAddress, Locale, Password, PlainToken, Refusal, ResetToken};
use crate::flows::password::Chosen;
use crate::oauth::guard::Denied;

/// What a handler takes from a request's body.
pub(super) trait FromFields: Sized {
    /// Reads the fields, or names the one that is wrong.
    fn from_fields(fields: &Fields) -> Result<Self, ApiError>;
}

/// The fields of a body, each name once. Unknown ones are ignored, repeated ones are not (bar F05, H06).
pub(super) struct Fields(Vec<(String, Value)>);

impl Fields {
    pub(super) fn parse(format: Format, bytes: &[u8]) -> Result<Self, ApiError> {
        let fields = match format {
            Format::Json => {
                serde_json::from_slice::<Self>(bytes).map_err(|_| ApiError::Unreadable)?
            }
            Format::Form => Self(
                form(bytes)?
                    .into_iter()
                    .map(|(name, value)| (name, Value::String(value)))
                    .collect(),
            ),
        };
        // A token in the form beside the one in the header (RFC 6750 section 2, bar B04).
        if format == Format::Form && fields.0.iter().any(|(name, _)| name == "access_token") {
            return Err(ApiError::Denied(Denied::InvalidRequest));
        }
        Ok(fields)
    }

    /// The fields of a query.
    pub(super) fn of_query(query: &str) -> Result<Self, ApiError> {
        Self::parse(Format::Form, query.as_bytes())
    }

    /// Every name with its value.
    pub(super) fn pairs(&self) -> &[(String, Value)] {
        &self.0
    }

    /// The value of a field, null too.
    pub(super) fn value(&self, name: &'static str) -> Result<Option<&Value>, ApiError> {
        let mut found = self.0.iter().filter(|(field, _)| field == name);
        match (found.next(), found.next()) {
            (found, None) => Ok(found.map(|(_, value)| value)),
            _ => Err(ApiError::field(name, Problem::Repeated)),
        }
    }

    /// Refuses a repeated name that nobody asked for. One that is asked for was refused by name. For JSON, where an object with
    /// a key twice means nothing (RFC 8259 section 4); forms repeat names for lists.
    pub(super) fn require_unique_names(&self) -> Result<(), ApiError> {
        let mut seen = HashSet::new();
        let unique = self.0.iter().all(|(name, _)| seen.insert(name));
        unique.then_some(()).ok_or(ApiError::Unreadable)
    }

    /// The fields inside of a field: of a JSON object, or the names in brackets of a form, such as `user[password]`. None when
    /// there are none.
    pub(super) fn inside(&self, name: &'static str) -> Result<Self, ApiError> {
        let bracketed = |field: &str| {
            let inner = field.strip_prefix(name)?.strip_prefix('[')?;
            inner.strip_suffix(']').map(str::to_owned)
        };
        match self.value(name)? {
            None | Some(Value::Null) => {
                let pairs = self.0.iter();
                let inside = pairs.filter_map(|(field, v)| Some((bracketed(field)?, v.clone())));
                Ok(Self(inside.collect()))
            }
            Some(Value::Object(object)) => {
                let pairs = object.iter().map(|(name, v)| (name.clone(), v.clone()));
                Ok(Self(pairs.collect()))
            }
            Some(_) => Err(ApiError::field(name, Problem::WrongType)),
        }
    }

    /// The text of a field that must be there, not be empty and not hold U+0000 (bar P05): other systems say so.
    pub(super) fn filled(&self, name: &'static str) -> Result<&str, ApiError> {
        match self.text(name)? {
            "" => Err(ApiError::field(name, Problem::Empty)),
            text if text.contains('\0') => Err(ApiError::field(name, Problem::Malformed)),
            text => Ok(text),
        }
    }

    /// The text of a field that must be there.
    pub(super) fn text(&self, name: &'static str) -> Result<&str, ApiError> {
        self.optional_text(name)?
            .ok_or(ApiError::field(name, Problem::Missing))
    }

    /// The text of a field that may be there. JSON's null is as good as absence.
    pub(super) fn optional_text(&self, name: &'static str) -> Result<Option<&str>, ApiError> {
        match self.value(name)? {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(ApiError::field(name, Problem::WrongType)),
        }
    }

    /// A truth value that may be there: in a form it is a word.
    pub(super) fn flag(&self, name: &'static str) -> Result<Option<bool>, ApiError> {
        match self.value(name)? {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(Value::String(text)) if text == "true" => Ok(Some(true)),
            Some(Value::String(text)) if text == "false" => Ok(Some(false)),
            Some(_) => Err(ApiError::field(name, Problem::WrongType)),
        }
    }

    /// A profile that may be there: a JSON object. Nowhere in it may be U+0000, which PostgreSQL cannot store (bar P05), or what
    /// the apps must not see.
    pub(super) fn profile(
        &self,
        name: &'static str,
    ) -> Result<Option<&Map<String, Value>>, ApiError> {
        match self.value(name)? {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(object)) if object.iter().any(holds_nul) || holds_secret(object) => {
                Err(ApiError::field(name, Problem::Malformed))
            }
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(_) => Err(ApiError::field(name, Problem::WrongType)),
        }
    }

    /// An address; a malformed one is an address of nobody.
    pub(super) fn email(&self, name: &'static str) -> Result<EmailAddress, ApiError> {
        EmailAddress::parse(self.text(name)?).map_err(|_| ApiError::WrongUser)
    }

    /// An address that somebody has or is to have; a malformed one is a mistake of the caller's.
    pub(super) fn well_formed_email(&self, name: &'static str) -> Result<EmailAddress, ApiError> {
        let malformed = |_| ApiError::field(name, Problem::Malformed);
        EmailAddress::parse(self.text(name)?).map_err(malformed)
    }

    /// A language tag.
    pub(super) fn locale(&self, name: &'static str) -> Result<Option<Locale>, ApiError> {
        let parse = |text: &str| {
            text.parse()
                .map_err(|_| ApiError::field(name, Problem::Malformed))
        };
        self.optional_text(name)?
            .filter(|text| !text.is_empty())
            .map(parse)
            .transpose()
    }

    /// A reset token; none when the text cannot be one.
    pub(super) fn reset_token(
        &self,
        name: &'static str,
    ) -> Result<Option<PlainToken<ResetToken>>, ApiError> {
        Ok(PlainToken::parse(self.text(name)?))
    }

    /// A password to be compared with the stored one; none when the text cannot be anybody's.
    pub(super) fn password(&self, name: &'static str) -> Result<Option<Password>, ApiError> {
        Ok(Password::parse(self.text(name)?).ok())
    }

    /// A new password that is sent once, or why it cannot be one.
    pub(super) fn new_password_once(&self, name: &'static str) -> Result<NewPassword, ApiError> {
        Ok(Password::parse(self.text(name)?).map(Chosen::from))
    }

    /// A new password, with whether its confirmation differs, or why it cannot be one.
    pub(super) fn new_password(
        &self,
        name: &'static str,
        confirmation: &'static str,
    ) -> Result<NewPassword, ApiError> {
        let text = self.text(name)?;
        let confirmation = self.optional_text(confirmation)?.map(Password::parse);
        let chosen = |password: Password| Chosen {
            mismatch: confirmation.is_some_and(|other| other.as_ref() != Ok(&password)),
            password,
        };
        Ok(Password::parse(text).map(chosen))
    }
}

/// A new password, or why it cannot be one: that is told after what is missing or of the wrong type.
pub(super) type NewPassword = Result<Chosen, Refusal>;

fn holds_nul((name, value): (&String, &Value)) -> bool {
    let in_value = match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(|item| holds_nul((name, item))),
        Value::Object(object) => object.iter().any(holds_nul),
        _ => false,
    };
    in_value || name.contains('\0')
}

impl Drop for Fields {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(|(_, value)| json::wipe(value));
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Fields;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Fields(Vec::new());
                while let Some((name, Strict(value))) = map.next_entry()? {
                    fields.0.push((name, value));
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// Decodes a form (RFC 6749 appendix B: UTF-8). Not being UTF-8, or a broken `%`, is an error and not replaced.
pub(super) fn form(bytes: &[u8]) -> Result<Vec<(String, String)>, ApiError> {
    let malformed = || ApiError::Unreadable;
    let text = std::str::from_utf8(bytes).map_err(|_| malformed())?;
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    let decode = |part: &str| form_decode(part).ok_or_else(malformed);
    let read = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decode(name)?, decode(value)?))
    };
    pairs.map(read).collect()
}

/// Decodes one half of a form's pair.
pub(super) fn form_decode(text: &str) -> Option<String> {
    if !text.contains(['%', '+']) {
        return Some(text.to_owned()); // as nearly all that is sent
    }
    let mut broken = text.split('%').skip(1).map(|rest| rest.as_bytes());
    if broken.any(|rest| rest.len() < 2 || !rest[..2].iter().all(u8::is_ascii_hexdigit)) {
        return None;
    }
    let spaced = text.replace('+', " ");
    percent_encoding::percent_decode_str(&spaced)
        .decode_utf8()
        .ok()
        .map(|text| text.into_owned())
}
