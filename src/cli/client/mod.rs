//! `unforget client ..`: apps are registered and looked after.

mod add;
mod apply;
mod fields;
mod manifest;
mod rotate;
mod secret;
mod show;
mod values;

pub(super) use show::time;

use clap::Subcommand;
use serde_json::{Value, json};

use super::CliError;
use super::output::Output;
use crate::domain::ClientId;
use crate::flows::{By, Flows};

#[derive(Subcommand)]
pub(super) enum ClientCommand {
    /// Register an app and print its id and secret, once
    Add(Box<add::AddArguments>),
    /// List every app
    List,
    /// Show an app and its secrets: which work, and which are still in use
    Show {
        /// The app's client_id
        id: String,
    },
    /// Print a new secret; the old ones end after the overlap
    Rotate(rotate::RotateArguments),
    /// Switch an app off: no new tokens, and the live ones end within a second
    Disable {
        /// The app's client_id
        id: String,
    },
    /// Switch an app on again
    Enable {
        /// The app's client_id
        id: String,
    },
    /// Delete an app with its secrets and tokens
    Delete {
        /// The app's client_id
        id: String,
    },
    /// Make apps be as a file says, and print what that changed
    Apply(apply::ApplyArguments),
}

impl ClientCommand {
    /// Whether it can be the first command on a new machine.
    pub(super) fn makes_clients(&self) -> bool {
        matches!(self, Self::Add(_) | Self::Apply(_))
    }
}

/// Reads the text of a file of apps and says how many they are, or why it cannot be read.
pub(super) fn examine(name: &str, text: &str) -> Result<usize, CliError> {
    let stated = manifest::parse(std::path::Path::new(name), text)?;
    Ok(stated.len())
}

pub(super) async fn execute(
    command: ClientCommand,
    flows: &Flows,
    output: &Output,
) -> Result<(), CliError> {
    let by = By::Operator;
    match command {
        ClientCommand::Add(arguments) => add::execute(*arguments, flows, output).await,
        ClientCommand::List => {
            let clients = flows.list_clients().await?;
            let values: Vec<_> = clients.iter().map(show::value).collect();
            Ok(output.data(&Value::Array(values), || show::list(&clients))?)
        }
        ClientCommand::Show { id } => show::execute(&id, flows, output).await,
        ClientCommand::Rotate(arguments) => rotate::execute(arguments, flows, output).await,
        ClientCommand::Disable { id } => {
            let known = flows.disable_client(by, ClientId::new(&id), true).await?;
            report(known, &id, "disabled", output)
        }
        ClientCommand::Enable { id } => {
            let known = flows.disable_client(by, ClientId::new(&id), false).await?;
            report(known, &id, "enabled", output)
        }
        ClientCommand::Delete { id } => {
            let known = flows.delete_client(by, ClientId::new(&id)).await?;
            report(known, &id, "deleted", output)
        }
        ClientCommand::Apply(arguments) => apply::execute(&arguments, flows, output).await,
    }
}

fn report(known: bool, id: &str, done: &str, output: &Output) -> Result<(), CliError> {
    if !known {
        return Err(unknown(id));
    }
    Ok(output.data(&json!({"client_id": id, "status": done}), || {
        format!("{id} is {done}.")
    })?)
}

/// Output has failed. Secrets that were made are shown once: whoever has not got them must hear of it, even if nobody reads what
/// we print.
fn unprinted(error: std::io::Error, made: &[&ClientId]) -> CliError {
    let ids: Vec<_> = made.iter().map(|id| id.as_str()).collect();
    match ids.as_slice() {
        [] => error.into(),
        [id] => CliError::refused(format!(
            "{id} has a new secret, which could not be printed ({error}); for another one: unforget client rotate {id}"
        )),
        _ => CliError::refused(format!(
            "these have new secrets, which could not be printed ({error}); for others: unforget client rotate ID; {}",
            ids.join(" ")
        )),
    }
}

fn unknown(id: &str) -> CliError {
    CliError::refused(format!("there is no client {id}"))
}
