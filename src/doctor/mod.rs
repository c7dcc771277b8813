//! Looks at everything that the service needs, with a time limit on each, and changes nothing: what is well, what is doubtful, what is broken, and what to do about it. Nothing that it says holds a secret.

mod database;
mod settings;

use std::time::Duration;

use tokio::sync::oneshot;

use crate::breaches::Breaches;
use crate::clock::{self, Clock};
use crate::config::Settings;
use crate::domain::Password;
use crate::hasher::Hasher;
use crate::mail::Mailer;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// A hash that takes less is cheap to guess at, one that takes more keeps users waiting.
const FAST: Duration = Duration::from_millis(60);
const SLOW: Duration = Duration::from_millis(1000);

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// As it should be.
    Ok,
    /// The service runs, and something should be done.
    Warning,
    /// The service does not run so, or not as it should.
    Error,
}

impl Level {
    /// Its name in output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What one look found.
#[derive(Debug, Clone)]
pub struct Check {
    /// What was looked at: a word that stays.
    pub name: &'static str,
    /// How it ended.
    pub level: Level,
    /// What was found, and what to do, in one line.
    pub text: String,
}

impl Check {
    /// All is well.
    pub fn ok(name: &'static str, text: impl Into<String>) -> Self {
        Self::new(name, Level::Ok, text)
    }

    /// Something should be done.
    pub fn warning(name: &'static str, text: impl Into<String>) -> Self {
        Self::new(name, Level::Warning, text)
    }

    /// Something must be done.
    pub fn error(name: &'static str, text: impl Into<String>) -> Self {
        Self::new(name, Level::Error, text)
    }

    fn new(name: &'static str, level: Level, text: impl Into<String>) -> Self {
        let text: String = text.into();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        Self { name, level, text }
    }
}

/// Looks at everything.
pub async fn examine(settings: &Settings, clock: &Clock) -> Vec<Check> {
    let mut checks = vec![Check::ok("configuration", "every key and value is valid")];
    checks.extend(settings::examine(settings));
    let (database, mail, hash, breached) = tokio::join!(
        database::examine(settings, clock),
        mail(settings),
        hash(settings),
        breached(settings),
    );
    checks.extend(database);
    checks.extend([mail, hash]);
    checks.extend(breached);
    checks
}

/// Runs what may block for ever on a thread of its own, which ends with the process. None: it was not done in time.
async fn in_time<T, F>(work: F) -> Option<T>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let (done, outcome) = oneshot::channel();
    std::thread::Builder::new()
        .name("doctor".to_owned())
        .spawn(move || {
            let _late = done.send(work());
        })
        .ok()?;
    tokio::time::timeout(PATIENCE, outcome).await.ok()?.ok()
}

fn late() -> String {
    format!("no answer within {} s", PATIENCE.as_secs())
}

async fn mail(settings: &Settings) -> Check {
    const NAME: &str = "mail";
    let url = &settings.mail.url;
    let timeout = settings.mail.timeout.min(PATIENCE);
    let mailer = match Mailer::new(url, &settings.mail.from, timeout) {
        Ok(mailer) => mailer,
        Err(error) => return Check::error(NAME, format!("mail.url or mail.from: {error}")),
    };
    match mailer.examine().await {
        Ok(()) if mailer.is_folder() => Check::warning(
            NAME,
            format!("mail goes into {url} and nobody gets any; set mail.url to a mail server"),
        ),
        Ok(()) => Check::ok(
            NAME,
            format!("{url} lets us in; `unforget mail test ADDRESS` sends one"),
        ),
        Err(reason) => Check::error(NAME, format!("mail.url {url}: {reason}")),
    }
}

async fn hash(settings: &Settings) -> Check {
    const NAME: &str = "password_hash";
    let cost = settings.bcrypt_cost;
    let Ok(password) = Password::parse("a password that takes as long as any") else {
        return Check::error(NAME, "no password can be hashed");
    };
    let began = clock::monotonic();
    let hasher = match Hasher::new(cost, 1) {
        Ok(hasher) => hasher,
        Err(error) => return Check::error(NAME, format!("cannot start a thread: {error}")),
    };
    match tokio::time::timeout(PATIENCE, hasher.hash(password)).await {
        Err(_) => Check::error(
            NAME,
            format!("{}; lower password.bcrypt_cost ({cost})", late()),
        ),
        Ok(Err(error)) => Check::error(NAME, error.to_string()),
        Ok(Ok(_)) => {
            let taken = began.elapsed();
            let said = format!("cost {cost} takes {} ms", taken.as_millis());
            match taken {
                _ if taken < FAST && cost < 16 => {
                    Check::warning(NAME, format!("{said}; raise password.bcrypt_cost"))
                }
                _ if taken > SLOW && cost > 10 => Check::warning(
                    NAME,
                    format!(
                        "{said}; lower password.bcrypt_cost, or ask again when the machine is idle"
                    ),
                ),
                _ => Check::ok(NAME, said),
            }
        }
    }
}

async fn breached(settings: &Settings) -> Option<Check> {
    const NAME: &str = "breached_passwords";
    let path = settings.breached.clone()?;
    let shown = path.display().to_string();
    Some(match in_time(move || Breaches::open(&path)).await {
        Some(Ok(_)) => Check::ok(NAME, format!("{shown} is a sorted list")),
        Some(Err(error)) => Check::error(NAME, format!("password.breached {shown}: {error}")),
        None => Check::error(NAME, format!("password.breached {shown}: {}", late())),
    })
}
