//! What `unforget client apply` tells about secrets and keys: what they were, what they are, and which of them end.

use serde_json::{Value, json};

use crate::both;
use crate::helpers::{APP, Backend, Database, Program};

const ZZ: &str = "[[clients]]\nname = 'App'\nid = 'app'\nscopes = 'password:remind password:reset'\n[[clients.secrets]]\nlabel = 'zz'\nsecret_env = 'LEGACY'\n";
const SIGNS: &str = "[[clients]]\nname = 'App'\nid = 'app'\nscopes = 'password:remind password:reset'\nauth_method = 'private_key_jwt'\n\
    [[clients.jwks.keys]]\nkty = 'OKP'\ncrv = 'Ed25519'\nx = '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo'\n";
/// The key of RFC 8037 appendix A, and its thumbprint.
const FIRST: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";

fn program(database: &Database) -> Program {
    Program::new(&[
        ("DATABASE_URL", &database.url()),
        ("LEGACY", "a+b%c~d*e!f/g"),
    ])
}

/// What applying this file tells, for people and as JSON; nothing is changed.
fn told(program: &Program, text: &str) -> (String, Value) {
    std::fs::write(program.folder.path().join("apps.toml"), text).unwrap();
    let command = ["client", "apply", "apps.toml", "--dry-run"];
    let output = program.run(&command);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    (said, program.json(&command)["clients"][0].clone())
}

fn apply(program: &Program, text: &str) -> Value {
    std::fs::write(program.folder.path().join("apps.toml"), text).unwrap();
    program.json(&["client", "apply", "apps.toml"])["clients"][0].clone()
}

/// The working labels.
fn working(program: &Program) -> Vec<Value> {
    let shown = program.json(&["client", "show", "app"]);
    let secrets = shown["secrets"].as_array().unwrap().iter();
    secrets
        .filter(|secret| secret["state"] != "ended")
        .map(|secret| secret["label"].clone())
        .collect()
}

both! {
    async fn a_secret_that_is_renamed_or_ended_is_told_with_what_it_was(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database);
        program.json(&["client", "add", "App", "--scope", APP, "--id", "app", "--secret-env", "LEGACY"]);
        let id = program.json(&["client", "show", "app"])["secrets"][0]["id"].clone();

        let (said, json) = told(&program, ZZ);
        assert!(said.contains("    secret          zz changed: label (none) -> zz\n"), "{said}");
        assert_eq!(json["secrets"], json!([{"label": "zz", "id": id, "status": "changed", "changes": [{"field": "label", "old": null, "new": "zz"}]}]));

        let ends = format!("{ZZ}not_before = 2020-01-01T00:00:00Z\nexpires = 2020-02-01T00:00:00Z\n");
        let (said, json) = told(&program, &ends);
        let line = "    secret          zz ends now: label (none) -> zz, not_before (none) -> 2020-01-01T00:00:00Z, expires (none) -> 2020-02-01T00:00:00Z\n";
        assert!(said.contains(line), "{said}");
        assert_eq!((&json["status"], &json["secrets"][0]["status"]), (&json!("changed"), &json!("ended")));
        assert_eq!(working(&program), [Value::Null]);
        assert_eq!(apply(&program, &ends)["secrets"], json["secrets"]);
        assert_eq!(working(&program), Vec::<Value>::new());
        assert_eq!(apply(&program, &ends)["secrets"], json!([{"label": "zz", "id": id, "status": "unchanged", "changes": []}]));
    }

    async fn secrets_that_end_with_private_key_jwt_are_named_before_and_after(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database);
        apply(&program, ZZ);
        program.json(&["client", "rotate", "app", "--overlap", "1h"]);
        program.json(&["client", "rotate", "app", "--label", "gone"]);
        program.json(&["client", "rotate", "app", "--end", "gone"]);
        let (said, json) = told(&program, SIGNS);
        assert!(said.contains("    secret          zz ends now: expires 20"), "{said}");
        assert_eq!(said.matches(" ends now: ").count(), 2, "{said}");
        let named = |json: &Value| -> Vec<_> {
            let secrets = json["secrets"].as_array().unwrap().iter();
            secrets.map(|s| json!([s["label"], s["status"], s["changes"][0]["field"]])).collect()
        };
        let both = [json!([null, "ended", "expires"]), json!(["zz", "ended", "expires"])];
        assert_eq!(named(&json), both);
        assert_eq!(working(&program), [Value::Null, json!("zz")]);
        assert_eq!(named(&apply(&program, SIGNS)), both);
        assert_eq!(working(&program), Vec::<Value>::new());
        assert_eq!(apply(&program, SIGNS)["secrets"], json!([]));
    }

    async fn another_key_of_the_same_name_or_of_none_is_told_apart(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database);
        apply(&program, SIGNS);
        let other = SIGNS.replace("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw");
        let (said, json) = told(&program, &other);
        let line = said.lines().find(|line| line.starts_with("    jwks            ")).unwrap();
        assert!(line.starts_with(&format!("    jwks            1 key: {FIRST} -> 1 key: ")) && line.matches(FIRST).count() == 1, "{line}");
        assert_eq!(json["changes"][0]["new"]["keys"][0]["x"], "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw");
        let (said, _) = told(&program, &SIGNS.replace("kty =", "kid = 'a'\nkty ="));
        assert!(said.contains(&format!("1 key: {FIRST} -> 1 key: a ({FIRST})\n")), "{said}");
    }

    async fn an_app_whose_stated_secret_has_expired_gets_one_that_works(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database);
        let expired = format!("{ZZ}expires = 2020-02-01T00:00:00Z\n");
        let (said, json) = told(&program, &expired);
        assert!(said.contains("    secret          zz has expired, and is left out\n    client_secret   (a new one)\n"), "{said}");
        assert_eq!(json["secrets"], json!([{"label": "zz", "id": null, "status": "expired", "changes": []}]));
        let applied = apply(&program, &expired);
        assert!(applied["client_secret"].as_str().unwrap().starts_with("uf_cs_"), "{applied}");
        assert_eq!(working(&program), [Value::Null]);
        assert_eq!(apply(&program, &expired)["status"], "unchanged");
    }

    async fn a_file_may_begin_with_a_mark_and_many_others_are_counted(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database);
        let list: Vec<_> = (0..25).map(|n| json!({"name": format!("App {n:02}"), "id": format!("app-{n:02}"), "scopes": APP})).collect();
        let marked = |value: Value| format!("\u{feff}{value}");
        let all = marked(json!({"clients": list}));
        for (name, input, words) in [
            ("apps.json", "", "added      App 24 (app-24)"),
            ("-", all.as_str(), "unchanged  App 24 (app-24)"),
        ] {
            std::fs::write(program.folder.path().join("apps.json"), &all).unwrap();
            let output = program.run_with_input(&["client", "apply", name], input);
            let said = String::from_utf8(output.stdout).unwrap();
            assert!(output.status.success() && said.contains(words), "{said}{}", String::from_utf8_lossy(&output.stderr));
        }
        let one = json!({"clients": [list[0]]}).to_string();
        let output = program.run_with_input(&["client", "apply", "-"], &one);
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(said.contains("App 20 (app-20), and 4 others\n") && !said.contains("App 21"), "{said}");
        let output = program.run_with_input(&["client", "apply", "-", "--json"], &one);
        let all: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(all["not_in_file"].as_array().unwrap().len(), 24);

        // A list is JSON too, and not what is wanted.
        for list in ["[]", " [ {\"name\": \"App\"} ]"] {
            let output = program.run_with_input(&["client", "apply", "-"], list);
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!((output.status.code(), said.as_str()), (Some(1), "unforget: -: must be an object with a list \"clients\"\n"));
        }
    }
}
