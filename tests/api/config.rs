//! The configuration: where values come from, what is wrong with them, and that secrets stay secret (D13).

use serde_json::{Value, json};

use crate::helpers::Program;

/// A program with this `unforget.toml` and these variables.
fn program(file: &str, environment: &[(&str, &str)]) -> Program {
    let program = Program::new(environment);
    if !file.is_empty() {
        std::fs::write(program.folder.path().join("unforget.toml"), file).unwrap();
    }
    program
}

/// The one line with which a command refuses its configuration.
fn refusal(program: &Program, arguments: &[&str]) -> String {
    let output = program.run(arguments);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), stderr.lines().count()),
        (Some(1), 1),
        "{stderr}"
    );
    assert_eq!(output.stdout, b"");
    stderr
}

#[test]
fn d13_everything_that_is_wrong_is_named_in_one_line() {
    let file = r#"
        listen = "nowhere"
        colour = "blue"
        [mail]
        form = "x"
        timeout = "0s"
        [reset]
        lifetime = "2days"
        [password]
        bcrypt_cost = 9
    "#;
    let program = program(
        file,
        &[
            ("UNFORGET_MAIL_FROM", "Unforget <no-reply@example.com>"),
            ("UNFORGET_TOKEN__LIFETIME", "soon"),
            ("UNFORGET_PUBLIC_URL", "http://unforget.example"),
            ("UNFORGET_MAIL__URL", "smtp+plain://u:geheim@mail.example"),
            ("UNFORGET_LIMITS__TOKEN_BURST_FILE", "not/there"),
            ("DATABASE_URL", "mysql://u:geheim@h/db"),
        ],
    );
    let wrong = [
        "listen (from unforget.toml) must be ADDRESS:PORT",
        "colour (from unforget.toml) is not a known key",
        "mail.form (from unforget.toml) is not a known key",
        "mail.timeout (from unforget.toml) must be a duration such as",
        "reset.lifetime (from unforget.toml) must be a duration such as",
        "password.bcrypt_cost (from unforget.toml) must be a whole number from 10 to 16",
        "mail_from (from UNFORGET_MAIL_FROM) is not a known key",
        "token.lifetime (from UNFORGET_TOKEN__LIFETIME) must be a duration such as",
        "public_url (from UNFORGET_PUBLIC_URL) must be https",
        "mail.url (from UNFORGET_MAIL__URL) smtp+plain:// is for loopback only",
        "UNFORGET_LIMITS__TOKEN_BURST_FILE: cannot read the file not/there: No such file",
        "database_url (from DATABASE_URL) must begin with sqlite:// (then a path) or postgres://",
    ];
    for command in [&["config"][..], &["serve"], &["user", "list"]] {
        let line = refusal(&program, command);
        for words in wrong {
            assert!(line.contains(words), "{words}: {line}");
        }
        assert_eq!(line.matches(" (from ").count(), wrong.len() - 1, "{line}");
        assert!(!line.contains("geheim"), "{line}");
    }
    assert_eq!(std::fs::read_dir(program.folder.path()).unwrap().count(), 1); // no database was made
}

#[test]
fn d13_a_wrong_value_is_refused_with_its_key() {
    let table: [(&str, &str, &[&str]); 24] = [
        (
            "listen",
            "UNFORGET_LISTEN",
            &["8080", "localhost:8080", "127.0.0.1", ""],
        ),
        (
            "public_url",
            "UNFORGET_PUBLIC_URL",
            &[
                "",
                "unforget.example",
                "ftp://unforget.example",
                "http://unforget.example",
                "http://192.0.2.1",
                "https://u:p@unforget.example",
                "https://unforget.example?x",
                "https://unforget.example#x",
                "http://localhost.example",
            ],
        ),
        (
            "database_url",
            "UNFORGET_DATABASE_URL",
            &["", "data/x.db", "sqlite:x.db", "sqlite://", "mysql://h/d"],
        ),
        (
            "database_parallel",
            "UNFORGET_DATABASE_PARALLEL",
            &["0", "1001", "-1", "many"],
        ),
        (
            "mail.url",
            "UNFORGET_MAIL__URL",
            &[
                "",
                "mail.example",
                "http://mail.example",
                "smtp://user@mail.example",
                "smtp+plain://mail.example",
                "smtp+plain://192.0.2.1",
            ],
        ),
        (
            "mail.from",
            "UNFORGET_MAIL__FROM",
            &[
                "",
                "nobody",
                "Unforget <no-reply",
                "A\r\nBcc: eve@evil.example <a@b.example>",
            ],
        ),
        ("mail.timeout", "UNFORGET_MAIL__TIMEOUT", &["0s", "11m"]),
        ("mail.parallel", "UNFORGET_MAIL__PARALLEL", &["0", "201"]),
        (
            "token.lifetime",
            "UNFORGET_TOKEN__LIFETIME",
            &["", "10", "-5s", "0s", "31days", "1h 1"],
        ),
        (
            "reset.lifetime",
            "UNFORGET_RESET__LIFETIME",
            &["59s", "25h"],
        ),
        (
            "reset.cooldown",
            "UNFORGET_RESET__COOLDOWN",
            &["25h", "none"],
        ),
        ("reset.per_hour", "UNFORGET_RESET__PER_HOUR", &["0", "1.5"]),
        (
            "password.policy",
            "UNFORGET_PASSWORD__POLICY",
            &["", "strict", "NIST"],
        ),
        (
            "password.min_length",
            "UNFORGET_PASSWORD__MIN_LENGTH",
            &["0", "1025"],
        ),
        (
            "password.max_length",
            "UNFORGET_PASSWORD__MAX_LENGTH",
            &["63", "1025"],
        ),
        (
            "password.bcrypt_cost",
            "UNFORGET_PASSWORD__BCRYPT_COST",
            &["9", "17"],
        ),
        ("limits.enabled", "UNFORGET_LIMITS__ENABLED", &["yes", "1"]),
        ("limits.api_burst", "UNFORGET_LIMITS__API_BURST", &["0"]),
        (
            "http.trusted_proxies",
            "UNFORGET_HTTP__TRUSTED_PROXIES",
            &["10.0.0.0/33", "proxy.example"],
        ),
        (
            "http.cors_origins",
            "UNFORGET_HTTP__CORS_ORIGINS",
            &[
                "https://a.example/path",
                "a.example",
                "https://a.example, *x",
            ],
        ),
        ("http.drain", "UNFORGET_HTTP__DRAIN", &["301s", "long"]),
        (
            "metrics_listen",
            "UNFORGET_METRICS_LISTEN",
            &["9464", "localhost:9464", "127.0.0.1", "on"],
        ),
        ("auto_migrate", "UNFORGET_AUTO_MIGRATE", &["True", "0"]),
        ("workers", "UNFORGET_WORKERS", &["0"]),
    ];
    for (key, variable, values) in table {
        for value in values {
            let line = refusal(&program("", &[(variable, value)]), &["config"]);
            let start = format!("unforget: configuration: {key} (from {variable}) ");
            assert!(line.starts_with(&start), "{value:?}: {line}");
        }
    }
}

#[test]
fn values_at_their_bounds_are_taken() {
    for (variable, value) in [
        ("UNFORGET_PUBLIC_URL", "http://localhost:8080/"),
        ("UNFORGET_PUBLIC_URL", "http://[::1]:8080"),
        ("UNFORGET_PUBLIC_URL", "https://example.com/unforget"),
        ("UNFORGET_MAIL__URL", "smtp+plain://[::1]:2525"),
        ("UNFORGET_MAIL__URL", "smtp+plain://localhost"),
        ("UNFORGET_RESET__LIFETIME", "24h"),
        ("UNFORGET_RESET__COOLDOWN", "0s"),
        ("UNFORGET_PASSWORD__BCRYPT_COST", "16"),
        (
            "UNFORGET_HTTP__TRUSTED_PROXIES",
            "10.0.0.0/8, 2001:db8::/32,192.0.2.1",
        ),
        (
            "UNFORGET_HTTP__CORS_ORIGINS",
            "https://a.example,http://localhost:3000",
        ),
    ] {
        let output = program("", &[(variable, value)]).run(&["config"]);
        assert!(output.status.success(), "{variable}={value}: {output:?}");
    }
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let file = "workers = 3\nlisten = \"127.0.0.1:3\"\n[mail]\nparallel = 3\n[http]\ntrusted_proxies = [\"10.0.0.0/8\", \"192.0.2.1\"]\n";
    let program = program(
        file,
        &[
            ("UNFORGET_WORKERS", "4"),
            ("DATABASE_URL", "sqlite://a.db"),
            ("UNFORGET_MAIL__FROM_FILE", "from.txt"),
        ],
    );
    std::fs::write(
        program.folder.path().join("from.txt"),
        "Quotes <q@example.com>\r\n",
    )
    .unwrap();
    std::fs::write(
        program.folder.path().join("other.toml"),
        "workers = 5\nlisten = \"127.0.0.1:5\"\n",
    )
    .unwrap();
    let shown = program.json(&["config"]);
    for (key, value) in [
        ("workers", "4"),
        ("listen", "127.0.0.1:3"),
        ("mail.parallel", "3"),
        ("http.trusted_proxies", "10.0.0.0/8,192.0.2.1"),
        ("database_url", "sqlite://a.db"),
        ("mail.from", "Quotes <q@example.com>"),
        ("reset.lifetime", "1h"),
        ("password.min_length", "6"),
    ] {
        assert_eq!(shown[key], value, "{key}");
    }
    let other = program.json(&["--config", "other.toml", "config"]);
    assert_eq!(
        (&other["workers"], &other["listen"], &other["mail.parallel"]),
        (&json!("4"), &json!("127.0.0.1:5"), &json!("8"))
    );
    let line = refusal(&program, &["--config", "missing.toml", "config"]);
    assert!(line.contains("missing.toml: No such file"), "{line}");
    std::fs::write(program.folder.path().join("other.toml"), "workers = \n").unwrap();
    let line = refusal(&program, &["--config", "other.toml", "config"]);
    assert!(line.contains("configuration: other.toml: "), "{line}");
}

#[test]
fn unforgets_own_variable_wins_over_database_url() {
    let both = [
        ("DATABASE_URL", "sqlite://a.db"),
        ("UNFORGET_DATABASE_URL", "sqlite://b.db"),
    ];
    assert_eq!(
        program("", &both).json(&["config"])["database_url"],
        "sqlite://b.db"
    );
    let policy = program("[password]\npolicy = \"nist\"\n", &[]).json(&["config"]);
    assert_eq!(policy["password.min_length"], "15");
}

#[test]
fn config_masks_every_secret_and_prints_what_can_be_a_file() {
    let secret = program(
        "",
        &[
            (
                "DATABASE_URL",
                "postgres://app:geheim1@db.example/unforget?sslmode=require",
            ),
            ("UNFORGET_MAIL__URL", "smtp://post:geheim2@mail.example"),
        ],
    );
    let shown = secret.json(&["config"]);
    assert_eq!(
        shown["database_url"],
        "postgres://app:***@db.example/unforget?sslmode=require"
    );
    assert_eq!(shown["mail.url"], "smtp://post:***@mail.example:587");
    let text = String::from_utf8(secret.run(&["config"]).stdout).unwrap();
    assert!(text.contains("***") && !(text + &shown.to_string()).contains("geheim"));

    let plain = program("", &[("UNFORGET_WORKERS", "3")]);
    let printed = String::from_utf8(plain.run(&["config"]).stdout).unwrap();
    let again = program(&printed, &[]).json(&["config"]);
    assert_eq!(again, plain.json(&["config"]));
}

#[test]
fn the_example_file_holds_the_defaults_and_every_key() {
    let example = include_str!("../../unforget.example.toml");
    let defaults = program("", &[]).json(&["config"]);
    assert_eq!(program(example, &[]).json(&["config"]), defaults);
    let Value::Object(keys) = defaults else {
        panic!("not an object: {defaults}");
    };
    for key in keys.keys() {
        let name = key.rsplit('.').next().unwrap();
        assert!(
            example.contains(&format!("\n{name} = "))
                || example.contains(&format!("\n# {name} = ")),
            "{key}"
        );
    }
}
