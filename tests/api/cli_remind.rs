//! `unforget remind`: an operator has a link mailed to a user on the phone, or is shown it.

use serde_json::{Value, json};

use crate::accounts::{ANN, NEW, NOBODY};
use crate::both;
use crate::helpers::{APP, Backend, Program, TestApp, a_second_later};

const LATER: &str = "an even newer secret";

fn program(app: &TestApp) -> Program {
    Program::new(&[("DATABASE_URL", &app.database.url())])
}

/// The one line with which a command is refused.
fn refused(program: &Program, arguments: &[&str]) -> String {
    let output = program.run(arguments);
    let stderr = String::from_utf8(output.stderr).unwrap();
    let told = (
        output.status.code(),
        stderr.lines().count(),
        output.stdout.len(),
    );
    assert_eq!(told, (Some(1), 1, 0), "{arguments:?}: {stderr}");
    stderr
}

/// What the audit has of an act: the refusal, who did it, to which app and user. No row has what must not be known.
fn audited(program: &Program, act: &str, secrets: &[&str]) -> Vec<Value> {
    let output = program.run(&["audit", "--json", "--act", act]);
    let text = String::from_utf8(output.stdout).unwrap();
    for secret in secrets {
        assert!(!text.contains(secret), "{text}");
    }
    let told = |line: &str| {
        let row: Value = serde_json::from_str(line).unwrap();
        json!([
            row["refusal"],
            row["actor"],
            row["subject_client"],
            row["subject_user"]
        ])
    };
    text.lines().map(told).collect()
}

both! {
    async fn a_printed_link_resets_the_password_once_and_no_mail_is_sent(app: TestApp) {
        let program = program(&app);
        let client = app.client(APP).await;
        let ann = app.user(ANN).await;
        let token = app.token_of(&client).await;
        let shown = program.json(&["remind", ANN, "--client", &client.id, "--print-link"]);
        assert_eq!(shown.as_object().unwrap().keys().collect::<Vec<_>>(), ["link", "expires_at"]);
        let link = shown["link"].as_str().unwrap();
        let secret = link.strip_prefix("https://quotes.example/reset?token=").unwrap();
        let listed = program.json(&["mail", "list", "--state", "printed"]);
        let id = listed[0]["id"].as_str().unwrap().to_owned();
        assert_eq!((&listed[0]["due_at"], &listed[0]["attempts"]), (&Value::Null, &json!(0)));
        assert!(!listed.to_string().contains(secret));
        let why = refused(&program, &["mail", "retry", &id]);
        assert!(why.contains("its link was printed"), "{why}");

        assert_eq!(app.check(&token, secret).await.said(), "200 token_valid");
        assert_eq!(app.reset(&token, ANN, secret, NEW).await.said(), "200 password_reset");
        assert_eq!(app.reset(&token, ANN, secret, LATER).await.said(), "400 wrong_token");
        assert!(app.password_is(ANN, NEW).await);
        let notice = app.mails(1).await.remove(0).parse();
        assert!(!notice.text.contains("uf_rt_"), "{notice:?}");
        app.quiet().await;
        assert_eq!(app.sink.received().len(), 1);

        assert_eq!(audited(&program, "password.link", &[secret, ANN]), [json!([null, "operator", client.id, ann])]);
        assert_eq!(audited(&program, "password.remind", &[]), Vec::<Value>::new());
    }

    async fn a_printed_link_ends_as_a_mailed_one_does(app: TestApp) {
        let program = program(&app);
        let client = app.client(APP).await;
        app.user(ANN).await;
        let token = app.token_of(&client).await;
        let print = || {
            let shown = program.json(&["remind", ANN, "--client", &client.id, "--print-link"]);
            shown["link"].as_str().unwrap().split_once("token=").unwrap().1.to_owned()
        };
        // No cool-down keeps an operator from it, and the newest three are alive.
        let links: Vec<_> = (0..4).map(|_| print()).collect();
        for (link, said) in links.iter().zip(["400 wrong_token", "200 token_valid", "200 token_valid", "200 token_valid"]) {
            assert_eq!(app.check(&token, link).await.said(), said);
        }
        assert!(program.run(&["user", "disable", ANN]).status.success());
        assert!(program.run(&["user", "enable", ANN]).status.success());
        a_second_later().await;
        assert_eq!(app.check(&token, &links[3]).await.said(), "400 wrong_token");
        let last = print();
        app.advance(3601);
        let token = app.token_of(&client).await;
        assert_eq!(app.check(&token, &last).await.said(), "400 wrong_token");
    }

    async fn a_mail_that_an_operator_asks_for_is_the_one_that_the_app_asks_for(app: TestApp) {
        let program = program(&app);
        let client = app.client(APP).await;
        let ann = app.user(ANN).await;
        let queued = program.json(&["remind", ANN, "--client", &client.id]);
        assert_eq!(queued["status"], "queued");
        app.advance(0);
        let mail = app.mails(1).await.remove(0);
        assert_eq!(mail.to, [ANN]);
        let secret = mail.parse().token();
        let token = app.token_of(&client).await;
        assert_eq!(app.check(&token, &secret).await.said(), "200 token_valid");
        assert_eq!(program.json(&["mail", "list"])[0]["id"], queued["id"]);

        let why = refused(&program, &["remind", ANN, "--client", &client.id]);
        assert!(why.contains("just now"), "{why}");
        // The app is not told, and sends nothing either.
        assert_eq!(app.remind(&token, ANN).await.said(), "200 reminder_sent");
        app.quiet().await;
        assert_eq!(app.sink.received().len(), 1);
        let by = |refusal: Value| json!([refusal, "operator", client.id, ann]);
        let rows = audited(&program, "password.remind", &[&secret, ANN]);
        assert_eq!(rows[..2], [by(Value::Null), by(json!("cool_down"))]);
    }

    async fn who_is_unknown_or_disabled_gets_neither_a_mail_nor_a_link(app: TestApp) {
        let program = program(&app);
        let (client, off) = (app.client(APP).await, app.client(APP).await);
        let ann = app.user(ANN).await;
        app.user("bob@example.com").await;
        assert!(program.run(&["client", "disable", &off.id]).status.success());
        assert!(program.run(&["user", "disable", ANN]).status.success());
        for (act, option) in [("password.remind", &[][..]), ("password.link", &["--print-link"])] {
            for (email, id, words) in [
                (NOBODY, client.id.as_str(), "there is no such user"),
                (ANN, &client.id, "the account is disabled"),
                ("bob@example.com", "nobody", "there is no such client"),
                ("bob@example.com", &off.id, "the client is disabled"),
            ] {
                let line = refused(&program, &[&["remind", email, "--client", id], option].concat());
                assert_eq!(line, format!("unforget: {words}\n"));
            }
            let refused = |word: &str, client: Value, user: Value| json!([word, "operator", client, user]);
            assert_eq!(audited(&program, act, &[ANN, NOBODY]), [
                refused("wrong_user", json!(client.id), Value::Null),
                refused("wrong_user", json!(client.id), json!(ann)),
                refused("wrong_client", Value::Null, Value::Null),
                refused("wrong_client", json!(off.id), Value::Null),
            ]);
        }
        assert!(refused(&program, &["remind", "ann", "--client", &client.id]).contains("not a valid e-mail address"));
        assert_eq!(program.run(&["remind", ANN]).status.code(), Some(2));
        assert_eq!(program.json(&["mail", "list"]), json!([]));
    }

    async fn a_link_that_could_not_be_printed_is_a_failure(app: TestApp) {
        let program = program(&app);
        let client = app.client(APP).await;
        app.user(ANN).await;
        let mut command = program.command(&["remind", ANN, "--client", &client.id, "--print-link"]);
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = command.stdout(full).stderr(std::process::Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), stderr.lines().count()), (Some(1), 1), "{stderr}");
        assert!(stderr.contains("could not be printed") && !stderr.contains("token="), "{stderr}");
    }
}

both! {
    async fn the_hourly_cap_holds_for_operators_and_is_told(backend: Backend) {
        let app = TestApp::start_with(backend, |s| s.recovery.per_hour = 1).await;
        let mut program = program(&app);
        program.set("UNFORGET_RESET__PER_HOUR", "1");
        program.set("UNFORGET_RESET__COOLDOWN", "0s");
        let client = app.client(APP).await;
        let ann = app.user(ANN).await;
        program.json(&["remind", ANN, "--client", &client.id]);
        let why = refused(&program, &["remind", ANN, "--client", &client.id]);
        assert!(why.contains("too many mails"), "{why}");
        let rows = audited(&program, "password.remind", &[ANN]);
        assert_eq!(rows[1], json!(["throttled", "operator", client.id, ann]));
    }
}
