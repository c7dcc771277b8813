//! A password in the database's URL, also one that was not percent-encoded or whose key was mistyped: no piece of it is printed (P14).

use crate::helpers::Program;
use crate::startup::refused;

const COMMANDS: [&[&str]; 6] = [
    &["config"],
    &["migrate"],
    &["serve"],
    &["user", "list"],
    &["backup", "copy.db"],
    &["doctor"],
];

/// What a command prints, which holds no piece of "S3CRET".
fn said(program: &Program, arguments: &[&str]) -> String {
    let output = program.run(arguments);
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let pieces = ["S3", "CRET"].iter().any(|piece| text.contains(piece));
    assert!(!text.is_empty() && !pieces, "{arguments:?}: {text}");
    text
}

#[test]
fn p14_a_database_url_that_libpq_would_read_otherwise_is_refused_without_a_piece_of_it() {
    for url in [
        "postgres://a:S3CRET@127.0.0.1,b:S3CRET@127.0.0.1/d",
        "postgres://u:S3@CRET@127.0.0.1/db",
        "postgres://u:S3/CRET@127.0.0.1/db",
        "postgres://u:1/CRET@127.0.0.1/db",
    ] {
        let program = Program::new(&[("DATABASE_URL", url)]);
        for command in COMMANDS {
            let text = said(&program, command);
            let words = "database_url (from DATABASE_URL) must be postgres://user:password@host";
            assert!(text.contains(words), "{url} {command:?}: {text}");
        }
        let line = refused(&mut program.command(&["migrate"]));
        assert!(line.contains("@ : / ? are written %40"), "{line}");
    }
}

#[test]
fn p14_what_may_be_a_secret_in_the_query_of_a_database_url_is_hidden() {
    let url = "postgres://u@127.0.0.1:1,127.0.0.1:2/db?passwordd=S3CRET&sslmode=disable";
    let program = Program::new(&[("DATABASE_URL", url)]);
    for command in COMMANDS {
        said(&program, command);
    }
    assert_eq!(
        program.json(&["config"])["database_url"],
        "postgres://u@127.0.0.1:1,127.0.0.1:2/db?passwordd=***&sslmode=disable"
    );
    let line = refused(&mut program.command(&["backup", "copy.db"]));
    let shown = "'postgres://u@127.0.0.1:1,127.0.0.1:2/db?sslmode=disable'";
    assert!(line.contains(shown), "{line}");
}
