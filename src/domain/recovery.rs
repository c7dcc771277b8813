//! The rules of asking and of links: how often, how long, how many.

use chrono::TimeDelta;

use super::Instant;

/// How many of a user's newest links work at the same time. An impatient user who asks twice may use either mail; success
/// ends them all (bar F14).
pub const LIVE_LINKS: usize = 3;

/// How far ahead of this node's clock another's may be. What claims to come from further ahead was written while a clock was wrong
/// (bar D09).
pub const SKEW: TimeDelta = TimeDelta::minutes(5);

/// The configured rules of recovery.
#[derive(Debug, Clone)]
pub struct RecoveryRules {
    /// How long a link works, counted from the request (bar F10).
    pub lifetime: TimeDelta,
    /// Within this time a second request for an address sends nothing.
    pub cooldown: TimeDelta,
    /// How many mails an address may be sent within an hour (bar F29).
    pub per_hour: usize,
}

/// What becomes of a request for a reset mail. It depends on the address alone, not on whether an account stands behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// Queue a mail.
    Send,
    /// The same answer as for `Send`, and no mail: one was queued just now.
    Quiet,
    /// Too many this hour: come back after this time.
    Refuse(TimeDelta),
}

impl RecoveryRules {
    /// The start of the time that `rule` needs to know about.
    pub fn window_start(&self, now: Instant) -> Instant {
        now - TimeDelta::hours(1).max(self.cooldown)
    }

    /// Rules on a request, given when mails were last queued for the address, newest first.
    pub fn rule(&self, now: Instant, queued: &[Instant]) -> Ruling {
        let hour = TimeDelta::hours(1);
        let from_ahead = queued.iter().take_while(|at| **at > now + SKEW).count();
        let queued = &queued[from_ahead..];
        if queued
            .first()
            .is_some_and(|last| now - *last < self.cooldown)
        {
            return Ruling::Quiet;
        }
        let in_hour: Vec<_> = queued.iter().filter(|at| now - **at < hour).collect();
        match in_hour.get(self.per_hour - 1) {
            Some(oldest) => Ruling::Refuse(**oldest + hour - now),
            None => Ruling::Send,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cool_down_is_quiet_and_the_hourly_cap_is_not() {
        let rules = RecoveryRules {
            lifetime: TimeDelta::hours(1),
            cooldown: TimeDelta::seconds(60),
            per_hour: 2,
        };
        let now = Instant::UNIX_EPOCH + TimeDelta::days(20_000);
        let ago = |s| now - TimeDelta::seconds(s);
        assert_eq!(rules.rule(now, &[]), Ruling::Send);
        assert_eq!(rules.rule(now, &[ago(59)]), Ruling::Quiet);
        assert_eq!(rules.rule(now, &[ago(60)]), Ruling::Send);
        assert_eq!(
            rules.rule(now, &[ago(60), ago(3000)]),
            Ruling::Refuse(TimeDelta::seconds(600))
        );
        assert_eq!(rules.rule(now, &[ago(60), ago(3600)]), Ruling::Send);
        let ahead = [ago(-90_000), ago(-80_000), ago(-301)];
        assert_eq!(rules.rule(now, &ahead), Ruling::Send);
        assert_eq!(rules.rule(now, &[ahead[0], ago(-299)]), Ruling::Quiet);
    }
}
