//! Secrets go where they belong and nowhere else (bar P14, F09): a whole journey of real processes, the log at `trace`, and then a search
//! through all that was said and written down for every secret that was in it, plain or disguised.

mod search;

use serde_json::{Value, json};
use unforget::clock::Clock;

use crate::assertion::TYPE;
use crate::both;
use crate::helpers::{APP, Backend, Database, PATIENCE, Program, Reply, Service};
use crate::keys::{Key, base64};
use crate::smtp::{Behaviour, DropAt, SmtpSink, TlsMode};
use crate::spans::collector::Collector;
use search::{Watch, stored};

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";
/// Passwords that no encoding leaves as they are.
const FIRST: &str = "Kanárie +/%=&? first";
const SECOND: &str = "Kanárie +/%=&? second";
const THIRD: &str = "Kanárie +/%=&? third";
const GUESS: &str = "Kanárie +/%=&? guess";
const TYPED_AS_NAME: &str = "Kanárie-typed-as-name@example.com";
const MAIL_PASSWORD: &str = "kanarie-mail-9fK2";
const DATABASE_PASSWORD: &str = "kanarie-db-7Qx4";
const COLLECTOR_KEY: &str = "kanarie-collector-6Wv1";
const AUDIT_KEY: &str = "kanarie-audit-key-3Zp8";

/// The service and everything that it was heard to say.
struct Journey {
    program: Program,
    service: Service,
    watch: Watch,
}

impl Journey {
    /// A call with a bearer token; what it says is searched later.
    async fn call(&mut self, method: &str, path: &str, token: &str, body: &Value) -> Reply {
        let request = reqwest::Client::new().request(
            method.parse().unwrap(),
            format!("{}{path}", self.service.base),
        );
        self.send(request.bearer_auth(token).json(body), None).await
    }

    /// Sends a request. `hands_out` points to the one place where the answer may hold a secret, which is one from then on.
    async fn send(&mut self, request: reqwest::RequestBuilder, hands_out: Option<&str>) -> Reply {
        let reply = Reply::of(request.send().await.unwrap()).await;
        let mut said = format!("{reply:?}");
        if let Some(pointer) = hands_out {
            let json = reply.json();
            let secret = json
                .pointer(pointer)
                .unwrap_or_else(|| panic!("{reply:?}"))
                .as_str()
                .unwrap();
            assert_eq!(said.matches(secret).count(), 1, "once: {reply:?}");
            said = said.replace(secret, "");
            self.watch.secret(pointer, secret);
        }
        self.watch.place("an answer", said);
        reply
    }

    fn form(&self, path: &str, fields: &[(&str, &str)]) -> reqwest::RequestBuilder {
        reqwest::Client::new()
            .post(format!("{}{path}", self.service.base))
            .form(fields)
    }

    /// Runs a command; what it prints is searched later.
    fn run(&mut self, arguments: &[&str]) -> String {
        let output = self.program.run(arguments);
        let said = [output.stdout, output.stderr].concat();
        self.watch.place(&format!("{arguments:?}"), &said);
        String::from_utf8(said).unwrap()
    }

    /// A command that hands a secret out, once.
    fn made(&mut self, arguments: &[&str], key: &str) -> Value {
        let made = self.program.json(arguments);
        self.watch.secret(key, made[key].as_str().unwrap());
        made
    }

    /// Searches everything that there is by now.
    fn search(&mut self, backend: &Database) {
        let folder = self.program.folder.path().to_owned();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                self.watch
                    .place(&path.display().to_string(), std::fs::read(&path).unwrap());
            }
        }
        let command = format!("/proc/{}/cmdline", self.service.id());
        self.watch.place(&command, std::fs::read(&command).unwrap());
        for accept in ["text/plain", "application/openmetrics-text"] {
            let shown = self.program.metrics(accept);
            assert!(shown.contains("unforget_tokens_issued_total{"), "{shown}");
            self.watch.place("/metrics", shown);
        }
        let stored = stored(backend);
        assert!(stored.len() > 1000, "the database is somewhere else");
        self.watch.place("the database", stored);
        self.watch.search();
    }
}

/// A proof of possession for the token endpoint, or for a call with a token.
fn proof(key: &Key, jti: &str, path: &str, token: Option<&str>) -> String {
    let header = json!({"typ": "dpop+jwt", "alg": key.alg(), "jwk": key.jwk()});
    let now = Clock::System.now().timestamp();
    let mut claims = json!({"jti": jti, "htm": "POST", "htu": format!("https://unforget.example{path}"), "iat": now});
    if let Some(token) = token {
        claims["ath"] = json!(base64(<sha2::Sha256 as sha2::Digest>::digest(token)));
    }
    key.message(&header.to_string(), &claims.to_string())
}

/// Waits until the mails, the newest first, are as they should be.
async fn mails_are(program: &Program, good: impl Fn(&[Value]) -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let mails = program.json(&["mail", "list"]);
        if good(mails.as_array().unwrap()) {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{mails}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

both! {
    async fn p14_f09_no_secret_of_a_whole_journey_is_said_or_written_down_anywhere(backend: Backend) {
        let (database, sink) = (Database::create(backend), SmtpSink::start_tls(TlsMode::StartTls).await);
        let collector = Collector::start().await;
        let mut url = database.url();
        if backend == Backend::Postgres {
            url = format!("{url}{}password={DATABASE_PASSWORD}", if url.contains('?') { '&' } else { '?' });
        }
        let program = Program::new(&[
            ("DATABASE_URL", &url),
            ("UNFORGET_PUBLIC_URL", "https://unforget.example"),
            ("UNFORGET_MAIL__URL", &sink.url_as("post", MAIL_PASSWORD)),
            ("SSL_CERT_FILE", "ca.pem"),
            ("UNFORGET_AUDIT__ADDRESS", "hash"),
            ("UNFORGET_AUDIT__ADDRESS_KEY", AUDIT_KEY),
            ("UNFORGET_PASSWORD__BCRYPT_COST", "10"),
            ("UNFORGET_RESET__COOLDOWN", "0s"),
            ("UNFORGET_METRICS_LISTEN", "127.0.0.1:0"),
            ("UNFORGET_OTLP__URL", &collector.url()),
            ("UNFORGET_OTLP__HEADERS", &format!("api-key={COLLECTOR_KEY}")),
            ("RUST_LOG", "trace"),
        ]);
        let key = Key::es256();
        std::fs::write(program.folder.path().join("keys.json"), key.set("a")).unwrap();
        std::fs::write(program.folder.path().join("ca.pem"), sink.ca_pem()).unwrap();
        let service = program.serve().await;
        let mut j = Journey { program, service, watch: Watch::default() };
        for (name, secret) in [
            ("first password", FIRST), ("second password", SECOND), ("third password", THIRD), ("guessed password", GUESS),
            ("mail password", MAIL_PASSWORD), ("database password", DATABASE_PASSWORD), ("audit key", AUDIT_KEY), ("collector key", COLLECTOR_KEY),
        ] {
            j.watch.secret(name, secret);
        }

        // Apps and users.
        let all = unforget::domain::Scopes::all().to_string();
        let admin = j.made(&["client", "add", "Admin", "--scope", &all], "client_secret");
        let app = j.made(&["client", "add", "Quotes", "--scope", APP], "client_secret");
        let id = app["client_id"].as_str().unwrap().to_owned();
        let rotated = j.made(&["client", "rotate", &id], "client_secret");
        let signs = j.program.json(&["client", "add", "Signs", "--scope", APP, "--auth-method", "private_key_jwt", "--jwks", "keys.json"]);
        let said = j.program.run_with_input(&["user", "add", ANN, "--password-stdin", "--json"], FIRST);
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        let user = serde_json::from_slice::<Value>(&said.stdout).unwrap()["id"].as_str().unwrap().to_owned();
        j.watch.place("user add", [said.stdout, said.stderr].concat());

        // Tokens, by every way to say who one is.
        let basic = |j: &Journey, client: &Value, secret: &Value| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            j.form("/oauth/token", &[("grant_type", "client_credentials")]).basic_auth(text(&client["client_id"]), Some(text(secret)))
        };
        let request = basic(&j, &admin, &admin["client_secret"]);
        let token = j.send(request, Some("/access_token")).await.json()["access_token"].as_str().unwrap().to_owned();
        let request = j.form("/oauth/token", &[("grant_type", "client_credentials"), ("client_id", &id), ("client_secret", rotated["client_secret"].as_str().unwrap())]);
        j.send(request, Some("/access_token")).await;
        let now = Clock::System.now().timestamp();
        let claims = json!({"iss": signs["client_id"], "sub": signs["client_id"], "aud": "https://unforget.example", "exp": now + 60, "jti": "kanarie-jti"});
        let assertion = key.message(r#"{"alg":"ES256"}"#, &claims.to_string());
        let dpop = proof(&key, "kanarie-proof", "/oauth/token", None);
        for (name, secret) in [("assertion", &assertion), ("proof", &dpop)] {
            j.watch.secret(name, secret);
            j.watch.secret(name, secret.rsplit('.').next().unwrap());
        }
        let form = [("grant_type", "client_credentials"), ("client_assertion_type", TYPE), ("client_assertion", &assertion)];
        let request = j.form("/oauth/token", &form).header("DPoP", &dpop);
        let bound = j.send(request, Some("/access_token")).await.json()["access_token"].as_str().unwrap().to_owned();
        let spent = j.form("/oauth/token", &form).header("DPoP", &dpop);
        assert_eq!(j.send(spent, None).await.status, 401, "used up");
        let path = "/v1/password/check";
        let dpop = proof(&key, "kanarie-second", path, Some(&bound));
        j.watch.secret("second proof", dpop.rsplit('.').next().unwrap());
        let request = reqwest::Client::new().post(format!("{}{path}", j.service.base)).header("Authorization", format!("DPoP {bound}")).header("DPoP", &dpop);
        assert_eq!(j.send(request.json(&json!({"token": "x"})), None).await.said(), "400 wrong_token");
        let request = j.form("/oauth/introspect", &[("token", &bound)]).bearer_auth(&token);
        assert_eq!(j.send(request, None).await.json()["active"], true);

        // Passwords, right and wrong, by every contract.
        let session = json!({"email": ANN, "password": FIRST});
        let request = reqwest::Client::new().post(format!("{}/v1/sessions", j.service.base)).bearer_auth(&token).json(&session);
        let session = j.send(request, Some("/access_token")).await.json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(j.call("POST", "/v1/password/verify", &token, &json!({"email": ANN, "password": GUESS})).await.status, 400);
        assert_eq!(j.call("POST", "/v1/password/verify", &token, &json!({"email": TYPED_AS_NAME, "password": GUESS})).await.status, 400);
        assert_eq!(j.call("PUT", "/v1/password", &session, &json!({"old_password": GUESS, "password": SECOND})).await.status, 400);
        assert_eq!(j.call("PUT", "/v1/password", &session, &json!({"old_password": FIRST, "password": SECOND, "password_confirmation": THIRD})).await.status, 400);
        let swift = json!({"oldPassword": GUESS, "newPassword": SECOND, "confirmPassword": SECOND});
        assert!(j.call("PUT", "/api/v1/users/reset-password", &session, &swift).await.status >= 400);
        assert_eq!(j.call("PUT", "/v1/password", &session, &json!({"old_password": FIRST, "password": SECOND})).await.status, 200);
        assert_eq!(j.call("PUT", "/v1/password", &session, &json!({"old_password": FIRST, "password": SECOND})).await.status, 401, "ended");
        assert_eq!(j.call("POST", &format!("/v1/users/{user}/reset-password"), &token, &json!({"new_password": FIRST})).await.status, 204);
        assert_eq!(j.call("POST", "/v1/users", &token, &json!({"email": BOB, "password": FIRST})).await.status, 201);
        assert_eq!(j.call("POST", "/auth/reset/validate-password", &token, &json!({"password": GUESS})).await.status, 200);
        assert_eq!(j.call("POST", "/auth/reset/password", &token, &json!({"token": "x", "password": GUESS})).await.status, 401);
        mails_are(&j.program, |mails| mails.iter().all(|mail| mail["state"] == "sent")).await;
        let before = sink.offered().len();

        assert_eq!(sink.credentials()[0], ("post".to_owned(), MAIL_PASSWORD.to_owned()), "the password was in use");

        // The mail is taken, and the service does not hear of it: it waits, and a copy is out.
        sink.behave(Behaviour::drop(DropAt::AfterDotBeforeReply).first(1));
        assert_eq!(j.call("POST", "/v1/password/remind", &token, &json!({"email": ANN})).await.said(), "200 reminder_sent");
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let reset_mail = loop {
            let found = sink.offered().into_iter().skip(before).find(|mail| mail.parse().text.contains("uf_rt_"));
            if let Some(mail) = found {
                break mail.parse();
            }
            assert!(tokio::time::Instant::now() < deadline, "no mail");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        };
        let reset = reset_mail.token();
        j.watch.secret("reset token", &reset);
        j.search(&database);
        assert_eq!(j.call("POST", "/v1/password/check", &token, &json!({"token": reset})).await.said(), "200 token_valid");
        assert_eq!(j.call("POST", "/v1/password/reset", &token, &json!({"email": ANN, "token": reset, "password": "tiny"})).await.said(), "400 wrong_password");
        assert_eq!(j.call("GET", &format!("/auth/reset/validate?token={reset}"), "kanarie", &json!({})).await.status, 401);
        assert_eq!(j.call("POST", "/v1/password/reset", &token, &json!({"email": ANN, "token": reset, "password": THIRD})).await.said(), "200 password_reset");
        assert_eq!(j.call("POST", "/v1/password/reset", &token, &json!({"email": ANN, "token": reset, "password": GUESS})).await.said(), "400 wrong_token");

        // A mail server that repeats what it was told.
        sink.behave(Behaviour { auth_reply: Some(format!("535 5.7.8 {MAIL_PASSWORD} is wrong")), ..Behaviour::default() });
        j.run(&["mail", "test", BOB]);
        sink.behave(Behaviour { rcpt_reply: Some(format!("550 5.1.1 {MAIL_PASSWORD} {TYPED_AS_NAME}")), ..Behaviour::default() });
        assert_eq!(j.call("POST", "/v1/password/remind", &token, &json!({"email": BOB})).await.said(), "200 reminder_sent");
        mails_are(&j.program, |mails| mails[0]["state"] == "failed").await;

        // What is said when something is wrong.
        for body in [format!("{{\"password\": \"{GUESS}\""), format!("{GUESS}=%zz"), format!("[\"{THIRD}\"]")] {
            let request = reqwest::Client::new().post(format!("{}/v1/password/reset", j.service.base)).bearer_auth(&token);
            j.send(request.header("content-type", "application/json").body(body), None).await;
        }
        let request = j.form("/oauth/token", &[("grant_type", GUESS), ("scope", GUESS), (GUESS, GUESS)]).basic_auth(&id, Some(GUESS));
        assert!(j.send(request, None).await.status >= 400);
        let request = reqwest::Client::new().get(format!("{}/nowhere/{reset}?token={reset}&access_token={token}", j.service.base));
        assert_eq!(j.send(request.header("x-secret", &token).header("referer", &reset).header("user-agent", &reset), None).await.status, 404);
        let request = reqwest::Client::new().get(format!("{}/v1/users/{reset}", j.service.base)).header("authorization", format!("Bearer {GUESS}x", GUESS = base64(GUESS)));
        assert_eq!(j.send(request, None).await.status, 401);

        // What the operator is shown.
        let mut shown = 0;
        for command in [
            &["config"][..], &["client", "list"], &["client", "show", &id], &["user", "list"], &["user", "show", ANN], &["mail", "list"], &["audit"],
            &["purge"], &["migrate"], &["client", "disable", &id],
        ] {
            shown += j.run(&[command, &["--json"]].concat()).len();
        }
        assert!(shown > 2000);
        // And when it does not start.
        for (name, value) in [
            ("DATABASE_URL", format!("postgres://user:{DATABASE_PASSWORD}@127.0.0.1:1/x")),
            ("DATABASE_URL", format!("postgres://user:{DATABASE_PASSWORD}@[nowhere/x")),
            ("DATABASE_URL", format!("postgres://user:{DATABASE_PASSWORD}%zz@127.0.0.1:1/x")),
            ("DATABASE_URL", format!("mysql://user:{DATABASE_PASSWORD}@localhost/x")),
            ("UNFORGET_MAIL__URL", format!("smtp://post:{MAIL_PASSWORD}@mail.example/path")),
            ("UNFORGET_AUDIT__ADDRESS_KEY", "kanarie".to_owned()),
        ] {
            let output = j.program.command(&["serve"]).env(name, value.as_str()).output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{name}");
            j.watch.place("a start that fails", [output.stdout, output.stderr].concat());
        }
        // Every copy of the mail has a token of its own.
        for mail in sink.offered() {
            let mail = mail.parse();
            let mut said = format!("{mail:?}");
            if mail.text.contains("uf_rt_") {
                said = said.replace(&mail.token(), "");
                j.watch.secret("a mailed token", &mail.token());
            }
            j.watch.place("a mail", said);
        }
        collector.batch().await;
        let spans = collector.spans().len();
        assert!(spans > 100, "the collector has {spans} spans");
        j.watch.place("the spans", collector.bytes());
        j.search(&database);
        let lines = j.program.log().lines().count();
        assert!(lines > 20, "the log holds {lines} lines");
        assert_eq!(j.service.terminate(), Some(0));
    }
}
