//! The commands, one file for each family. They print and never decide.

mod audit;
mod backup;
mod client;
mod config;
mod database;
mod database_files;
mod doctor;
mod export_file;
mod mail;
mod manual;
mod output;
mod remind;
mod serve;
mod user;
mod user_export;
mod user_import;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::breaches::Breaches;
use crate::clock::Clock;
use crate::config::{ConfigError, Settings};
use crate::flows::Flows;
use crate::server::{self, ServerError};
use crate::storage::{Schema, StorageError};
use crate::telemetry::ExportError;
use output::Output;

/// Self-hosted password recovery for third-party apps.
#[derive(Parser)]
#[command(name = "unforget", version, propagate_version = true)]
struct Arguments {
    /// Read this configuration file instead of unforget.toml
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print data as JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the service
    Serve {
        /// Try it: throw-away data in data/dev, a demo app and user, and curl lines to paste
        #[arg(long)]
        dev: bool,
    },
    /// Bring the database up to date
    Migrate,
    /// Register apps and look after them
    #[command(subcommand)]
    Client(client::ClientCommand),
    /// Look after users
    #[command(subcommand)]
    User(user::UserCommand),
    /// Have a link mailed to a user on the phone, or print it
    Remind(remind::RemindArguments),
    /// Test the mail settings, see the queue
    #[command(subcommand)]
    Mail(mail::MailCommand),
    /// Show what was done and refused, by whom, and to whom
    Audit(audit::AuditArguments),
    /// Delete what has ended (serve does it too)
    Purge,
    /// Copy the SQLite database into a file while the service runs
    Backup {
        /// The file; only its owner may read it
        file: PathBuf,
        /// Replace the file if it is there
        #[arg(long)]
        force: bool,
    },
    /// End every token, link and session, for example after a backup was restored
    RevokeAll {
        /// Yes: every app and every user has to get a new one
        #[arg(long, required = true)]
        yes: bool,
    },
    /// Look whether everything that the service needs is there and works
    Doctor,
    /// Print the effective configuration, secrets masked
    Config,
    /// Print what makes a shell complete our commands
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write all pages into a folder
    Man {
        /// The folder; made when it is missing
        folder: Option<PathBuf>,
    },
}

/// Why a command failed: one line for the operator.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{0}")]
    Storage(#[from] StorageError),
    #[error("{0}")]
    Server(#[from] ServerError),
    #[error("{0}")]
    Spans(#[from] ExportError),
    #[error("{0}")]
    Output(#[from] std::io::Error),
    #[error("{0}")]
    Refused(String),
}

impl CliError {
    fn refused(reason: impl std::fmt::Display) -> Self {
        Self::Refused(reason.to_string())
    }
}

/// Reads the text of a file of apps as `client apply` does: how many there are, or what would be complained about. For the fuzz
/// targets (tests/fuzz).
pub fn examine_apps(name: &str, text: &str) -> Result<usize, String> {
    client::examine(name, text).map_err(|error| error.to_string())
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = runtime
        .map_err(CliError::from)
        .and_then(|runtime| runtime.block_on(execute(arguments)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        // The reader has seen enough: `unforget user list | head`.
        Err(CliError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::complain(&error);
            ExitCode::FAILURE
        }
    }
}

async fn execute(arguments: Arguments) -> Result<(), CliError> {
    let output = Output {
        json: arguments.json,
    };
    let settings = || Settings::load(arguments.config.as_deref());
    match arguments.command {
        Command::Serve { dev: true } if arguments.config.is_some() => {
            Err(CliError::refused("--dev reads no configuration file"))
        }
        Command::Serve { dev: true } => serve::dev(&output).await,
        Command::Serve { dev: false } => serve::serve(&settings()?).await,
        Command::Config => config::show(&settings()?, &output),
        Command::Migrate => database::migrate(&settings()?, &output),
        Command::Purge => database::purge(&flows(&settings()?)?, &output).await,
        Command::Backup { file, force } => backup::backup(&file, force, &settings()?, &output),
        Command::RevokeAll { yes: _ } => backup::revoke_all(&flows(&settings()?)?, &output).await,
        Command::Doctor => doctor::execute(settings(), &output).await,
        Command::Audit(arguments) => {
            audit::execute(arguments, &flows(&settings()?)?, &output).await
        }
        Command::Client(command) => {
            let flows = match command.makes_clients() {
                true => flows_on(&settings()?, Schema::Create, None),
                false => flows(&settings()?),
            };
            client::execute(command, &flows?, &output).await
        }
        Command::User(command) => {
            let settings = settings()?;
            let flows = match command.makes_users() {
                true => flows_on(&settings, Schema::Create, server::breaches(&settings)?),
                false => flows(&settings),
            };
            user::execute(command, &flows?, &settings.database_url, &output).await
        }
        Command::Remind(arguments) => {
            remind::execute(arguments, &flows(&settings()?)?, &output).await
        }
        Command::Mail(command) => mail::execute(command, &settings()?, &output).await,
        Command::Completions { shell } => manual::completions(shell, Arguments::command(), &output),
        Command::Man { folder } => manual::man(folder.as_deref(), Arguments::command(), &output),
    }
}

/// For commands that look after what is there: they make no database, and judge no password.
fn flows(settings: &Settings) -> Result<Flows, CliError> {
    flows_on(settings, Schema::Require, None)
}

fn flows_on(
    settings: &Settings,
    schema: Schema,
    breaches: Option<Breaches>,
) -> Result<Flows, CliError> {
    let flows = server::flows_on(settings, Clock::System, schema, breaches);
    Ok(flows?)
}
