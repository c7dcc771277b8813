//! What options and files state, as people write it: times and durations, and names that shells complete.

use std::ffi::OsStr;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use clap::builder::{PossibleValue, PossibleValuesParser, StringValueParser, TypedValueParser};

use crate::domain::client::TOKEN_LIFETIMES;
use crate::domain::{AuthMethod, Instant, Scope, Scopes};

/// Scopes in one text, and the names of all there are.
#[derive(Clone)]
pub(super) struct Several;

impl TypedValueParser for Several {
    type Value = Scopes;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<Scopes, clap::Error> {
        let text = StringValueParser::new().try_map(|text| text.parse::<Scopes>());
        text.parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let all = Scope::ALL.iter();
        let values = all.map(|scope| PossibleValue::new(scope.name()).help(scope.about()));
        Some(Box::new(values))
    }
}

/// The names of the ways to authenticate.
pub(super) fn auth_methods() -> impl TypedValueParser<Value = AuthMethod> {
    PossibleValuesParser::new(AuthMethod::ALL.map(AuthMethod::name))
        .try_map(|name| name.parse::<AuthMethod>())
}

/// A time to come, or a distance to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// From now.
    In(TimeDelta),
    /// At a time.
    At(Instant),
}

impl When {
    pub(super) fn from(self, now: Instant) -> Instant {
        match self {
            When::In(distance) => now + distance,
            When::At(at) => at,
        }
    }
}

/// Reads `90m`, or a time as in RFC 3339.
pub(super) fn when(text: &str) -> Result<When, String> {
    if let Ok(at) = instant(text) {
        return Ok(When::At(at));
    }
    match overlap(text) {
        Ok(distance) => Ok(When::In(distance)),
        Err(_) => Err(
            "a duration such as 1h, at most a year, or a time such as 2027-01-31T00:00:00Z"
                .to_owned(),
        ),
    }
}

/// Reads a time as in RFC 3339, in whole seconds.
pub(super) fn instant(text: &str) -> Result<Instant, String> {
    let at = DateTime::parse_from_rfc3339(text).ok();
    let at = at.map(|at| at.with_timezone(&Utc));
    at.and_then(|at| at.duration_trunc(TimeDelta::seconds(1)).ok())
        .ok_or("a time such as 2027-01-31T00:00:00Z".to_owned())
}

fn duration(text: &str) -> Result<TimeDelta, String> {
    let parsed = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    TimeDelta::from_std(parsed).map_err(|error| error.to_string())
}

/// How long tokens may live.
pub(super) fn lifetime(text: &str) -> Result<TimeDelta, String> {
    duration(text).and_then(|lifetime| {
        TOKEN_LIFETIMES
            .contains(&lifetime)
            .then_some(lifetime)
            .ok_or("from 1s to 30days".to_owned())
    })
}

/// How long old secrets may go on.
pub(super) fn overlap(text: &str) -> Result<TimeDelta, String> {
    let bounds = TimeDelta::zero()..=TimeDelta::days(366);
    duration(text).and_then(|overlap| {
        bounds
            .contains(&overlap)
            .then_some(overlap)
            .ok_or("at most a year".to_owned())
    })
}
