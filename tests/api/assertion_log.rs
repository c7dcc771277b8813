//! What the log says of an assertion that was refused: the part that was wrong, which the caller is not told (bar X07, L01).

use serde_json::{Value, json};

use crate::assertion::{ISSUER, present};
use crate::both;
use crate::helpers::{APP, Backend, Database, Program};
use crate::keys::Key;
use crate::token::refused;
use unforget::clock::Clock;

both! {
    async fn x07_the_log_names_what_was_wrong_with_an_assertion_and_the_answer_does_not(backend: Backend) {
        let database = Database::create(backend);
        let program = Program::new(&[("DATABASE_URL", &database.url()), ("UNFORGET_PUBLIC_URL", ISSUER), ("UNFORGET_LIMITS__ENABLED", "false")]);
        let (key, other) = (Key::es256(), Key::es256());
        std::fs::write(program.folder.path().join("keys.json"), key.set("a")).unwrap();
        let options = ["client", "add", "Signs", "--scope", APP, "--auth-method", "private_key_jwt", "--jwks", "keys.json"];
        let client = program.json(&options);
        let id = client["client_id"].as_str().unwrap();
        let mut service = program.serve().await;

        let now = Clock::System.now().timestamp();
        let good = json!({"iss": id, "sub": id, "aud": ISSUER, "exp": now + 120, "jti": "once"});
        let header = json!({"alg": "ES256", "kid": "a"});
        let with = |name: &str, value: Value| {
            let mut claims = good.clone();
            claims[name] = value;
            key.message(&header.to_string(), &claims.to_string())
        };
        let nobody = json!({"iss": "nobody", "sub": "nobody", "aud": ISSUER, "exp": now + 120, "jti": "x"});
        let typed = json!({"alg": "ES256", "typ": "at+jwt"});
        let once = with("jti", json!("once"));
        assert_eq!(present(&service.base, &once).await.status, 200);
        let mut expected = Vec::new();
        let mut answers = Vec::new();
        for (assertion, why) in [
            ("x.y.z".to_owned(), "form"),
            (key.message(&typed.to_string(), &good.to_string()), "header"),
            (with("sub", json!(7)), "sub"),
            (with("iss", json!("another")), "iss"),
            (with("aud", json!(format!("{ISSUER}/oauth/token"))), "aud"),
            (with("exp", json!(now + 3600)), "exp"),
            (with("nbf", json!(now + 3600)), "nbf"),
            (with("iat", json!(now - 3600)), "iat"),
            (with("jti", json!("")), "jti"),
            (key.message(&header.to_string(), &nobody.to_string()), "client"),
            (other.message(&header.to_string(), &good.to_string()), "key"),
            (once, "replay"),
        ] {
            let reply = present(&service.base, &assertion).await;
            assert_eq!(refused(&reply), "401 invalid_client", "{why}");
            expected.push((reply.header("x-request-id").to_owned(), why));
            answers.push(reply.text);
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "one answer for all: {answers:?}");
        assert_eq!(service.terminate(), Some(0));

        let log = program.log();
        let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for (id, why) in expected {
            let line = lines.iter().find(|line| line["span"]["request_id"] == id.as_str()).unwrap();
            assert_eq!((&line["refusal"], &line["why"]), (&json!("invalid_client"), &json!(why)), "{line}");
        }
        assert!(lines.iter().filter(|line| line["status"] == 200).all(|line| line["why"].is_null()));
    }
}
