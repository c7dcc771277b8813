//! What the service shows of itself to Prometheus: the numbers are those of what was done, and nothing that a caller wrote is in them.

mod documents;
mod gates;
pub(crate) mod scrape;

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::json;
use unforget::config::LimitSettings;

use crate::both;
use crate::helpers::{APP, Backend, OLD_PASSWORD, PATIENCE, Program, Reply, TestApp};
use crate::smtp::Behaviour;
use scrape::Scrape;

/// A service that shows metrics.
async fn start(backend: Backend, limits: Option<LimitSettings>) -> TestApp {
    TestApp::start_with(backend, |settings| {
        settings.metrics_listen = Some("127.0.0.1:0".parse().unwrap());
        settings.limits = limits;
    })
    .await
}

async fn ask(app: &TestApp, method: &str, path: &str, accept: &str) -> Reply {
    let url = format!("http://{}{path}", app.metrics_address());
    let request = app.http().request(method.parse().unwrap(), url);
    Reply::of(request.header("accept", accept).send().await.unwrap()).await
}

async fn scrape(app: &TestApp) -> Scrape {
    let reply = ask(app, "GET", "/metrics", "*/*").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(reply.header("content-type"), kind);
    Scrape::parse(&reply.text)
}

/// Waits until what is shown is as it should be.
async fn shows(app: &TestApp, good: impl Fn(&Scrape) -> bool) -> Scrape {
    let begun = Instant::now();
    loop {
        let shown = scrape(app).await;
        if good(&shown) {
            return shown;
        }
        assert!(begun.elapsed() < 2 * PATIENCE, "{shown:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn requests(shown: &Scrape, route: &str, method: &str, status: &str) -> f64 {
    let labels = [("route", route), ("method", method), ("status", status)];
    shown.sum("unforget_http_requests_total", &labels)
}

both! {
    async fn numbers_are_those_of_what_was_done(backend: Backend) {
        let app = start(backend, None).await;
        let client = app.client("password:remind password:reset password:verify sessions:create users:disclose").await;
        app.user("ann@example.com").await;
        let token = app.token_of(&client).await;
        assert_eq!(app.token_request(&client, &[("grant_type", "password")]).await.status, 400);
        let reset = app.mailed_token(&token, "ann@example.com").await;
        assert_eq!(app.remind(&token, "ann@example.com").await.said(), "200 reminder_sent");
        assert_eq!(app.remind(&token, "eve@example.com").await.said(), "400 wrong_user");
        assert_eq!(app.check(&token, &reset).await.said(), "200 token_valid");
        assert_eq!(app.reset(&token, "ann@example.com", "x", "the new secret").await.said(), "400 wrong_token");
        assert_eq!(app.reset(&token, "ann@example.com", &reset, "tiny").await.said(), "400 wrong_password");
        assert_eq!(app.reset(&token, "ann@example.com", &reset, "the new secret").await.said(), "200 password_reset");
        let session = json!({"email": "ann@example.com", "password": "the new secret"});
        assert_eq!(app.post("/v1/sessions", &token, session).await.status, 201);
        let wrong = json!({"email": "ann@example.com", "password": OLD_PASSWORD});
        for _ in 0..2 {
            assert_eq!(app.post("/v1/password/verify", &token, wrong.clone()).await.said(), "400 wrong_credentials");
        }
        app.mails(2).await;

        // The worker writes down what became of a mail after the server has it.
        let sent = |s: &Scrape| s.sum("unforget_mail_outcomes_total", &[("outcome", "sent")]);
        let shown = shows(&app, |s| sent(s) == 2.0).await;
        for (route, method, status, count) in [
            ("/oauth/token", "POST", "200", 1.0),
            ("/oauth/token", "POST", "400", 1.0),
            ("/v1/password/remind", "POST", "200", 2.0),
            ("/v1/password/remind", "POST", "400", 1.0),
            ("/v1/password/check", "POST", "200", 1.0),
            ("/v1/password/reset", "POST", "200", 1.0),
            ("/v1/password/reset", "POST", "400", 2.0),
            ("/v1/password/verify", "POST", "400", 2.0),
            ("/v1/sessions", "POST", "201", 1.0),
        ] {
            assert_eq!(requests(&shown, route, method, status), count, "{route} {status}");
        }
        assert_eq!(shown.sum("unforget_http_requests_total", &[]), 12.0);
        assert_eq!(shown.sum("unforget_http_request_duration_seconds_count", &[]), 12.0);
        let seconds = shown.sum("unforget_http_request_duration_seconds_sum", &[]);
        assert!(seconds > 0.0 && seconds < 12.0 * PATIENCE.as_secs_f64(), "{seconds}");
        for (name, label, value, count) in [
            ("unforget_tokens_issued_total", "kind", "application", 1.0),
            ("unforget_tokens_issued_total", "kind", "user", 1.0),
            ("unforget_reminds_total", "outcome", "accepted", 1.0),
            ("unforget_reminds_total", "outcome", "cool_down", 1.0),
            ("unforget_reminds_total", "outcome", "wrong_user", 1.0),
            ("unforget_reminds_total", "outcome", "throttled", 0.0),
            ("unforget_resets_total", "outcome", "accepted", 1.0),
            ("unforget_resets_total", "outcome", "wrong_token", 1.0),
            ("unforget_resets_total", "outcome", "wrong_password", 1.0),
            ("unforget_http_refusals_total", "refusal", "wrong_credentials", 2.0),
            ("unforget_http_refusals_total", "refusal", "unsupported_grant_type", 1.0),
            ("unforget_http_refusals_total", "route", "/v1/password/reset", 2.0),
            ("unforget_mail_outcomes_total", "outcome", "failed", 0.0),
        ] {
            assert_eq!(shown.sum(name, &[(label, value)]), count, "{name} {value}");
        }
        // The reset, the session and two verifications; nobody hashed for the other resets. The user was made beside it.
        assert!(shown.value("unforget_hash_duration_seconds_count") >= Some(4.0));
        assert_eq!(shown.value("unforget_mail_attempt_duration_seconds_count"), Some(2.0));
        assert!(shown.sum("unforget_storage_transaction_seconds_count", &[("gate", "write")]) >= 5.0);
        assert_eq!(shown.value("unforget_database_up"), Some(1.0));
        let started = shown.value("process_start_time_seconds").unwrap();
        assert!((started - app.clock.now().timestamp() as f64).abs() < 600.0, "{started}");
        assert!(shown.value("process_resident_memory_bytes") > Some(1e6));
        assert!(shown.value("process_cpu_seconds_total") > Some(0.0));
        assert!(shown.value("process_open_fds") < shown.value("process_max_fds"));
        let database = if backend == Backend::Sqlite { "sqlite" } else { "postgresql" };
        let build = [("version", env!("CARGO_PKG_VERSION")), ("database", database)];
        assert_eq!(shown.sum("unforget_build_info", &build), 1.0);
    }

    async fn caches_show_how_often_they_knew(backend: Backend) {
        let app = start(backend, None).await;
        let client = app.client(APP).await;
        app.user("ann@example.com").await;
        let token = app.token_of(&client).await;
        let link = app.mailed_token(&token, "ann@example.com").await;
        let lookups = |s: &Scrape, cache, outcome| s.sum("unforget_cache_lookups_total", &[("cache", cache), ("outcome", outcome)]);
        let all = |s: &Scrape, cache| lookups(s, cache, "hit") + lookups(s, cache, "miss");
        let before = scrape(&app).await;
        assert_eq!((all(&before, "links"), all(&before, "clients"), all(&before, "tokens")), (0.0, 1.0, 1.0));
        // What is remembered for a second is mostly known, however slow the machine.
        for round in 1.. {
            for _ in 0..2 {
                assert_eq!(app.check(&token, &link).await.said(), "200 token_valid");
                app.token_of(&client).await;
            }
            let (shown, calls) = (scrape(&app).await, 2.0 * f64::from(round));
            assert_eq!((all(&shown, "links"), all(&shown, "clients"), all(&shown, "tokens")), (calls, 1.0 + calls, 1.0 + calls));
            for cache in ["links", "clients", "tokens"] {
                assert!(lookups(&shown, cache, "miss") >= 1.0, "{cache}");
            }
            if ["links", "clients", "tokens"].iter().all(|cache| lookups(&shown, cache, "hit") >= 1.0) {
                break;
            }
            assert!(round < 20, "{shown:#?}");
        }
    }

    async fn what_becomes_of_mails_is_counted(backend: Backend) {
        let app = start(backend, None).await;
        let token = app.token(APP).await;
        let outcome = |s: &Scrape, word: &str| s.sum("unforget_mail_outcomes_total", &[("outcome", word)]);
        assert_eq!(app.remind(&token, "nobody@example.com").await.said(), "200 reminder_sent");
        shows(&app, |s| outcome(s, "skipped") == 1.0).await;
        for email in ["ann@example.com", "bob@example.com"] {
            app.user(email).await;
        }
        app.sink.behave(Behaviour::no_such_user());
        app.remind(&token, "ann@example.com").await;
        shows(&app, |s| outcome(s, "failed") == 1.0).await;
        app.sink.behave(Behaviour::later());
        app.remind(&token, "bob@example.com").await;
        let shown = shows(&app, |s| outcome(s, "retried") == 1.0 && s.value("unforget_mail_queued") == Some(1.0)).await;
        assert_eq!(outcome(&shown, "sent"), 0.0);
        app.sink.behave(Behaviour::default());
        app.advance(600);
        let shown = shows(&app, |s| outcome(s, "sent") == 1.0 && s.value("unforget_mail_queued") == Some(0.0)).await;
        assert_eq!(shown.value("unforget_mail_oldest_due_seconds"), Some(0.0));
    }

    async fn calls_that_come_too_often_are_counted_by_bucket(backend: Backend) {
        let few = LimitSettings {
            token_per_minute: 1,
            token_burst: 3,
            api_per_minute: 1,
            api_burst: 2,
            page_per_minute: 1,
            page_burst: 1,
        };
        let app = start(backend, Some(few)).await;
        let client = app.client(APP).await;
        let token = app.token_of(&client).await;
        for _ in 0..5 {
            app.token_request(&client, &[("grant_type", "client_credentials")]).await;
            app.check(&token, "x").await;
        }
        for _ in 0..4 {
            app.request("POST", "/reset/check").form(&[("token", "x")]).send().await.unwrap();
        }
        let shown = scrape(&app).await;
        for (bucket, route, status, count) in [
            ("token", "/oauth/token", "429", 3.0),
            ("api", "/v1/password/check", "429", 3.0),
            ("page", "/reset/check", "429", 3.0),
        ] {
            assert_eq!(shown.sum("unforget_limit_refusals_total", &[("bucket", bucket)]), count, "{bucket}");
            assert_eq!(requests(&shown, route, "POST", status), count, "{route}");
        }
    }

    async fn metrics_are_on_their_own_listener_and_nothing_else_is(backend: Backend) {
        let app = start(backend, None).await;
        for path in ["/metrics", "/metrics/"] {
            let reply = Reply::of(app.request("GET", path).send().await.unwrap()).await;
            assert_eq!(reply.said(), "404 not_found", "{path}");
        }
        for path in ["/", "/health/live", "/oauth/token", "/metrics/", "/metricsx", "//metrics", "/openapi.json"] {
            let reply = ask(&app, "GET", path, "*/*").await;
            assert_eq!((reply.status, reply.text.as_str()), (404, ""), "{path}");
        }
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
            let reply = ask(&app, method, "/metrics", "*/*").await;
            assert_eq!((reply.status, reply.header("allow")), (405, "GET, HEAD"), "{method}");
        }
        let head = ask(&app, "HEAD", "/metrics", "*/*").await;
        assert_eq!((head.status, head.text.as_str()), (200, ""));

        // Prometheus asks for OpenMetrics first. It is the same, by other names for the families of counters.
        let accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let modern = ask(&app, "GET", "/metrics", accept).await;
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        assert_eq!(modern.header("content-type"), kind);
        assert!(modern.text.ends_with("\n# EOF\n"), "{}", modern.text);
        assert!(modern.text.contains("# TYPE unforget_tokens_issued counter\n"));
        assert!(modern.text.contains("# TYPE unforget_build info\n"));
        // The worker may have counted the queue between the two, for the first time.
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let (modern, older) = (ask(&app, "GET", "/metrics", accept).await, scrape(&app).await);
            let samples = modern.text.lines().filter(|line| !line.starts_with('#')).count();
            if samples == older.samples.len() {
                break;
            }
            assert!(tokio::time::Instant::now() < deadline, "{samples} and {}", older.samples.len());
        }
    }

    async fn p14_a_thousand_odd_paths_and_methods_add_no_series_and_nothing_they_say_is_shown(backend: Backend) {
        let app = start(backend, None).await;
        let odd = async |at: usize| {
            let method = match at % 4 {
                0 | 2 => format!("KANARIE{at}"),
                _ => "GET".to_owned(),
            };
            let path = match at % 4 {
                0 | 1 => format!("/kanarie/{at}?kanarie={at}"),
                2 => format!("/v1/users/kanarie{at}"),
                _ => format!("/v1/users/kanarie{at}?kanarie=1"),
            };
            let request = app.request(&method, &path).header("x-request-id", format!("kanarie-{at}"));
            let request = request.header("user-agent", "kanarie").basic_auth("kanarie", Some("kanarie"));
            request.send().await.unwrap().status().as_u16()
        };
        for at in 0..4 {
            odd(at).await;
        }
        let before = scrape(&app).await;
        let all = futures_util::stream::iter(4..1004).map(odd).buffer_unordered(16);
        let answered: Vec<u16> = all.collect().await;
        let shown = ask(&app, "GET", "/metrics", "*/*").await.text;
        assert!(!shown.to_lowercase().contains("kanarie"), "{shown}");
        let after = Scrape::parse(&shown);
        let of_requests = |s: &Scrape| {
            let mut series = s.series();
            series.retain(|(name, _)| name.starts_with("unforget_http"));
            series
        };
        assert_eq!(of_requests(&after), of_requests(&before));
        assert_eq!(answered.len(), 1000);
        let of_unmatched = [("route", "unmatched")];
        assert_eq!(after.sum("unforget_http_requests_total", &of_unmatched), 502.0);
        assert_eq!(requests(&after, "unmatched", "other", "404"), 251.0);
        assert_eq!(requests(&after, "/v1/users/{id}", "other", "405"), 251.0);
    }

    async fn log_lines_and_metrics_agree(backend: Backend) {
        let database = crate::helpers::Database::create(backend);
        let program = Program::new(&[("DATABASE_URL", &database.url()), ("UNFORGET_METRICS_LISTEN", "127.0.0.1:0")]);
        let client = program.json(&["client", "add", "Quotes", "--scope", APP]);
        let service = program.serve().await;
        let token = service.token(&client).await;
        for at in 0..20 {
            let body = json!({"email": format!("u{at}@example.com")});
            service.post("/v1/password/remind", &token, body).await;
            reqwest::get(format!("{}/nowhere/{at}", service.base)).await.unwrap();
        }
        let shown = Scrape::parse(&program.metrics("*/*"));
        let counted = shown.sum("unforget_http_requests_total", &[]);
        // The log is written by a thread of its own.
        let begun = Instant::now();
        loop {
            let log = program.log();
            let lines = log.lines().filter(|line| line.contains("\"message\":\"answered\"")).count();
            if lines as f64 == counted {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{lines} lines, {counted} requests");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(shown.sum("unforget_reminds_total", &[]), 20.0);
    }
}

#[test]
fn metrics_are_off_unless_asked_for_and_an_address_that_is_taken_is_one_line() {
    let program = Program::new(&[]);
    assert_eq!(program.json(&["config"])["metrics_listen"], "");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let program = Program::new(&[
        ("UNFORGET_LISTEN", "127.0.0.1:0"),
        ("UNFORGET_METRICS_LISTEN", &address),
    ]);
    let output = program.run(&["serve"]);
    let said = String::from_utf8(output.stderr).unwrap();
    let start = format!("unforget: metrics_listen: cannot listen on {address}: ");
    assert!(said.starts_with(&start), "{said}");
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1));
}

#[test]
fn doctor_warns_of_metrics_that_everybody_reaches() {
    for (address, level) in [
        ("", "ok"),
        ("[fd00::1]:9464", "ok"),
        ("0.0.0.0:9464", "warning"),
        ("203.0.113.7:9464", "warning"),
    ] {
        let program = Program::new(&[
            ("UNFORGET_METRICS_LISTEN", address),
            ("UNFORGET_PASSWORD__BCRYPT_COST", "10"),
        ]);
        let output = program.run(&["doctor", "--json"]);
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let checks = said["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["check"] == "metrics");
        assert_eq!(check.unwrap()["level"], level, "{address}: {said}");
    }
}
