//! The command line beside a running server: what it changes counts at once where tokens are issued, and within a second everywhere. And `serve --dev`, as somebody new runs it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::both;
use crate::helpers::{APP, Backend, Database, PATIENCE, Program, Reply, Service, a_second_later};
use crate::smtp::{Behaviour, SmtpSink};

async fn token_status(service: &Service, client: &Value) -> u16 {
    let text = |key: &str| client[key].as_str().unwrap().to_owned();
    let request = reqwest::Client::new()
        .post(format!("{}/oauth/token", service.base))
        .basic_auth(text("client_id"), Some(text("client_secret")))
        .form(&[("grant_type", "client_credentials")]);
    Reply::of(request.send().await.unwrap()).await.status
}

both! {
    async fn o19_a_running_server_sees_within_a_second_what_the_command_line_changes_of_a_client(backend: Backend) {
        let database = Database::create(backend);
        let program = Program::new(&[("DATABASE_URL", &database.url()), ("UNFORGET_LIMITS__ENABLED", "false")]);
        let service = program.serve().await;
        let client = program.json(&["client", "add", "Quotes", "--scope", APP]);
        let id = client["client_id"].as_str().unwrap();
        let token = service.token(&client).await;
        let check = || service.post("/v1/password/check", &token, json!({"token": "x"}));
        assert_eq!(check().await.said(), "400 wrong_token");

        program.json(&["client", "disable", id]);
        assert_eq!(token_status(&service, &client).await, 401); // no new token, from that moment on
        a_second_later().await;
        assert_eq!(check().await.said(), "401 invalid_token");
        program.json(&["client", "enable", id]);
        assert_eq!(check().await.said(), "401 invalid_token"); // the old token stays dead
        let token = service.token(&client).await;
        let check = || service.post("/v1/password/check", &token, json!({"token": "x"}));
        assert_eq!(check().await.said(), "400 wrong_token");

        let second = program.json(&["client", "rotate", id]); // an overlap of a day
        for secret in [&client, &second] {
            assert_eq!(token_status(&service, secret).await, 200);
        }
        let third = program.json(&["client", "rotate", id, "--overlap", "0s"]);
        for (secret, status) in [(&client, 401), (&second, 401), (&third, 200)] {
            assert_eq!(token_status(&service, secret).await, status);
        }
        assert_eq!(check().await.said(), "400 wrong_token"); // a rotation ends no token

        program.json(&["client", "delete", id]);
        assert_eq!(token_status(&service, &third).await, 401);
        a_second_later().await;
        assert_eq!(check().await.said(), "401 invalid_token");
    }

    async fn a_running_server_sees_within_a_second_what_the_command_line_changes_of_a_user(backend: Backend) {
        let (database, sink) = (Database::create(backend), SmtpSink::start().await);
        let program = Program::new(&[
            ("DATABASE_URL", &database.url()),
            ("UNFORGET_MAIL__URL", &sink.url()),
            ("UNFORGET_RESET__COOLDOWN", "0s"),
            ("UNFORGET_PASSWORD__BCRYPT_COST", "10"),
        ]);
        let service = program.serve().await;
        let client = program.json(&["client", "add", "Quotes", "--scope", APP]);
        let token = service.token(&client).await;
        let remind = || service.post("/v1/password/remind", &token, json!({"email": "ann@example.com"}));
        program.json(&["user", "add", "ann@example.com"]);
        remind().await;
        let link = sink.wait_for(1, PATIENCE).await[0].parse().token();
        let check = || service.post("/v1/password/check", &token, json!({"token": link}));
        assert_eq!(check().await.said(), "200 token_valid");
        program.json(&["user", "disable", "ann@example.com"]);
        a_second_later().await;
        assert_eq!(check().await.said(), "400 wrong_token");
        assert_eq!(remind().await.said(), "200 reminder_sent");
        program.json(&["user", "enable", "ann@example.com"]);
        assert_eq!(check().await.said(), "400 wrong_token"); // the old link stays dead
        remind().await;
        let link = sink.wait_for(2, PATIENCE).await[1].parse().token();
        let body = json!({"email": "ann@example.com", "token": link, "password": "a new secret"});
        assert_eq!(service.post("/v1/password/reset", &token, body).await.said(), "200 password_reset");
    }

    async fn a_failed_mail_is_listed_and_sent_by_the_running_server_when_it_is_retried(backend: Backend) {
        let (database, sink) = (Database::create(backend), SmtpSink::start().await);
        let program = Program::new(&[("DATABASE_URL", &database.url()), ("UNFORGET_MAIL__URL", &sink.url())]);
        let service = program.serve().await;
        let client = program.json(&["client", "add", "Quotes", "--scope", APP]);
        let token = service.token(&client).await;
        program.json(&["user", "add", "ann@example.com"]);
        sink.behave(Behaviour::no_such_user());
        service.post("/v1/password/remind", &token, json!({"email": "ann@example.com"})).await;
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let failed = loop {
            if let [failed] = program.json(&["mail", "list", "--state", "failed"]).as_array().unwrap().as_slice() {
                break failed.clone();
            }
            assert!(tokio::time::Instant::now() < deadline, "it never fails");
        };
        let id = failed["id"].as_str().unwrap();
        assert_eq!(failed["failure"], "the mail server answered 550 5.1.1 to RCPT");
        assert_eq!((&failed["kind"], &failed["attempts"], &failed["due_at"]), (&json!("reset"), &json!(1), &Value::Null));
        assert_eq!(failed["client_id"], client["client_id"]);
        assert!(!failed.to_string().contains("ann@"));
        let for_people = program.run(&["mail", "list"]);
        assert!(String::from_utf8(for_people.stdout).unwrap().contains("550 5.1.1"));
        assert_eq!(program.json(&["mail", "list", "--state", "sent"]), json!([]));

        sink.behave(Behaviour::default());
        assert_eq!(program.json(&["mail", "retry", id]), json!({"id": id, "status": "queued"}));
        let mail = sink.wait_for(1, PATIENCE).await.remove(0);
        assert!(mail.parse().header("Message-ID").unwrap().starts_with(&format!("<{id}@")));
    }
}

/// A child process that ends with the test.
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

/// The answer to a `GET`, as it comes.
fn raw_get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_lines_that_serve_dev_prints_work_when_they_are_pasted() {
    let program = Program::new(&[]);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let dev = || {
        let mut command = program.command(&["serve", "--dev"]);
        command.env("UNFORGET_LISTEN", &address);
        command
    };
    let started = dev().stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = Guard(started.unwrap());
    let mut stdout = BufReader::new(child.0.stdout.take().unwrap()); // open to the end: a closed one ends the service
    let mut lines = Vec::new();
    for line in stdout.by_ref().lines() {
        lines.push(line.unwrap());
        if lines.last().unwrap().contains("'^Subject:'") {
            break;
        }
    }
    let guide = lines.join("\n");
    assert!(
        guide.contains("NOT FOR PRODUCTION") && guide.contains(&address),
        "{guide}"
    );
    // Libraries compare what they were told with what is discovered (RFC 8414 section 3.3).
    let metadata = raw_get(&address, "/.well-known/oauth-authorization-server");
    let told = guide.split("OAUTH_ISSUER=").nth(1).unwrap();
    let told = told.split(' ').next().unwrap();
    assert!(
        metadata.contains(&format!("\"issuer\":\"{told}\"")) && told.ends_with(&address),
        "{told}: {metadata}"
    );
    let script = &guide[guide.find("TOKEN=").unwrap()..];
    let pasted = Command::new("bash")
        .args(["-c", script])
        .current_dir(program.folder.path())
        .output()
        .unwrap();
    let output = String::from_utf8(pasted.stdout).unwrap();
    let errors = String::from_utf8(pasted.stderr).unwrap();
    assert!(
        pasted.status.success() && errors.is_empty(),
        "{errors}{output}"
    );
    let said: Vec<_> = output.lines().map(str::trim_end).collect();
    assert_eq!(said.len(), 6, "{output}");
    for (line, word) in [
        (0, "reminder_sent"),
        (2, "password_reset"),
        (3, "wrong_token"),
    ] {
        let reply: Value = serde_json::from_str(said[line]).unwrap();
        assert_eq!(reply["status"], word);
    }
    assert!(said[1].starts_with("uf_rt_"));
    let mut subjects = [said[4], said[5]];
    subjects.sort_unstable();
    let wanted = [
        "Subject: Reset your password for Demo app",
        "Subject: Your password for Demo app was changed",
    ];
    assert_eq!(subjects, wanted);

    // A second one finds the port taken and leaves the first one's data alone.
    let second = dev().output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let errors = String::from_utf8(second.stderr).unwrap();
    assert!(
        errors.lines().count() == 1 && errors.contains(&address),
        "{errors}"
    );
    let mails = program.folder.path().join("data/dev/mail");
    assert_eq!(std::fs::read_dir(&mails).unwrap().count(), 2);
    drop(child);

    let mut again = Guard(
        dev()
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let mut first = String::new();
    BufReader::new(again.0.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    assert!(!mails.exists() || std::fs::read_dir(&mails).unwrap().count() == 0); // thrown away
}
