//! `unforget completions`, `unforget man`: what shells and readers of manuals need, made from the commands themselves.

use std::path::Path;

use clap::Command;
use clap_complete::Shell;
use serde_json::json;

use super::CliError;
use super::output::Output;

/// Prints the completions for a shell.
pub(super) fn completions(
    shell: Shell,
    mut commands: Command,
    output: &Output,
) -> Result<(), CliError> {
    let mut script = Vec::new();
    if shell == Shell::Bash {
        // Else bash takes what stands before and after the colon of a scope for two words.
        script.extend_from_slice(b"COMP_WORDBREAKS=${COMP_WORDBREAKS//:}\n\n");
    }
    clap_complete::generate(shell, &mut commands, "unforget", &mut script);
    Ok(output.bytes(&script)?)
}

/// Prints the page of the program, or writes the pages of all commands into a folder.
pub(super) fn man(
    folder: Option<&Path>,
    commands: Command,
    output: &Output,
) -> Result<(), CliError> {
    let Some(folder) = folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(commands.disable_help_subcommand(true)).render(&mut page)?;
        return Ok(output.bytes(&page)?);
    };
    let cannot =
        |error| CliError::refused(format!("cannot write into {}: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(cannot)?;
    clap_mangen::generate_to(commands, folder).map_err(cannot)?;
    let value = json!({"folder": folder.display().to_string(), "status": "written"});
    Ok(output.data(&value, || {
        format!(
            "The pages are in {0}: man -l {0}/unforget.1",
            folder.display()
        )
    })?)
}
