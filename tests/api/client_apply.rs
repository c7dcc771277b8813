//! `unforget client apply`: apps are as a file says, whatever they were, and all of them or none.

use std::process::Output;

use serde_json::{Value, json};

use crate::both;
use crate::helpers::{APP, Backend, Database, Program};

const KEYS: &str = r#"{"keys": [{"kty": "EC", "crv": "P-256", "kid": "a", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
/// Of that key (RFC 7638).
const THUMBPRINT: &str = "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U";
const TWO: &str = r#"
[[clients]]
name = "Teen Quotes"
scopes = "password:remind password:reset"
reset_url = "https://quotes.example/reset?token={token}"
locale = "fr"
token_lifetime = "10m"

[[clients]]
id = "legacy.app"
name = "Legacy"
scopes = ["password:reset"]
[[clients.secrets]]
label = "old"
secret_file = "legacy.secret"
expires = 2100-01-01T00:00:00Z
"#;

/// A program, and the files that its file of apps points at.
fn program(database: &Database) -> Program {
    let program = Program::new(&[
        ("DATABASE_URL", &database.url()),
        ("LEGACY_SECRET", "from+the%environment~*!"),
    ]);
    write(&program, "legacy.secret", "s-e_c.r~t*!+%\n");
    write(&program, "keys.json", KEYS);
    program
}

fn write(program: &Program, name: &str, text: &str) {
    std::fs::write(program.folder.path().join(name), text).unwrap();
}

/// Applies a file with this content.
fn apply(program: &Program, text: &str, options: &[&str]) -> Output {
    write(program, "apps.toml", text);
    program.run(&[&["client", "apply", "apps.toml"], options].concat())
}

/// Applies a file that must be taken, and tells what that changed.
fn applied(program: &Program, text: &str, options: &[&str]) -> Value {
    let output = apply(program, text, &[options, &["--json"]].concat());
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What is said about a file that is refused.
fn refused(program: &Program, text: &str) -> String {
    let output = apply(program, text, &[]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), stderr.lines().count()),
        (Some(1), 1),
        "{stderr}"
    );
    assert_eq!(output.stdout, b"");
    stderr.trim_end().to_owned()
}

fn said(program: &Program, text: &str, options: &[&str]) -> String {
    let output = apply(program, text, options);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn statuses(value: &Value) -> Vec<&str> {
    let clients = value["clients"].as_array().unwrap();
    clients
        .iter()
        .map(|client| client["status"].as_str().unwrap())
        .collect()
}

both! {
    async fn apps_are_made_as_the_file_says_and_the_same_file_again_changes_nothing(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database);
        let planned = applied(&program, TWO, &["--dry-run"]);
        assert_eq!((&planned["dry_run"], statuses(&planned)), (&json!(true), vec!["added", "added"]));
        assert_eq!((&planned["clients"][0]["client_id"], &planned["clients"][0]["client_secret"]), (&Value::Null, &Value::Null));
        assert_eq!(program.json(&["client", "list"]), json!([]));

        let first = applied(&program, TWO, &[]);
        assert_eq!((&first["added"], &first["changed"], &first["unchanged"]), (&json!(2), &json!(0), &json!(0)));
        let made = &first["clients"][0];
        let legacy = &first["clients"][1];
        assert!(made["client_secret"].as_str().unwrap().starts_with("uf_cs_"));
        assert_eq!((&legacy["client_id"], &legacy["client_secret"]), (&json!("legacy.app"), &Value::Null));
        assert_eq!(legacy["secrets"], json!([{"label": "old", "id": null, "status": "added", "changes": []}]));
        let shown = program.json(&["client", "show", made["client_id"].as_str().unwrap()]);
        assert_eq!((&shown["locale"], &shown["token_lifetime"]), (&json!("fr"), &json!(600)));
        assert_eq!(shown["scopes"], json!(["password:remind", "password:reset"]));
        let shown = program.json(&["client", "show", "legacy.app"]);
        assert_eq!((&shown["secrets"][0]["label"], &shown["secrets"][0]["expires_at"]), (&json!("old"), &json!("2100-01-01T00:00:00Z")));

        // What is brought along works, and so does what was made.
        let service = program.serve().await;
        service.token(made).await;
        service.token(&json!({"client_id": "legacy.app", "client_secret": "s-e_c.r~t*!+%"})).await;

        for options in [&[][..], &["--dry-run"]] {
            let again = applied(&program, TWO, options);
            assert_eq!(statuses(&again), ["unchanged", "unchanged"]);
            assert_eq!((&again["clients"][0]["client_secret"], &again["not_in_file"]), (&Value::Null, &json!([])));
        }
        let text = said(&program, TWO, &[]);
        assert!(text.starts_with("unchanged  Teen Quotes (uf_cl_"), "{text}");
        assert_eq!(text.lines().count(), 2);
    }

    async fn a_change_is_told_field_by_field_before_and_after(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database);
        applied(&program, TWO, &[]);
        let other = program.json(&["client", "add", "Somebody else", "--scope", APP]);
        let changed = TWO
            .replace("\"password:remind password:reset\"", "\"password:reset\"")
            .replace("locale = \"fr\"\n", "require_dpop = true\n")
            .replace("name = \"Legacy\"", "name = \"Legacy, renamed\"\ndisabled = true")
            .replace("2100-", "2101-");
        let expected = json!([
            {"field": "scopes", "old": ["password:remind", "password:reset"], "new": ["password:reset"]},
            {"field": "locale", "old": "fr", "new": null},
            {"field": "require_dpop", "old": false, "new": true},
        ]);
        let renamed = json!([
            {"field": "name", "old": "Legacy", "new": "Legacy, renamed"},
            {"field": "disabled", "old": false, "new": true},
        ]);
        for options in [&["--dry-run"][..], &[]] {
            let told = applied(&program, &changed, options);
            assert_eq!(statuses(&told), ["changed", "changed"]);
            assert_eq!((&told["clients"][0]["changes"], &told["clients"][1]["changes"]), (&expected, &renamed));
            assert_eq!(told["clients"][1]["secrets"][0]["changes"], json!([{"field": "expires", "old": "2100-01-01T00:00:00Z", "new": "2101-01-01T00:00:00Z"}]));
            assert_eq!(told["not_in_file"], json!([{"client_id": other["client_id"], "name": "Somebody else"}]));
        }
        assert!(program.json(&["client", "show", "legacy.app"])["disabled_at"].is_string());
        assert_eq!(program.json(&["client", "show", "legacy.app"])["secrets"][0]["expires_at"], "2101-01-01T00:00:00Z");
        assert_eq!(statuses(&applied(&program, &changed, &[])), ["unchanged", "unchanged"]);

        let text = said(&program, TWO, &["--dry-run"]);
        for line in [
            "    scopes          password:reset -> password:remind password:reset",
            "    locale          (none) -> fr",
            "    secret          old changed: expires 2101-01-01T00:00:00Z -> 2100-01-01T00:00:00Z",
            "Nothing was changed: this was a dry run.",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}: {text}");
        }
        assert!(text.contains("Not in the file and left alone: Somebody else (uf_cl_"), "{text}");
        // Who was switched off by hand stays so when the file is silent about it.
        assert!(program.json(&["client", "show", "legacy.app"])["disabled_at"].is_string());
    }

    async fn secrets_come_from_files_the_environment_input_or_as_digests_and_rotate_by_the_file(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database);
        let digest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"; // of "secret"
        let file = json!({"clients": [{"name": "App", "id": "app", "scopes": APP, "secrets": [
            {"label": "by digest", "digest": digest},
            {"label": "by file", "secret_file": "legacy.secret"},
            {"label": "by environment", "secret_env": "LEGACY_SECRET"},
            {"label": "by input", "secret_stdin": true},
        ]}]});
        write(&program, "apps.json", &file.to_string());
        let run = |options: &[&str]| {
            let output = program.run_with_input(&[&["client", "apply", "apps.json", "--json"], options].concat(), "the input's secret");
            assert!(output.status.success(), "{output:?}");
            serde_json::from_slice::<Value>(&output.stdout).unwrap()
        };
        run(&[]);
        let service = program.serve().await;
        for secret in ["secret", "s-e_c.r~t*!+%", "from+the%environment~*!", "the input's secret"] {
            service.token(&json!({"client_id": "app", "client_secret": secret})).await;
        }
        assert_eq!(statuses(&run(&[])), ["unchanged"]);
        // From standard input, JSON and TOML are told apart by their looks.
        let input = json!({"clients": [{"name": "App", "id": "app", "scopes": APP}]}).to_string();
        for text in [input.as_str(), "[[clients]]\nname = 'App'\nid = 'app'\nscopes = 'password:remind password:reset'"] {
            let output = program.run_with_input(&["client", "apply", "-", "--json"], text);
            assert_eq!(statuses(&serde_json::from_slice(&output.stdout).unwrap()), ["unchanged"]);
        }
        // A rotation by the file: the new one comes, the old one gets an end. What the file leaves out stays.
        write(&program, "legacy.secret", "a newer secret");
        let rotation = "[[clients]]\nname = 'App'\nid = 'app'\nscopes = 'password:remind password:reset'\n\
            [[clients.secrets]]\nlabel = 'newer'\nsecret_file = 'legacy.secret'\n\
            [[clients.secrets]]\nlabel = 'by environment'\nsecret_env = 'LEGACY_SECRET'\nexpires = 2000-01-01T00:00:00Z\n";
        let told = applied(&program, rotation, &[]);
        let words: Vec<_> = told["clients"][0]["secrets"].as_array().unwrap().iter().map(|s| json!([s["label"], s["status"]])).collect();
        assert_eq!(words, [json!(["newer", "added"]), json!(["by environment", "ended"])]);
        service.token(&json!({"client_id": "app", "client_secret": "a newer secret"})).await;
        service.token(&json!({"client_id": "app", "client_secret": "secret"})).await;
        let shown = program.json(&["client", "show", "app"]);
        let ended: Vec<_> = shown["secrets"].as_array().unwrap().iter().filter(|s| s["state"] == "ended").map(|s| &s["label"]).collect();
        assert_eq!(ended, ["by environment"]);
    }

    async fn keys_stand_in_the_file_or_beside_it(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database);
        let beside = "[[clients]]\nname = 'Signs'\nscopes = 'password:reset'\nauth_method = 'private_key_jwt'\njwks_file = 'keys.json'";
        let told = applied(&program, beside, &[]);
        assert_eq!((&told["clients"][0]["status"], &told["clients"][0]["client_secret"]), (&json!("added"), &Value::Null));
        // The same keys in another order of members are the same keys.
        let inline = "[[clients]]\nname = 'Signs'\nscopes = 'password:reset'\nauth_method = 'private_key_jwt'\n[[clients.jwks.keys]]\n\
            y = 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0'\nx = 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU'\nkid = 'a'\ncrv = 'P-256'\nkty = 'EC'";
        assert_eq!(statuses(&applied(&program, inline, &[])), ["unchanged"]);
        let text = said(&program, &inline.replace("kid = 'a'", "kid = 'b'"), &[]);
        assert!(text.contains(&format!("    jwks            1 key: a ({THUMBPRINT}) -> 1 key: b ({THUMBPRINT})")), "{text}");
        // Who goes back to a secret gets one.
        let back = applied(&program, "[[clients]]\nname = 'Signs'\nscopes = 'password:reset'", &[]);
        assert!(back["clients"][0]["client_secret"].as_str().unwrap().starts_with("uf_cs_"));
    }

    async fn a_file_with_one_wrong_entry_changes_nothing_and_says_what_is_wrong_without_a_secret(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database);
        applied(&program, TWO, &[]);
        let before = program.json(&["client", "list"]);
        let good = "[[clients]]\nname = 'New'\nscopes = 'password:reset'\n";
        for (entry, words) in [
            ("scope = 'password:reset'", "client Bad: unknown key scope"),
            ("scopes = 'password:everything'", "client Bad: scopes: unknown scope"),
            ("scopes = ''", "client Bad: an app without a scope could do nothing"),
            ("scopes = 5", "client Bad: scopes: must be a text or a list of texts"),
            ("", "client Bad: scopes is missing"),
            ("scopes = 'password:reset'\nsecret = 'hunter2hunter2'", "client Bad: secret: a plain secret has no place"),
            ("scopes = 'password:reset'\nsecrets = ['hunter2hunter2']", "client Bad: secrets: a plain secret has no place"),
            ("scopes = 'password:reset'\nsecrets = [{label = 'x', client_secret = 'hunter2hunter2'}]", "client Bad, secret number 1: client_secret: a plain secret has no place"),
            ("scopes = 'password:reset'\nsecrets = [{label = 'x'}]", "state one of secret_file, secret_env, secret_stdin and digest"),
            ("scopes = 'password:reset'\nsecrets = [{label = 'x', secret_env = 'NO_SUCH'}]", "secret_env: the environment has no variable NO_SUCH"),
            ("scopes = 'password:reset'\nsecrets = [{label = 'x', secret_file = 'no-such'}]", "secret_file: cannot read no-such"),
            ("scopes = 'password:reset'\nsecrets = [{label = 'x', digest = 'hunter2hunter2'}]", "digest: a digest is the SHA-256"),
            ("scopes = 'password:reset'\nsecrets = [{label = 'x', secret_file = 'legacy.secret'}, {label = 'x', secret_env = 'LEGACY_SECRET'}]", "client Bad: the secret x is stated twice"),
            ("scopes = 'password:reset'\nsecrets = [{label = 'x', secret_file = 'legacy.secret', not_before = 2030-01-01T00:00:00Z, expires = 2029-01-01T00:00:00Z}]", "the secret x would end before it works"),
            ("scopes = 'password:reset'\nid = '00000000-0000-7000-8000-000000000000'", "client Bad: id: a client's id cannot be a UUID"),
            ("scopes = 'password:reset'\nauth_method = 'private_key_jwt'", "client Bad: an app with private_key_jwt needs its public keys"),
            ("scopes = 'password:reset'\njwks_file = 'keys.json'\nauth_method = 'private_key_jwt'\nsecrets = [{label = 'x', secret_file = 'legacy.secret'}]", "client Bad: an app with private_key_jwt has keys and no secret"),
            ("scopes = 'password:reset'\nreset_url = 'http://quotes.example/{token}'", "client Bad: reset_url: a reset URL must be https"),
            ("scopes = 'password:reset'\nrequire_dpop = 'yes'", "client Bad: require_dpop: must be true or false"),
            ("scopes = 'password:reset'\ntoken_lifetime = '90days'", "client Bad: token_lifetime: from 1s to 30days"),
            ("scopes = 'password:reset'\n[[clients]]\nname = 'New'\nscopes = 'password:reset'", "client New is stated twice"),
            ("scopes = 'password:reset'\n[[clients]]\nname = 'Again'\nid = 'legacy.app'\nscopes = 'password:reset'\n[[clients]]\nname = 'Legacy'\nscopes = 'password:reset'", "client Legacy is stated twice"),
            ("scopes = 'password:reset'\nsecret = hunter2hunter2", "not TOML that can be read, at line 8"),
        ] {
            let line = refused(&program, &format!("{good}\n[[clients]]\nname = 'Bad'\n{entry}\n"));
            assert!(line.contains(words), "{words}: {line}");
            assert!(!line.contains("hunter2"), "{line}");
        }
        for (text, words) in [
            ("", "apps.toml: clients is missing"),
            ("clients = 5", "apps.toml: clients: must be a list"),
            ("clients = [5]", "client number 1: must be a table"),
            ("[[clients]]\nscopes = 'password:reset'", "client number 1: name is missing"),
            ("client = []\nclients = []", "apps.toml: unknown key client"),
        ] {
            let line = refused(&program, text);
            assert!(line.contains(words), "{words}: {line}");
        }
        assert_eq!(program.json(&["client", "list"]), before);

        // A name that two have means nobody; a label that another secret has is not its.
        program.json(&["client", "add", "Legacy", "--scope", APP]);
        let line = refused(&program, "[[clients]]\nname = 'Legacy'\nscopes = 'password:reset'");
        assert_eq!(line, "unforget: 2 clients are called Legacy: state the id of the one that is meant");
        let line = refused(&program, &TWO.replace("secret_file = \"legacy.secret\"", "secret_env = \"LEGACY_SECRET\""));
        assert!(line.contains("client Legacy: another secret is called old and has not ended"), "{line}");
    }

    async fn two_who_apply_the_same_file_at_once_make_each_app_once(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database);
        program.json(&["migrate"]);
        write(&program, "apps.toml", TWO);
        let run = || program.command(&["client", "apply", "apps.toml", "--json"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
        let both: Vec<_> = (0..4).map(|_| run()).collect();
        let told: Vec<Value> = both.into_iter().map(|child| serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap()).collect();
        let added: i64 = told.iter().map(|told| told["added"].as_i64().unwrap()).sum();
        let unchanged: i64 = told.iter().map(|told| told["unchanged"].as_i64().unwrap()).sum();
        assert_eq!((added, unchanged), (2, 6), "{told:#?}");
        assert_eq!(program.json(&["client", "list"]).as_array().unwrap().len(), 2);
    }
}
