//! `unforget client ..`: what an app brings along, which of its secrets are in use, and one that has leaked.

use std::process::{Output, Stdio};

use serde_json::{Value, json};

use crate::both;
use crate::helpers::{APP, Backend, Database, Program};

const KEYS: &str = r#"{"keys": [{"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
const LEGACY: &str = "a+b%c~d*e!f/g";
/// Of it, as `printf '%s' "$secret" | sha256sum` prints it.
const DIGEST: &str = "fc759d671fe29cd80f2530fdf4872f475a58069a0324ae888af9e1dc5e9706ce";

fn program(database: &Database) -> Program {
    let program = Program::new(&[("DATABASE_URL", &database.url()), ("LEGACY", LEGACY)]);
    std::fs::write(program.folder.path().join("keys.json"), KEYS).unwrap();
    std::fs::write(
        program.folder.path().join("secret"),
        format!("{LEGACY}\r\n"),
    )
    .unwrap();
    program
}

fn said(output: Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The one line with which a command is refused.
fn refused(output: Output) -> String {
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), stderr.lines().count()),
        (Some(1), 1),
        "{stderr}"
    );
    stderr
}

/// A pipe whose reader has gone.
fn nobody_reads() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// A full disk.
fn no_space() -> Stdio {
    let full = std::fs::File::options().write(true).open("/dev/full");
    full.unwrap().into()
}

both! {
    async fn an_app_keeps_the_id_and_the_secret_that_it_has_elsewhere(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database);
        let add = |id: &str, options: &[&str]| {
            let command = ["client", "add", "Legacy", "--scope", APP, "--id", id, "--secret-label", "old", "--json"];
            let output = program.run_with_input(&[&command, options].concat(), LEGACY);
            serde_json::from_str::<Value>(&said(output)).unwrap()
        };
        let service = program.serve().await;
        for (id, options) in [
            ("svc-a_1", &["--secret-stdin"][..]),
            ("svc.b~2", &["--secret-file", "secret"]),
            ("3", &["--secret-env", "LEGACY"]),
            ("uf_cl_brought", &["--secret-digest", DIGEST]),
        ] {
            let added = add(id, options);
            assert_eq!((&added["client_id"], &added["client_secret"]), (&json!(id), &Value::Null));
            service.token(&json!({"client_id": id, "client_secret": LEGACY})).await;
            let shown = program.json(&["client", "show", id]);
            assert_eq!((&shown["secrets"][0]["label"], &shown["secrets"][0]["in_use"]), (&json!("old"), &json!(true)));
            assert!(!shown.to_string().contains(LEGACY));
        }
    }

    async fn what_an_app_cannot_bring_along_is_refused_without_repeating_it(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database);
        program.json(&["client", "add", "First", "--scope", APP, "--id", "first"]);
        let add = |options: &[&str], input: &str| program.run_with_input(&[&["client", "add", "Second", "--scope", APP], options].concat(), input);
        for (options, input, words) in [
            (&["--id", "first"][..], "", "there is a client with this id already"),
            (&["--secret-stdin"], "short", "at least 8 characters"),
            (&["--secret-stdin"], "two lines\nof hunter2", "one line of printable ASCII"),
            (&["--secret-stdin"], "clé secrète hunter2", "one line of printable ASCII"),
            (&["--secret-digest", "hunter2"], "", "64 hexadecimal digits"),
            (&["--secret-file", "no-such"], "", "cannot read no-such"),
            (&["--secret-env", "NO_SUCH"], "", "no variable NO_SUCH"),
            (&["--auth-method", "private_key_jwt"], "", "give --jwks"),
            (&["--auth-method", "private_key_jwt", "--jwks", "keys.json", "--secret-env", "LEGACY"], "", "has keys and no secret"),
            (&["--jwks", "secret"], "", "must be a JWK Set"),
            (&["--jwks", "-", "--secret-stdin"], KEYS, "either the keys or the secret"),
        ] {
            let line = refused(add(options, input));
            assert!(line.contains(words) && !line.contains("hunter2"), "{line}");
        }
        for (options, words) in [
            (&["--id", "00000000-0000-7000-8000-000000000000"][..], "cannot be a UUID"),
            (&["--id", "0000000000007000800000000000000A"], "cannot be a UUID"),
            (&["--id", "a:b"], "letters, digits"),
            (&["--id", ".."], "letters, digits"),
            (&["--id", "uf_cs_x"], "what begins with uf_ is ours"),
            (&["--id", "Operator"], "cannot be operator"),
            (&["--secret-stdin", "--secret-env", "LEGACY"], "cannot be used with"),
            (&["--auth-method", "none"], "[possible values: client_secret_basic, client_secret_post, private_key_jwt]"),
            (&["--scope", "everything"], "unknown scope; known are: password:remind"),
        ] {
            let output = add(options, "");
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{stderr}");
            assert!(stderr.contains(words), "{stderr}");
        }
        assert_eq!(program.json(&["client", "list"]).as_array().unwrap().len(), 1);
    }

    async fn o18_a_secret_that_could_not_be_printed_is_a_failure_that_says_what_to_do(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database);
        program.json(&["client", "add", "Quotes", "--scope", APP, "--id", "quotes"]);
        for (number, output) in [(1, nobody_reads as fn() -> Stdio), (2, no_space)] {
            let (added, one, two) = (format!("added-{number}"), format!("one-{number}"), format!("two-{number}"));
            let app = |id: &str| format!("[[clients]]\nname = '{id}'\nid = '{id}'\nscopes = 'password:reset'\n");
            let apps = |name: &str, text: String| std::fs::write(program.folder.path().join(name), text).unwrap();
            apps("one.toml", app(&one));
            apps("both.toml", app(&one) + &app(&two) + &app(&format!("three-{number}")));
            for (arguments, words) in [
                (&["client", "add", "Added", "--scope", APP, "--id", &added][..], format!("unforget client rotate {added}\n")),
                (&["client", "add", "Added", "--scope", APP, "--id", &added, "--json"], "there is a client with this id already".to_owned()),
                (&["client", "rotate", "quotes"], "quotes has a new secret, which could not be printed".to_owned()),
                (&["client", "rotate", "quotes", "--json"], "unforget client rotate quotes\n".to_owned()),
                (&["client", "apply", "one.toml"], format!("unforget client rotate {one}\n")),
                (&["client", "apply", "both.toml", "--json"], format!("unforget client rotate ID; {two} three-{number}\n")),
            ] {
                let line = refused(program.command(arguments).stdout(output()).output().unwrap());
                assert!(line.contains(words.as_str()) && !line.contains("uf_cs_"), "{arguments:?}: {line}");
            }
        }
        // Where nothing is lost, a reader may leave when it has seen enough.
        for arguments in [&["client", "list"][..], &["client", "apply", "both.toml"], &["client", "add", "Brings", "--scope", APP, "--secret-env", "LEGACY"]] {
            let output = program.command(arguments).stdout(nobody_reads()).output().unwrap();
            assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}: {output:?}");
        }
    }

    async fn an_app_that_signs_has_keys_and_no_secret(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database);
        let options = ["client", "add", "Signs", "--scope", APP, "--auth-method", "private_key_jwt", "--require-dpop", "--jwks"];
        let added = program.json(&[&options[..], &["keys.json"]].concat());
        assert_eq!((&added["client_secret"], &added["auth_method"], &added["require_dpop"]), (&Value::Null, &json!("private_key_jwt"), &json!(true)));
        assert_eq!(added["jwks"], serde_json::from_str::<Value>(KEYS).unwrap());
        let text = said(program.run_with_input(&[&options[..], &["-"]].concat(), KEYS));
        assert!(text.contains("client_secret  (none: it authenticates with its keys)"), "{text}");
        let id = added["client_id"].as_str().unwrap();
        assert!(said(program.run(&["client", "show", id])).contains("jwks            1 key: oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U\n"));
        assert!(refused(program.run(&["client", "rotate", id])).contains("has keys and no secret"));
    }

    async fn show_says_in_words_who_uses_an_old_secret_and_rotate_ends_a_leaked_one(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database);
        let client = program.json(&["client", "add", "Quotes", "--scope", APP, "--secret-label", "2026"]);
        let id = client["client_id"].as_str().unwrap();
        let rotated = program.json(&["client", "rotate", id, "--label", "2027", "--overlap", "1h"]);
        assert_eq!(rotated["label"], "2027");
        // A label means one secret: a second one could not be told from it.
        let taken = refused(program.run(&["client", "rotate", id, "--label", "2027"]));
        assert!(taken.contains("another secret of the client has this label and has not ended"), "{taken}");
        assert_eq!(program.json(&["client", "show", id])["secrets"].as_array().unwrap().len(), 2);
        let show = || said(program.run(&["client", "show", id]));
        assert!(show().contains("The secret 2026, which ends ") && show().contains(", was never used."), "{}", show());
        let mut service = program.serve().await;
        service.token(&client).await;
        service.kill(); // what was noted with a token is as durable as the token
        let service = program.serve().await;
        assert!(show().contains("The secret 2026 is still in use although it ends "), "{}", show());
        let secrets = program.json(&["client", "show", id])["secrets"].clone();
        let told: Vec<_> = secrets.as_array().unwrap().iter().map(|s| json!([s["label"], s["state"], s["in_use"]])).collect();
        assert_eq!(told, [json!(["2027", "works", false]), json!(["2026", "ending", true])]);

        let ended = program.json(&["client", "rotate", id, "--end", "2026"]);
        assert_eq!((&ended["status"], &ended["secret_id"], &ended["working_secrets"]), (&json!("ended"), &secrets[1]["id"], &json!(1)));
        assert!(show().contains("2026: ended "), "{}", show());
        let again = program.json(&["client", "rotate", id, "--label", "2026", "--overlap", "1h"]); // its label is free
        program.json(&["client", "rotate", id, "--end", again["secret_id"].as_str().unwrap()]);
        service.token(&rotated).await;
        assert!(refused(program.run(&["client", "rotate", id, "--end", "nobody"])).contains("no such secret"));
        assert!(refused(program.run(&["client", "rotate", "nobody", "--end", "2026"])).contains("there is no client nobody"));
        for wrong in [&["--end", "2026", "--label", "x"][..], &["--not-before", "soon"], &["--overlap", "-1h"], &["--label", " "]] {
            assert_eq!(program.run(&[&["client", "rotate", id], wrong].concat()).status.code(), Some(2), "{wrong:?}");
        }
        let later = program.json(&["client", "rotate", id, "--not-before", "2h", "--overlap", "0s"]);
        assert_eq!(later["not_before"], later["old_secrets_expire_at"]);
        service.token(&json!({"client_id": id, "client_secret": rotated["client_secret"]})).await;
        assert!(show().contains("works from "), "{}", show());
        let at = program.json(&["client", "rotate", id, "--not-before", "2100-01-01T00:00:00Z"]);
        assert_eq!(at["not_before"], "2100-01-01T00:00:00Z");
        assert!(said(program.run(&["client", "rotate", id, "--end", "2027"])).contains("The app has no other that works"));
    }
}
