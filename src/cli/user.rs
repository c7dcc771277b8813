//! `unforget user ..`: users are looked after.

use std::io::Read;

use clap::Subcommand;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::CliError;
use super::client::time;
use super::output::{Output, table};
use super::user_export::{self, ExportArguments};
use super::user_import::{self, ImportArguments};
use crate::domain::json::Strict;
use crate::domain::profile::holds_secret;
use crate::domain::{DatabaseUrl, EmailAddress, Locale, Password, User};
use crate::flows::users::{NewUser, UserRef};
use crate::flows::{By, Flows};

/// How many users are read at a time.
const PAGE: i64 = 500;
/// More than any password has; what is longer is refused by its length.
const PASSWORD_BYTES: u64 = 16 * 1024;

#[derive(Subcommand)]
pub(super) enum UserCommand {
    /// Make an account
    Add {
        email: String,
        /// Read the password from standard input (the first line)
        #[arg(long)]
        password_stdin: bool,
        /// The language of this user's mails
        #[arg(long)]
        locale: Option<Locale>,
        /// Any JSON object, for the apps
        #[arg(long, value_name = "JSON", value_parser = profile)]
        profile: Option<Map<String, Value>>,
    },
    /// Show an account
    Show {
        /// An id or an e-mail address
        user: String,
    },
    /// List every account
    List,
    /// Take accounts over from a file: email, password_hash, locale; all else is kept as their profile
    Import(ImportArguments),
    /// Write every account, with its password hash, into a file that `import` reads
    Export(ExportArguments),
    /// Switch an account off: no mail, no reset, its tokens and links end (within a second)
    Disable {
        /// An id or an e-mail address
        user: String,
    },
    /// Switch an account on again
    Enable {
        /// An id or an e-mail address
        user: String,
    },
    /// Delete an account with all that belongs to it
    Delete {
        /// An id or an e-mail address
        user: String,
    },
}

impl UserCommand {
    /// Whether it can be the first command on a new machine. Such commands judge passwords too.
    pub(super) fn makes_users(&self) -> bool {
        matches!(self, Self::Add { .. } | Self::Import(_))
    }
}

pub(super) async fn execute(
    command: UserCommand,
    flows: &Flows,
    database: &DatabaseUrl,
    output: &Output,
) -> Result<(), CliError> {
    match command {
        UserCommand::Add {
            email,
            password_stdin,
            locale,
            profile,
        } => {
            let profile = profile.unwrap_or_default();
            if holds_secret(&profile) {
                return Err(CliError::refused(
                    "a profile cannot hold a password or a hash",
                ));
            }
            let new = NewUser {
                email: EmailAddress::parse(&email).map_err(CliError::refused)?,
                password: if password_stdin {
                    Some(Ok(read_password()?.into()))
                } else {
                    None
                },
                password_hash: None,
                locale,
                profile,
            };
            let user = flows
                .add_user(By::Operator, new)
                .await
                .map_err(CliError::refused)?;
            Ok(output.data(&value(&user), || {
                format!("Added {} with the id {}.", user.email.to_text(), user.id)
            })?)
        }
        UserCommand::Show { user } => {
            let user = flows.find_user(point(&user)?).await?.ok_or_else(unknown)?;
            Ok(output.data(&value(&user), || show(&user))?)
        }
        UserCommand::List => list(flows, output).await,
        UserCommand::Import(arguments) => user_import::execute(&arguments, flows, output).await,
        UserCommand::Export(arguments) => {
            user_export::execute(&arguments, flows, database, output).await
        }
        UserCommand::Disable { user } => report(
            flows
                .disable_user(By::Operator, point(&user)?, true)
                .await?,
            "disabled",
            output,
        ),
        UserCommand::Enable { user } => report(
            flows
                .disable_user(By::Operator, point(&user)?, false)
                .await?,
            "enabled",
            output,
        ),
        UserCommand::Delete { user } => {
            let deleted = flows.delete_user(By::Operator, point(&user)?);
            report(deleted.await?, "deleted", output)
        }
    }
}

/// One page at a time, whatever their number. As JSON: one object on each line.
async fn list(flows: &Flows, output: &Output) -> Result<(), CliError> {
    let mut last = None;
    loop {
        let users = flows.page_of_users(last, PAGE).await?;
        let Some(user) = users.last() else {
            return Ok(());
        };
        last = Some(user.id);
        for user in &users {
            let state = if user.disabled_at.is_some() {
                "  (disabled)"
            } else {
                ""
            };
            let line = if output.json {
                value(user).to_string()
            } else {
                format!("{}  {}{state}", user.id, user.email.to_text())
            };
            output.line(&line)?;
        }
    }
}

fn read_password() -> Result<Password, CliError> {
    let mut text = Zeroizing::new(String::new());
    std::io::stdin()
        .take(PASSWORD_BYTES)
        .read_to_string(&mut text)?;
    let line = text.lines().next().unwrap_or_default();
    Password::parse(line).map_err(|refusal| {
        CliError::refused(format!("the password is refused: {}", refusal.name()))
    })
}

fn profile(text: &str) -> Result<Map<String, Value>, String> {
    if text.contains("\\u0000") || text.contains('\0') {
        return Err("a profile cannot hold U+0000".to_owned());
    }
    match serde_json::from_str(text) {
        Ok(Strict(Value::Object(profile))) => Ok(profile),
        _ => Err("a profile is a JSON object without repeated keys".to_owned()),
    }
}

pub(super) fn point(text: &str) -> Result<UserRef, CliError> {
    match text.parse() {
        Ok(id) => Ok(UserRef::Id(id)),
        Err(_) => Ok(UserRef::Email(
            EmailAddress::parse(text)
                .map_err(|_| CliError::refused("give an id or an e-mail address"))?
                .key(),
        )),
    }
}

fn report(known: bool, done: &str, output: &Output) -> Result<(), CliError> {
    if !known {
        return Err(unknown());
    }
    Ok(output.data(&json!({"status": done}), || {
        format!("The account is {done}.")
    })?)
}

fn unknown() -> CliError {
    CliError::refused("there is no such user")
}

fn value(user: &User) -> Value {
    json!({
        "id": user.id,
        "email": user.email.to_text(),
        "locale": user.locale.as_ref().map(Locale::as_str),
        "profile": user.profile,
        "created_at": time(user.created_at),
        "password_changed_at": user.password_changed_at.map(time),
        "password_must_change": user.password_must_change,
        "disabled_at": user.disabled_at.map(time),
    })
}

fn show(user: &User) -> String {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let or = |value: Option<String>, other: &str| value.unwrap_or_else(|| other.to_owned());
    table(&[
        row("id", user.id.to_string()),
        row("email", user.email.to_text()),
        row(
            "locale",
            or(
                user.locale.as_ref().map(|l| l.as_str().to_owned()),
                "(none)",
            ),
        ),
        row("profile", Value::Object(user.profile.clone()).to_string()),
        row("created_at", time(user.created_at)),
        row(
            "password_changed_at",
            or(user.password_changed_at.map(time), "(not set here)"),
        ),
        row("disabled_at", or(user.disabled_at.map(time), "(enabled)")),
    ])
}
