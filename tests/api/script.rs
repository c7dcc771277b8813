//! `scripts/register-client`: what an admin reads, copies and runs.

use std::os::unix::fs::PermissionsExt;

use crate::both;
use crate::helpers::{APP, Backend, Database, Program};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/register-client");
const RESET_URL: &str = "https://quotes.example/reset?token={token}";

/// Runs the script in the program's folder, with the program's configuration.
fn register(program: &Program, reset_url: &str) -> std::process::Output {
    script(program, &["Teen Quotes", reset_url, "quotes.env"], &[])
}

fn script(
    program: &Program,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> std::process::Output {
    let mut shell = std::process::Command::new("sh");
    let configured = program.command(&[]);
    for (name, value) in configured.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
        .env("UNFORGET", env!("CARGO_BIN_EXE_unforget"))
        .envs(environment.iter().copied())
        .current_dir(program.folder.path())
        .arg(SCRIPT)
        .args(arguments)
        .output()
        .unwrap()
}

both! {
    async fn the_script_writes_credentials_that_work_into_a_private_file(backend: Backend) {
        let database = Database::create(backend);
        let program = Program::new(&[("UNFORGET_DATABASE_URL", &database.url())]);
        let service = program.serve().await;

        let output = register(&program, RESET_URL);
        assert!(output.status.success(), "{output:?}");

        let file = program.folder.path().join("quotes.env");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&file).unwrap();
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
            line.unwrap().to_owned()
        };
        let (id, secret) = (value("OAUTH_CLIENT_ID"), value("OAUTH_CLIENT_SECRET"));
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains(&id) && !said.contains(&secret), "{said}");
        service.token(&serde_json::json!({"client_id": id, "client_secret": secret})).await;
        assert_eq!(program.json(&["client", "show", &id])["reset_url"], RESET_URL);
    }

    async fn the_script_overwrites_nothing_and_leaves_nothing_behind_when_it_is_refused(backend: Backend) {
        let database = Database::create(backend);
        let program = Program::new(&[("UNFORGET_DATABASE_URL", &database.url())]);
        let file = program.folder.path().join("quotes.env");

        for (reset_url, scope) in [("http://quotes.example/{token}", APP), (RESET_URL, "password:everything")] {
            let wrong = script(&program, &["Teen Quotes", reset_url, "quotes.env"], &[("SCOPE", scope)]);
            assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
        }
        // A program that is another one has registered nothing, or has not told what.
        for answer in ["true", "echo {}"] {
            let other = script(&program, &["Teen Quotes", RESET_URL, "quotes.env"], &[("UNFORGET", answer)]);
            let said = String::from_utf8(other.stderr).unwrap();
            assert_eq!(other.status.code(), Some(1), "{said}");
            assert!(said.contains("has not answered with a client_id") && other.stdout.is_empty(), "{said}");
        }
        assert_eq!(std::fs::read_dir(program.folder.path()).unwrap().filter(|f| f.as_ref().unwrap().file_name() != "data").count(), 0);

        std::fs::write(&file, "mine").unwrap();
        assert!(program.run(&["migrate"]).status.success());
        assert_eq!(register(&program, RESET_URL).status.code(), Some(1));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
        assert_eq!(program.json(&["client", "list"]), serde_json::json!([]));
    }

    async fn the_script_says_whose_credentials_are_there_already(backend: Backend) {
        let database = Database::create(backend);
        let program = Program::new(&[("UNFORGET_DATABASE_URL", &database.url())]);
        assert!(register(&program, RESET_URL).status.success());
        let file = program.folder.path().join("quotes.env");
        let before = std::fs::read_to_string(&file).unwrap();
        let id = program.json(&["client", "list"])[0]["client_id"].as_str().unwrap().to_owned();

        let again = register(&program, RESET_URL);
        let said = String::from_utf8(again.stderr).unwrap();
        assert_eq!(again.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("holds the credentials of {id}; nothing was registered")), "{said}");
        assert!(said.contains(&format!("unforget client rotate {id}")) && !said.contains("uf_cs_"), "{said}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), before);
        assert_eq!(program.json(&["client", "list"]).as_array().unwrap().len(), 1);
    }

    async fn the_script_takes_other_scopes_other_names_and_no_reset_url(backend: Backend) {
        let database = Database::create(backend);
        let program = Program::new(&[("UNFORGET_DATABASE_URL", &database.url())]);
        let command = format!("env UNFORGET_PASSWORD__MIN_LENGTH=8 {}", env!("CARGO_BIN_EXE_unforget"));
        let environment = [("SCOPE", "password:verify users:read"), ("UNFORGET", command.as_str())];
        let output = script(&program, &["--json \"quoted\"", "", "a file.env"], &environment);
        assert!(output.status.success(), "{output:?}");
        let client = &program.json(&["client", "list"])[0];
        assert_eq!(client["name"], "--json \"quoted\"");
        assert_eq!((&client["scopes"], &client["reset_url"]), (&serde_json::json!(["password:verify", "users:read"]), &serde_json::Value::Null));

        assert_eq!(script(&program, &["Only a name"], &[]).status.code(), Some(2));
        for broken in ["/no/such/program", "false"] {
            assert_eq!(script(&program, &["Name", "", "b.env"], &[("UNFORGET", broken)]).status.code(), Some(1));
        }
        // A name that looks like an option is a name.
        let output = script(&program, &["Dash", "", "-dash.env"], &[]);
        assert!(output.status.success(), "{output:?}");
        let dash = std::fs::read_to_string(program.folder.path().join("-dash.env")).unwrap();
        assert!(dash.contains("OAUTH_CLIENT_SECRET=uf_cs_"));
        assert_eq!(script(&program, &["Dash", "", "-dash.env"], &[]).status.code(), Some(1));
        let mut files: Vec<_> = std::fs::read_dir(program.folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        files.retain(|name| name != "data");
        files.sort();
        assert_eq!(files, ["-dash.env", "a file.env"]);
    }
}
