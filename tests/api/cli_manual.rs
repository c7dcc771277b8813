//! What scripts and shells rely on: JSON from every command that prints data, stable exit codes, completions and manual pages.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

use serde_json::Value;
use unforget::domain::Scope;

use crate::helpers::{APP, Backend, Database, Program};
use crate::smtp::SmtpSink;

/// The commands below one, from its own help.
fn subcommands(program: &Program, path: &[&str]) -> Vec<String> {
    let output = program.run(&[path, &["--help"]].concat());
    assert!(output.status.success(), "{path:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let listed = text.split("Commands:\n").nth(1).unwrap_or_default();
    let lines = listed.lines().take_while(|line| !line.is_empty());
    let names = lines.filter_map(|line| line.split_whitespace().next());
    names
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// Every command that does something, such as `client add`.
fn commands(program: &Program) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for name in subcommands(program, &[]) {
        let below = subcommands(program, &[&name]);
        if below.is_empty() {
            all.insert(name);
        } else {
            all.extend(below.iter().map(|second| format!("{name} {second}")));
        }
    }
    all
}

/// A new command stands here, or the test fails: what it prints with `--json`, or why it prints no data.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_that_prints_data_prints_json_when_asked() {
    let (database, sink) = (Database::create(Backend::Sqlite), SmtpSink::start().await);
    let program = Program::new(&[
        ("DATABASE_URL", &database.url()),
        ("UNFORGET_MAIL__URL", &sink.url()),
        ("UNFORGET_PASSWORD__BCRYPT_COST", "10"),
    ]);
    let file =
        |name: &str, text: &str| std::fs::write(program.folder.path().join(name), text).unwrap();
    file(
        "apps.toml",
        "[[clients]]\nname = 'App'\nid = 'app'\nscopes = 'password:reset'",
    );
    file("users.jsonl", "{\"email\": \"bob@example.com\"}");
    const DOCUMENT: bool = true;
    const LINES: bool = false;
    let steps: [(&str, &[&str], bool); 27] = [
        ("migrate", &[], DOCUMENT),
        ("config", &[], DOCUMENT),
        ("client apply", &["apps.toml"], DOCUMENT),
        (
            "client add",
            &["Other", "--scope", APP, "--id", "other"],
            DOCUMENT,
        ),
        ("client list", &[], DOCUMENT),
        ("client show", &["app"], DOCUMENT),
        ("client rotate", &["app"], DOCUMENT),
        ("client disable", &["app"], DOCUMENT),
        ("client enable", &["app"], DOCUMENT),
        ("client delete", &["other"], DOCUMENT),
        ("user add", &["ann@example.com"], DOCUMENT),
        ("user show", &["ann@example.com"], DOCUMENT),
        ("user list", &[], LINES),
        ("user disable", &["ann@example.com"], DOCUMENT),
        ("user enable", &["ann@example.com"], DOCUMENT),
        ("remind", &["ann@example.com", "--client", "app"], DOCUMENT),
        ("user import", &["users.jsonl"], DOCUMENT),
        ("user export", &["out.jsonl"], DOCUMENT),
        ("user delete", &["ann@example.com"], DOCUMENT),
        ("mail test", &["ann@example.com"], DOCUMENT),
        ("mail list", &[], DOCUMENT),
        ("purge", &[], DOCUMENT),
        ("backup", &["copy.db"], DOCUMENT),
        ("revoke-all", &["--yes"], DOCUMENT),
        ("doctor", &[], DOCUMENT),
        ("audit", &[], LINES),
        ("man", &["pages"], DOCUMENT),
    ];
    // A service, a text of a format of its own, and what needs a failed mail.
    let mut seen: BTreeSet<String> = ["serve", "completions", "mail retry"]
        .map(str::to_owned)
        .into();
    for (command, arguments, is_document) in steps {
        let words: Vec<_> = command
            .split(' ')
            .chain(arguments.iter().copied())
            .chain(["--json"])
            .collect();
        let output = program.run(&words);
        let (stdout, stderr) = (
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        );
        assert_eq!(
            (output.status.code(), stderr.as_str()),
            (Some(0), ""),
            "{command}"
        );
        let documents: Vec<&str> = if is_document {
            vec![&stdout]
        } else {
            stdout.lines().collect()
        };
        for document in documents {
            assert!(
                serde_json::from_str::<Value>(document).is_ok(),
                "{command}: {document}"
            );
        }
        seen.insert(command.to_owned());
    }
    assert_eq!(seen, commands(&program));
}

#[test]
fn exit_codes_are_0_for_done_1_for_refused_and_2_for_wrong_usage() {
    let database = Database::create(Backend::Sqlite);
    let program = Program::new(&[("DATABASE_URL", &database.url())]);
    let cases: [(&[&str], i32); 14] = [
        (&["client", "list"], 1),
        (&["migrate"], 0),
        (&["client", "list"], 0),
        (&["--help"], 0),
        (&["--version"], 0),
        (&["client", "show", "nobody"], 1),
        (&["client", "apply", "no-such.toml"], 1),
        (&["user", "show", "nobody@example.com"], 1),
        (&["--config", "no-such.toml", "client", "list"], 1),
        (&[], 2),
        (&["client"], 2),
        (&["clients"], 2),
        (&["client", "list", "--yaml"], 2),
        (&["client", "add", "Quotes", "--scope", "everything"], 2),
    ];
    for (arguments, code) in cases {
        let output = program.run(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        if code == 1 {
            assert_eq!(
                (stderr.lines().count(), stderr.starts_with("unforget: ")),
                (1, true),
                "{stderr}"
            );
            assert_eq!(output.stdout, b"");
        }
    }
}

/// A program that could not start if it read a configuration or opened a database.
fn unconfigured() -> Program {
    Program::new(&[("DATABASE_URL", "nonsense"), ("UNFORGET_NO_SUCH_KEY", "1")])
}

#[test]
fn bash_completes_our_commands() {
    let program = unconfigured();
    assert_eq!(program.run(&["config"]).status.code(), Some(1));
    let output = program.run(&["completions", "bash"]);
    assert!(output.status.success(), "{output:?}");
    std::fs::write(program.folder.path().join("unforget.bash"), &output.stdout).unwrap();
    let complete = |words: &str| {
        // What bash does at a tab: the function that is registered, with the words and the place of the cursor.
        let script = format!(
            "source ./unforget.bash || exit 9; complete -p unforget >/dev/null || exit 8
             COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
             _unforget unforget \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"
             printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let output = Command::new("bash")
            .args(["--norc", "-c", &script])
            .current_dir(program.folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(complete("unforget client r"), "rotate\n");
    assert_eq!(complete("unforget client rotate --not"), "--not-before\n");
    assert_eq!(complete("unforget comp"), "completions\n");
    assert_eq!(
        complete("unforget client add --auth-method ''"),
        "client_secret_basic\nclient_secret_post\nprivate_key_jwt\n"
    );
    assert_eq!(
        complete("unforget client add --scope password:v"),
        "password:verify\n"
    );
}

/// At a terminal, colons part words unless bash is told otherwise.
#[test]
fn the_help_and_bash_know_every_scope() {
    let program = unconfigured();
    let help = program.run(&["client", "add", "--help"]);
    let help = String::from_utf8(help.stdout).unwrap();
    for scope in Scope::ALL {
        let (name, about) = (scope.name(), scope.about());
        assert!(help.contains(&format!("{name}:")), "{name}: {help}");
        assert!(help.contains(about), "{about}: {help}");
    }
    assert!(help.contains("private_key_jwt"), "{help}");
    std::fs::write(
        program.folder.path().join("unforget.bash"),
        program.run(&["completions", "bash"]).stdout,
    )
    .unwrap();
    let breaks = Command::new("bash")
        .args([
            "--norc",
            "-c",
            "COMP_WORDBREAKS=' =:'; source ./unforget.bash; printf %s \"$COMP_WORDBREAKS\"",
        ])
        .current_dir(program.folder.path())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(breaks.stdout).unwrap(), " =");
}

#[test]
fn every_shell_has_its_completions() {
    let program = unconfigured();
    let mut seen = BTreeMap::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = program.run(&["completions", shell]);
        assert!(output.status.success(), "{shell}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            text.contains("rotate") && text.contains("not-before"),
            "{shell}"
        );
        seen.insert(text, shell);
    }
    assert_eq!(seen.len(), 5);
    assert_eq!(program.run(&["completions", "cmd"]).status.code(), Some(2));
}

#[test]
fn every_command_has_a_manual_page_that_groff_can_set() {
    let program = unconfigured();
    let page = program.run(&["man"]);
    assert!(page.status.success(), "{page:?}");
    let page = String::from_utf8(page.stdout).unwrap();
    for section in [".SH NAME", ".SH SYNOPSIS", ".SH OPTIONS", ".SH SUBCOMMANDS"] {
        assert!(page.contains(section), "{section}");
    }
    assert!(program.run(&["man", "share/man1"]).status.success());
    let folder = program.folder.path().join("share/man1");
    assert_eq!(
        std::fs::read_to_string(folder.join("unforget.1")).unwrap(),
        page
    );
    for command in commands(&program) {
        let page = folder.join(format!("unforget-{}.1", command.replace(' ', "-")));
        let text =
            std::fs::read_to_string(&page).unwrap_or_else(|error| panic!("{page:?}: {error}"));
        assert!(
            text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"),
            "{page:?}"
        );
    }
    // A machine without groff has shown the sections at least.
    let set = Command::new("groff")
        .args(["-man", "-ww", "-z", "unforget-client-apply.1"])
        .current_dir(&folder)
        .stdin(Stdio::null())
        .output();
    if let Ok(set) = set {
        assert!(set.status.success() && set.stderr.is_empty(), "{set:?}");
    }
}
