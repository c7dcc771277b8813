//! What the service writes down: enough for an operator, and no secret (P14, L01).

use serde_json::{Value, json};

use crate::both;
use crate::helpers::{APP, Backend, Database, PATIENCE, Program};
use crate::smtp::{Behaviour, SmtpSink};

both! {
    async fn p14_l01_logs_are_json_lines_that_know_no_secret(backend: Backend) {
        let (database, sink) = (Database::create(backend), SmtpSink::start().await);
        let program = Program::new(&[
            ("DATABASE_URL", &database.url()),
            ("UNFORGET_MAIL__URL", &sink.url()),
            ("UNFORGET_PASSWORD__BCRYPT_COST", "10"),
            ("UNFORGET_RESET__COOLDOWN", "0s"),
            ("RUST_LOG", "trace"),
        ]);
        let client = program.json(&["client", "add", "Quotes", "--scope", APP]);
        let email = "canary.user@example.com";
        program.json(&["user", "add", email]);
        let mut service = program.serve().await;
        let token = service.token(&client).await;
        let remind = || service.post("/v1/password/remind", &token, json!({"email": email, "locale": "fr-canary"}));
        // A mail server that repeats the address in its refusal.
        sink.behave(Behaviour { rcpt_reply: Some(format!("550 5.1.1 <{email}> unknown")), ..Behaviour::default() });
        assert_eq!(remind().await.said(), "200 reminder_sent");
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while program.json(&["mail", "list"])[0]["state"] != "failed" {
            assert!(tokio::time::Instant::now() < deadline, "it never fails");
        }
        sink.behave(Behaviour::default());
        assert_eq!(remind().await.said(), "200 reminder_sent");
        let reset = sink.wait_for(1, PATIENCE).await[0].parse().token();
        let answers = [
            service.post("/v1/password/check", &token, json!({"token": reset})).await,
            service.post("/v1/password/reset", &token, json!({"email": email, "token": reset, "password": "tiny"})).await,
            service.post("/v1/password/reset", &token, json!({"email": email, "token": reset, "password": "canary-Pa55word"})).await,
            service.post("/v1/password/reset", &token, json!({"canary-field": 1, "email": ["canary-body"]})).await,
            service.post("/canary-path?canary-query=1", "canary-bearer", json!({})).await,
        ];
        let codes: Vec<_> = answers.iter().map(|reply| reply.status).collect();
        assert_eq!(codes, [200, 400, 200, 400, 404]);
        sink.wait_for(2, PATIENCE).await;
        assert_eq!(service.terminate(), Some(0));

        let log = program.log();
        let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(lines.iter().all(|line| line["timestamp"].is_string() && line["level"].is_string()));
        let answered: Vec<_> = lines.iter().filter(|line| line["message"] == "answered").collect();
        for reply in &answers {
            let id = reply.header("x-request-id");
            let of_reply: Vec<_> = answered.iter().filter(|line| line["span"]["request_id"] == id).collect();
            assert_eq!(of_reply.len(), 1, "{id}");
            assert_eq!(of_reply[0]["status"], reply.status);
        }
        let failed: Vec<_> = lines.iter().filter(|line| line["message"] == "mail failed").collect();
        assert_eq!((failed.len(), &failed[0]["level"], &failed[0]["reason"]), (1, &json!("ERROR"), &json!("the mail server answered 550 5.1.1 to RCPT")));
        let row = answered.iter().find(|line| line["route"] == "/v1/password/reset").unwrap();
        assert_eq!((&row["client"], &row["method"]), (&client["client_id"], &json!("POST")));
        let secret = client["client_secret"].as_str().unwrap();
        for canary in ["canary", secret, &token, &reset, "tiny", &token[6..], &reset[6..]] {
            assert!(!log.to_lowercase().contains(&canary.to_lowercase()), "{canary}: {log}");
        }
    }
}
