//! The command line: what it prints, for people and for scripts, and how it refuses.

use serde_json::{Value, json};
use unforget::clock::Clock;
use unforget::domain::EmailAddress;
use unforget::flows::users::UserRef;
use unforget::server;

use crate::both;
use crate::helpers::{APP, Backend, Database, Program, settings};
use crate::smtp::SmtpSink;

/// Nothing to send to: commands that need no mail server do not ask for one.
const NOWHERE: &str = "smtp+plain://127.0.0.1:9";

fn program(database: &Database, mail_url: &str) -> Program {
    Program::new(&[
        ("DATABASE_URL", &database.url()),
        ("UNFORGET_MAIL__URL", mail_url),
        ("UNFORGET_PASSWORD__BCRYPT_COST", "10"),
    ])
}

/// What a command says to people; it must succeed.
fn said(program: &Program, arguments: &[&str]) -> String {
    let output = program.run(arguments);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    assert_eq!(stderr, "", "{arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The one line with which a command fails.
fn refusal(output: std::process::Output) -> String {
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), stderr.lines().count()),
        (Some(1), 1),
        "{stderr}"
    );
    assert_eq!(output.stdout, b"");
    stderr.trim_end().to_owned()
}

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

both! {
    async fn client_add_prints_the_secret_once_and_nothing_else_does(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database, NOWHERE);
        let url = "https://quotes.example/reset?token={token}";
        let added = program.json(&[
            "client", "add", "Teen Quotes", "--scope", APP, "--scope", "users:disclose", "--reset-url", url, "--locale", "fr",
            "--token-lifetime", "10m",
        ]);
        assert_eq!(keys(&added), [
            "client_id", "name", "scopes", "reset_url", "locale", "token_lifetime", "auth_method", "jwks", "require_dpop",
            "registered_by", "created_at", "disabled_at", "client_secret",
        ]);
        let (id, secret) = (added["client_id"].as_str().unwrap(), added["client_secret"].as_str().unwrap());
        assert!(id.starts_with("uf_cl_") && secret.starts_with("uf_cs_"));
        assert_eq!(added["name"], "Teen Quotes");
        assert_eq!(added["scopes"], json!(["password:remind", "password:reset", "users:disclose"]));
        assert_eq!((&added["reset_url"], &added["locale"], &added["token_lifetime"]), (&json!(url), &json!("fr"), &json!(600)));

        let for_people = said(&program, &["client", "add", "Second app", "--scope", "password:reset"]);
        let second = for_people.lines().find_map(|line| line.strip_prefix("client_id      ")).unwrap().to_owned();
        let second_secret = for_people.lines().find_map(|line| line.strip_prefix("client_secret  ")).unwrap();
        assert!(second.starts_with("uf_cl_") && second_secret.starts_with("uf_cs_"));

        let list = program.json(&["client", "list"]);
        let names: Vec<_> = list.as_array().unwrap().iter().map(|client| &client["name"]).collect();
        assert_eq!(names, ["Teen Quotes", "Second app"]);
        let show = program.json(&["client", "show", id]);
        assert_eq!((&show["client_id"], show["secrets"].as_array().unwrap().len()), (&json!(id), 1));
        let later = [show.to_string(), list.to_string(), said(&program, &["client", "show", id]), said(&program, &["client", "list"])];
        for text in later {
            assert!(text.contains(id) && !text.contains("uf_cs_") && !text.contains(&secret[6..]), "{text}");
        }
    }

    async fn rotate_disable_enable_and_delete_say_what_they_did(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database, NOWHERE);
        let added = program.json(&["client", "add", "Quotes", "--scope", APP]);
        let id = added["client_id"].as_str().unwrap();
        let rotated = program.json(&["client", "rotate", id]);
        assert_eq!(keys(&rotated), ["client_id", "client_secret", "secret_id", "label", "not_before", "old_secrets_expire_at"]);
        assert_ne!(rotated["client_secret"], added["client_secret"]);
        let secrets = program.json(&["client", "show", id])["secrets"].clone();
        assert_eq!(secrets[0]["expires_at"], Value::Null);
        assert_eq!(secrets[1]["expires_at"], rotated["old_secrets_expire_at"]);
        assert!(said(&program, &["client", "rotate", id, "--overlap", "0s"]).starts_with("The old secrets have ended."));
        for (command, status) in [("disable", "disabled"), ("enable", "enabled"), ("disable", "disabled")] {
            assert_eq!(program.json(&["client", command, id]), json!({"client_id": id, "status": status}));
            let disabled = program.json(&["client", "show", id])["disabled_at"].is_string();
            assert_eq!(disabled, status == "disabled");
            assert!(said(&program, &["client", "list"]).contains(&format!("{status}  ")));
        }
        assert_eq!(said(&program, &["client", "delete", id]), format!("{id} is deleted.\n"));
        assert_eq!(program.json(&["client", "list"]), json!([]));
    }

    async fn an_unknown_client_is_one_line_and_exit_1(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database, NOWHERE);
        said(&program, &["migrate"]);
        for command in ["show", "rotate", "disable", "enable", "delete"] {
            let line = refusal(program.run(&["client", command, "uf_cl_nobody", "--json"]));
            assert_eq!(line, "unforget: there is no client uf_cl_nobody");
        }
        let line = refusal(program.run(&["client", "add", "Quotes", "--scope", " "]));
        assert!(line.contains("give --scope"), "{line}");
        assert_eq!(program.json(&["client", "list"]), json!([]));
    }

    async fn users_are_added_shown_listed_switched_off_and_deleted(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database, NOWHERE);
        let profile = r#"{"name":"Ann","likes":[1,"é"]}"#;
        let add = ["user", "add", "Ann@Example.com", "--password-stdin", "--locale", "fr_CA", "--profile", profile, "--json"];
        let output = program.run_with_input(&add, "a first secret\nwhat follows is not read\n");
        assert!(output.status.success(), "{output:?}");
        let ann: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(keys(&ann), ["id", "email", "locale", "profile", "created_at", "password_changed_at", "password_must_change", "disabled_at"]);
        assert_eq!((&ann["email"], &ann["locale"]), (&json!("Ann@example.com"), &json!("fr-CA")));
        assert_eq!(ann["profile"], serde_json::from_str::<Value>(profile).unwrap());
        let flows = server::flows(&settings(&database.url(), NOWHERE), Clock::System).unwrap();
        let key = EmailAddress::parse("ann@example.com").unwrap().key();
        let hash = flows.find_user(UserRef::Email(key)).await.unwrap().unwrap().password_hash.unwrap();
        assert!(bcrypt::verify("a first secret", hash.as_str()).unwrap());

        let bob = program.json(&["user", "add", "bob@example.com"]);
        assert_eq!(bob["password_changed_at"], Value::Null);
        let id = ann["id"].as_str().unwrap();
        assert_eq!(program.json(&["user", "show", id]), ann);
        assert_eq!(program.json(&["user", "show", "aNN@EXAMPLE.com"]), ann);
        let for_people = said(&program, &["user", "show", id]) + &said(&program, &["user", "list"]);
        assert!(for_people.contains("Ann@example.com") && !for_people.contains("$2b$"));
        let list = said(&program, &["user", "list", "--json"]);
        let lines: Vec<Value> = list.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines, [ann.clone(), bob]);

        for (command, user, disabled) in [("disable", id, true), ("enable", "ANN@example.com", false)] {
            said(&program, &["user", command, user]);
            assert_eq!(program.json(&["user", "show", id])["disabled_at"].is_string(), disabled);
        }
        assert_eq!(program.json(&["user", "delete", id]), json!({"status": "deleted"}));
        assert_eq!(refusal(program.run(&["user", "show", id])), "unforget: there is no such user");
        assert_eq!(said(&program, &["user", "list", "--json"]).lines().count(), 1);
    }

    async fn users_that_cannot_be_are_refused_with_one_line(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database, NOWHERE);
        program.json(&["user", "add", "ann@example.com"]);
        for (email, password, reason) in [
            ("ANN@Example.com", "a first secret", "there is a user with this address already"),
            ("bob@example.com", "tiny", "the password is refused: too_short"),
            ("bob@example.com", "", "the password is refused: too_short"),
            ("bob@example.com", "a first\0secret", "the password is refused: forbidden_character"),
            ("bob@", "a first secret", "not a valid e-mail address"),
            ("bob@example.com\r\nBcc: eve@evil.example", "a first secret", "not a valid e-mail address"),
        ] {
            let line = refusal(program.run_with_input(&["user", "add", email, "--password-stdin"], password));
            assert_eq!(line, format!("unforget: {reason}"));
        }
        for command in ["show", "disable", "enable", "delete"] {
            for nobody in ["eve@example.com", "00000000-0000-7000-8000-000000000000"] {
                assert_eq!(refusal(program.run(&["user", command, nobody])), "unforget: there is no such user");
            }
            let line = refusal(program.run(&["user", command, "ann"]));
            assert_eq!(line, "unforget: give an id or an e-mail address");
        }
        assert_eq!(said(&program, &["user", "list"]).lines().count(), 1);
    }

    async fn migrate_and_purge_report_what_they_did(backend: Backend) {
        let database = Database::create(backend);
        let program = program(&database, NOWHERE);
        let ran = program.json(&["migrate"])["ran"].clone();
        assert!(!ran.as_array().unwrap().is_empty());
        assert_eq!(program.json(&["migrate"]), json!({"ran": []}));
        assert_eq!(said(&program, &["migrate"]), "The database is up to date.\n");
        let purged = json!({"access_tokens": 0, "audit": 0, "client_secrets": 0, "guesses": 0, "mails": 0, "reset_tokens": 0, "spent_ids": 0});
        assert_eq!(program.json(&["purge"]), purged);
        let words = "Deleted 0 access tokens, 0 reset tokens, 0 mails, 0 client secrets, 0 counts of wrong passwords and 0 spent ids that had ended, and 0 entries of the audit old enough.\n";
        assert_eq!(said(&program, &["purge"]), words);
    }

    async fn mail_test_says_what_became_of_it(backend: Backend) {
        let (database, sink) = (Database::create(backend), SmtpSink::start().await);
        let program = program(&database, &sink.url());
        let sent = program.json(&["mail", "test", "ann@example.com", "--locale", "fr"]);
        assert_eq!(sent, json!({"status": "sent", "through": sink.url()}));
        let mail = sink.received().remove(0);
        assert_eq!(mail.to, ["ann@example.com"]);
        assert_eq!(mail.parse().header("Subject").as_deref(), Some("Un e-mail d'essai d'Unforget"));
        sink.stop();
        let line = refusal(program.run(&["mail", "test", "ann@example.com"]));
        assert!(line.contains("no connection to the mail server") && line.contains(&sink.url()), "{line}");
        assert_eq!(refusal(program.run(&["mail", "test", "ann"])), "unforget: not a valid e-mail address");
        said(&program, &["migrate"]);
        assert_eq!(program.json(&["mail", "list"]), json!([]));
        let line = refusal(program.run(&["mail", "retry", "00000000-0000-7000-8000-000000000000"]));
        assert!(line.contains("no such mail"), "{line}");
        let odd = program.run(&["mail", "retry", "x"]);
        let stderr = String::from_utf8(odd.stderr).unwrap();
        assert!(odd.status.code() == Some(2) && stderr.contains("this is no id of a mail"), "{stderr}");
    }
}

#[test]
fn wrong_usage_is_exit_2_and_no_secret_is_an_argument() {
    let program = Program::new(&[]);
    let add = ["client", "add", "Quotes"];
    let user = ["user", "add", "ann@example.com"];
    let cases: [(&[&str], &[&str], &str); 10] = [
        (
            &add,
            &["--scope", "password:everything"],
            "password:everything",
        ),
        (&add, &[], "--scope"),
        (
            &add,
            &[
                "--scope",
                APP,
                "--reset-url",
                "http://quotes.example/{token}",
            ],
            "must be https",
        ),
        (
            &add,
            &["--scope", APP, "--reset-url", "https://quotes.example/"],
            "{token}",
        ),
        (
            &add,
            &["--scope", APP, "--token-lifetime", "0s"],
            "from 1s to 30days",
        ),
        (&add, &["--scope", APP, "--secret", "uf_cs_x"], "--secret"),
        (&user, &["--password", "a first secret"], "--password"),
        (&user, &["--profile", "[]"], "a JSON object"),
        (&user, &["--profile", "{\"a\":\"\\u0000\"}"], "U+0000"),
        (&["mail", "retry", "1"], &[], "1"),
    ];
    for (command, options, words) in cases {
        let output = program.run(&[command, options].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{options:?}: {stderr}");
        assert!(stderr.contains(words), "{words}: {stderr}");
    }
    assert_eq!(program.run(&[]).status.code(), Some(2));
    assert_eq!(std::fs::read_dir(program.folder.path()).unwrap().count(), 0);
}
