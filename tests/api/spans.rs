//! Spans for a collector: where the time of a request goes, in whose trace, and that nobody waits for the collector. That no secret is in
//! them is shown by the journey in `canary`, which has a collector too.

pub(crate) mod collector;

use std::time::Instant;

use serde_json::{Value, json};

use crate::both;
use crate::helpers::{APP, Backend, Database, PATIENCE, Program, Service};
use crate::smtp::{Identity, SmtpSink, Tls, TlsMode};
use collector::{Collector, Manner, STEP, Told};

const ANN: &str = "ann@example.com";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

/// A program that tells this collector.
fn program(database: &Database, url: &str) -> Program {
    Program::new(&[
        ("DATABASE_URL", &database.url()),
        ("UNFORGET_OTLP__URL", url),
        ("UNFORGET_LIMITS__ENABLED", "false"),
        ("UNFORGET_PASSWORD__BCRYPT_COST", "10"),
    ])
}

/// A token request, perhaps with a trace that it belongs to.
async fn token(service: &Service, client: &Value, headers: &[(&str, &str)]) -> u16 {
    let text = |key: &str| client[key].as_str().unwrap().to_owned();
    let mut request = reqwest::Client::new()
        .post(format!("{}/oauth/token", service.base))
        .basic_auth(text("client_id"), Some(text("client_secret")))
        .form(&[("grant_type", "client_credentials")]);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap().status().as_u16()
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The only one of this name below the other.
fn child<'a>(spans: &'a [Told], of: &Told, name: &str) -> &'a Told {
    let mut found = spans
        .iter()
        .filter(|span| span.name == name && span.is_within(of));
    let first = found.next();
    first.unwrap_or_else(|| panic!("no {name} within {}: {spans:#?}", of.name))
}

both! {
    async fn a_token_a_reset_and_a_mail_tell_the_collector_where_their_time_goes(backend: Backend) {
        let (database, collector, sink) = (Database::create(backend), Collector::start().await, SmtpSink::start().await);
        let mut program = program(&database, &collector.url());
        program.set("UNFORGET_MAIL__URL", &sink.url());
        program.set("UNFORGET_OTLP__HEADERS", "api-key=let me in");
        let client = program.json(&["client", "add", "Quotes", "--scope", APP]);
        program.json(&["user", "add", ANN]);
        let mut service = program.serve().await;
        let traceparent = format!("00-{TRACE}-{PARENT}-01");
        let trace = [("traceparent", traceparent.as_str()), ("tracestate", "vendor=kanarie")];
        assert_eq!(token(&service, &client, &trace).await, 200);
        let bearer = service.token(&client).await;
        assert_eq!(service.post("/v1/password/remind", &bearer, json!({"email": ANN})).await.status, 200);
        let link = sink.wait_for(1, PATIENCE).await[0].parse().token();
        let body = json!({"email": ANN, "token": link, "password": "a good new one"});
        assert_eq!(service.post("/v1/password/reset", &bearer, body).await.status, 200);
        sink.wait_for(2, PATIENCE).await;
        let made_up = reqwest::Client::new().request("KANARIE".parse().unwrap(), format!("{}/kanarie?kanarie=1", service.base));
        made_up.send().await.unwrap();
        assert_eq!(service.terminate(), Some(0));

        let spans = collector.spans();
        let named = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
        // In the caller's trace, and below the caller's span.
        let of_token = *named("POST /oauth/token").iter().find(|span| hex(&span.span.trace_id) == TRACE).unwrap();
        assert_eq!((hex(&of_token.span.parent_span_id), of_token.span.kind), (PARENT.to_owned(), 2));
        assert_eq!((of_token.field("http.response.status_code"), of_token.span.trace_state.as_str()), ("200", ""));
        // On PostgreSQL a token's work is done together with others'.
        let of_remind = named("POST /v1/password/remind")[0];
        let write = spans.iter().find(|span| span.is_within(of_remind) && span.field("gate") == "write").unwrap();
        let (wait, work) = (child(&spans, write, "database.wait"), child(&spans, write, "database.work"));
        assert!(wait.span.end_time_unix_nano <= work.span.start_time_unix_nano + STEP);
        // Beside the first one, which noted the use of the secret too, so that a token's own is seen.
        let later = named("POST /oauth/token")[1];
        assert_eq!(child(&spans, later, "database").field("gate"), "write");
        // Hashing is most of a reset.
        let of_reset = named("POST /v1/password/reset")[0];
        assert_eq!(of_reset.span.parent_span_id, Vec::<u8>::new());
        child(&spans, of_reset, "hash.wait");
        let hashing = child(&spans, of_reset, "hash.work");
        let took = |told: &Told| told.span.end_time_unix_nano - told.span.start_time_unix_nano;
        assert!(took(hashing) > 1_000_000, "{hashing:?}");
        child(&spans, of_reset, "database");
        // The link, and the notice.
        let mails = named("mail");
        assert_eq!(mails.iter().map(|mail| mail.field("state")).collect::<Vec<_>>(), ["sent", "sent"]);
        for mail in mails {
            child(&spans, mail, "mail.send");
            child(&spans, mail, "database");
        }
        // No looks at an empty queue, and nothing that was made up.
        assert!(named("database").iter().all(|span| !span.span.parent_span_id.is_empty()));
        assert_eq!(named("_OTHER").len(), 1, "{spans:#?}");
        assert!(collector.heads().iter().all(|head| head.starts_with("POST /v1/traces HTTP/1.1\r\n") && head.contains("api-key: let me in\r\n")));
        let bytes = collector.bytes();
        for canary in ["kanarie", "KANARIE", ANN, &bearer, &link, "a good new one", "let me in", "127.0.0"] {
            assert!(!bytes.windows(canary.len()).any(|window| window == canary.as_bytes()), "{canary}");
        }
        let known = ["request_id", "http.request.method", "http.route", "http.response.status_code", "gate", "id", "attempt", "state"];
        for span in &spans {
            assert!(span.fields.iter().all(|(key, _)| known.contains(&key.as_str())) && span.span.events.is_empty(), "{span:?}");
        }
    }

    async fn a_traceparent_that_is_none_begins_a_new_trace_and_a_sample_is_the_callers_choice_too(backend: Backend) {
        let (database, collector) = (Database::create(backend), Collector::start().await);
        let mut program = program(&database, &collector.url());
        program.set("UNFORGET_OTLP__SAMPLE", "0");
        let client = program.json(&["client", "add", "Quotes", "--scope", APP]);
        let mut service = program.serve().await;
        let good = format!("00-{TRACE}-{PARENT}-01");
        for bad in [
            String::new(), "kanarie".to_owned(), format!("00-{TRACE}-{PARENT}"), format!("ff-{TRACE}-{PARENT}-01"), format!("00-{TRACE}-{PARENT}-01-kanarie"),
            format!("00-{TRACE}-{}-01", "0".repeat(16)), format!("00-{}-{PARENT}-01", "0".repeat(32)), format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{PARENT}-00"), "00-".repeat(500),
        ] {
            assert_eq!(token(&service, &client, &[("traceparent", &bad)]).await, 200, "{bad}");
        }
        assert_eq!(token(&service, &client, &[("traceparent", &good), ("traceparent", &good)]).await, 200);
        assert_eq!(token(&service, &client, &[("traceparent", &good)]).await, 200);
        assert_eq!(service.terminate(), Some(0));
        // None of them is sampled here; one caller has sampled its trace already.
        let spans = collector.spans();
        let requests: Vec<_> = spans.iter().filter(|span| span.name.contains(' ')).collect();
        assert_eq!(requests.len(), 1, "{requests:#?}");
        assert!(spans.iter().all(|span| hex(&span.span.trace_id) == TRACE));
    }

    async fn a_collector_that_is_dead_or_hangs_or_refuses_costs_requests_nothing(backend: Backend) {
        let reserved = tokio::net::TcpSocket::new_v4().unwrap();
        reserved.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let dead = format!("http://{}", reserved.local_addr().unwrap());
        let (hangs, refuses) = (Collector::start_as(Manner::Hangs, None).await, Collector::start_as(Manner::Refuses, None).await);
        let database = Database::create(backend);
        for url in [dead, hangs.url(), refuses.url()] {
            let program = program(&database, &url);
            let client = program.json(&["client", "add", "Quotes", "--scope", APP]);
            let mut service = program.serve().await;
            let (begun, mut asked) = (Instant::now(), 0);
            let warned = || program.log().matches("the collector takes no spans").count();
            // As long as it takes until it is told of, and then some more.
            while warned() == 0 || asked < 50 {
                assert_eq!(token(&service, &client, &[]).await, 200);
                asked += 1;
                assert!(begun.elapsed() < 3 * PATIENCE, "{url}: nobody is told");
            }
            assert_eq!(warned(), 1, "{}", program.log());
            // Whoever waited for this collector would wait for seconds, each time.
            let log = program.log();
            let mut took: Vec<_> = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()?["elapsed_us"].as_u64()).collect();
            took.sort_unstable();
            assert!(took[took.len() / 2] < 1_000_000, "{url}: {took:?}");
            let stopped = Instant::now();
            assert_eq!(service.terminate(), Some(0));
            // Two seconds for the collector, and room for a busy machine.
            assert!(stopped.elapsed() < PATIENCE, "{url}: {:?}", stopped.elapsed());
        }
        assert!(refuses.connections() > 0 && hangs.connections() > 0);
    }

    async fn without_a_setting_no_connection_is_opened(backend: Backend) {
        let (database, collector) = (Database::create(backend), Collector::start().await);
        let mut program = program(&database, "");
        // What other programs would take for a wish.
        program.set("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url());
        program.set("OTEL_TRACES_EXPORTER", "otlp");
        let client = program.json(&["client", "add", "Quotes", "--scope", APP]);
        let mut service = program.serve().await;
        let traceparent = format!("00-{TRACE}-{PARENT}-01");
        assert_eq!(token(&service, &client, &[("traceparent", &traceparent)]).await, 200);
        let threads = std::fs::read_dir(format!("/proc/{}/task", service.id())).unwrap();
        let names = threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("comm")).unwrap_or_default());
        assert!(names.into_iter().all(|name| !name.contains("OpenTelemetry")));
        assert_eq!(service.terminate(), Some(0));
        assert_eq!(collector.connections(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_behind_tls_shows_a_certificate_that_is_believed_or_gets_nothing() {
    for (identity, trusted) in [(Identity::Localhost, true), (Identity::OtherName, false)] {
        let tls = Tls::new(TlsMode::Implicit, identity);
        let ca = tls.ca_pem.clone();
        let collector = Collector::start_as(Manner::Takes, Some(tls)).await;
        let database = Database::create(Backend::Sqlite);
        let mut program = program(&database, &collector.url());
        program.set("SSL_CERT_FILE", "ca.pem");
        std::fs::write(program.folder.path().join("ca.pem"), ca).unwrap();
        let mut service = program.serve().await;
        if trusted {
            collector.batch().await;
        }
        assert_eq!(service.terminate(), Some(0));
        assert_eq!(!collector.spans().is_empty(), trusted);
        let warned = program.log().contains("the collector takes no spans");
        assert_eq!(warned, !trusted, "{}", program.log());
    }
}

#[test]
fn what_is_wrong_with_the_collectors_settings_is_named_and_its_headers_are_never_shown() {
    for (url, headers, sample, wrong) in [
        (
            "collector:4317",
            "",
            "1",
            "otlp.url (from UNFORGET_OTLP__URL) must be http(s)://",
        ),
        (
            "https://u:kanarie@collector.example",
            "",
            "1",
            "otlp.url (from UNFORGET_OTLP__URL) must be http(s)://",
        ),
        (
            "http://collector.example",
            "key=kanarie",
            "1",
            "otlp.url (from UNFORGET_OTLP__URL) must be https where there are otlp.headers",
        ),
        (
            "https://collector.example",
            "kanarie",
            "1",
            "otlp.headers (from UNFORGET_OTLP__HEADERS) must be NAME=VALUE",
        ),
        (
            "https://collector.example",
            "",
            "1.5",
            "otlp.sample (from UNFORGET_OTLP__SAMPLE) must be a number from 0 to 1",
        ),
        (
            "https://collector.example",
            "",
            "NaN",
            "otlp.sample (from UNFORGET_OTLP__SAMPLE) must be a number from 0 to 1",
        ),
    ] {
        let program = Program::new(&[
            ("UNFORGET_OTLP__URL", url),
            ("UNFORGET_OTLP__HEADERS", headers),
            ("UNFORGET_OTLP__SAMPLE", sample),
        ]);
        let output = program.run(&["config"]);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(wrong) && !said.contains("kanarie"), "{said}");
    }
    let program = Program::new(&[
        ("UNFORGET_OTLP__URL", "https://collector.example"),
        ("UNFORGET_OTLP__HEADERS_FILE", "headers"),
    ]);
    std::fs::write(program.folder.path().join("headers"), "api-key=kanarie\n").unwrap();
    let said = String::from_utf8(program.run(&["config"]).stdout).unwrap();
    assert!(
        said.contains("api-key=***") && !said.contains("kanarie"),
        "{said}"
    );
}
