//! `unforget remind`: what an operator does for a user on the phone.

use chrono::SecondsFormat;
use clap::Args;
use serde_json::json;

use super::CliError;
use super::output::Output;
use crate::domain::{ClientId, EmailAddress};
use crate::flows::Flows;

#[derive(Args)]
pub(super) struct RemindArguments {
    /// The address of the account
    email: String,
    /// The app in whose name: its link, its language
    #[arg(long, value_name = "ID")]
    client: String,
    /// Queue no mail: print the link, once. Whoever has it sets the password
    #[arg(long)]
    print_link: bool,
}

pub(super) async fn execute(
    arguments: RemindArguments,
    flows: &Flows,
    output: &Output,
) -> Result<(), CliError> {
    let email = EmailAddress::parse(&arguments.email).map_err(CliError::refused)?;
    let client = ClientId::new(arguments.client);
    if !arguments.print_link {
        let asked = flows.remind_on_behalf(client, &email).await;
        let id = asked.map_err(CliError::refused)?;
        return Ok(output.data(&json!({"id": id, "status": "queued"}), || {
            format!("{id} is queued; the running service sends it.")
        })?);
    }
    let made = flows.link_on_behalf(client, &email).await;
    let link = made.map_err(CliError::refused)?;
    let expires_at = link.expires_at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let value = json!({"link": *link.text, "expires_at": expires_at});
    let printed = output.data(&value, || {
        format!("{}\nIt works once, until {expires_at}.", *link.text)
    });
    // The link is there and nobody has it: that must be heard of, even if nobody reads what we print.
    printed.map_err(|error| {
        CliError::refused(format!(
            "a link was made, which could not be printed ({error}); the same command makes another one"
        ))
    })
}
