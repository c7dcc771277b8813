//! How often one may call (bar H10, H11, O10): a bucket for each address at the token endpoint, for each client at the API.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::json;
use unforget::config::LimitSettings;

use crate::both;
use crate::helpers::{APP, Backend, Reply, TestApp, TestClient};

/// Buckets that get a call back each minute, so that none does during a test.
fn few(token_burst: u32, api_burst: u32) -> Option<LimitSettings> {
    Some(LimitSettings {
        token_per_minute: 1,
        token_burst,
        api_per_minute: 1,
        api_burst,
        page_per_minute: 1,
        page_burst: 1,
    })
}

async fn start(backend: Backend, limits: Option<LimitSettings>, trusted: &[&str]) -> TestApp {
    TestApp::start_with(backend, |settings| {
        settings.limits = limits;
        settings.trusted_proxies = trusted.iter().map(|net| net.parse().unwrap()).collect();
    })
    .await
}

/// Asks for a token from this address of the loopback network.
async fn ask_from(app: &TestApp, address: &str, client: &TestClient) -> Reply {
    let http = reqwest::Client::builder()
        .local_address(address.parse::<IpAddr>().unwrap())
        .build()
        .unwrap();
    let request = http
        .post(format!("{}/oauth/token", app.base))
        .basic_auth(&client.id, Some(&client.secret));
    Reply::of(
        request
            .form(&[("grant_type", "client_credentials")])
            .send()
            .await
            .unwrap(),
    )
    .await
}

/// Asks for a token with these `X-Forwarded-For` fields and tells the status.
async fn ask_forwarded(app: &TestApp, client: &TestClient, fields: &[&str]) -> u16 {
    let mut request = app
        .request("POST", "/oauth/token")
        .basic_auth(&client.id, Some(&client.secret));
    for field in fields {
        request = request.header("x-forwarded-for", *field);
    }
    request
        .form(&[("grant_type", "client_credentials")])
        .send()
        .await
        .unwrap()
        .status()
        .as_u16()
}

/// The number in a header.
fn number(reply: &Reply, name: &str) -> i64 {
    reply
        .header(name)
        .parse()
        .unwrap_or_else(|_| panic!("{name}: {reply:?}"))
}

fn wrong(client: &TestClient) -> TestClient {
    TestClient {
        secret: "wrong".to_owned(),
        ..client.clone()
    }
}

both! {
    async fn o10_guessing_secrets_is_limited_by_address_and_locks_no_real_client_out(backend: Backend) {
        let app = start(backend, few(5, 100), &[]).await;
        let client = app.client(APP).await;
        for _ in 0..5 {
            assert_eq!(ask_from(&app, "127.0.0.7", &wrong(&client)).await.status, 401);
        }
        // Not even the right secret helps now: who guesses learns nothing.
        assert_eq!(ask_from(&app, "127.0.0.7", &client).await.status, 429);
        assert_eq!(ask_from(&app, "127.0.0.8", &client).await.status, 200);
        // Another client's name does not open a new bucket.
        let other = app.client(APP).await;
        assert_eq!(ask_from(&app, "127.0.0.7", &other).await.status, 429);
    }

    async fn f16_guessing_links_is_limited_at_reset_and_at_check(backend: Backend) {
        for guessing in ["check", "reset"] {
            let app = start(backend, few(100, 5), &[]).await;
            app.user("ann@example.com").await;
            let (token, others) = (app.token(APP).await, app.token(APP).await);
            let link = app.mailed_token(&others, "ann@example.com").await;
            let guess = async |link: &str| match guessing {
                "check" => app.check(&token, link).await,
                _ => app.reset(&token, "ann@example.com", link, "a new secret").await,
            };
            for number in 0..5 {
                assert_eq!(guess(&format!("uf_rt_{number}")).await.said(), "400 wrong_token");
            }
            // Not even the right link helps now: who guesses learns nothing, and another call is no second bucket.
            assert_eq!(guess(&link).await.status, 429);
            assert_eq!(app.check(&token, &link).await.status, 429);
            let reply = app.reset(&others, "ann@example.com", &link, "a new secret").await;
            assert_eq!(reply.said(), "200 password_reset");
        }
    }

    async fn h10_the_token_endpoint_counts_down_and_then_refuses(backend: Backend) {
        let app = start(backend, few(3, 100), &[]).await;
        let client = app.client(APP).await;
        for (remaining, asking) in [(2, client.clone()), (1, wrong(&client)), (0, client.clone())] {
            let before = app.clock.now().timestamp();
            let reply = ask_from(&app, "127.0.0.1", &asking).await;
            assert_ne!(reply.status, 429, "{reply:?}");
            assert_eq!((number(&reply, "x-ratelimit-limit"), number(&reply, "x-ratelimit-remaining")), (3, remaining));
            // One call comes back each minute.
            let (reset, used) = (number(&reply, "x-ratelimit-reset"), 60 * (3 - remaining));
            assert!((before + used..=app.clock.now().timestamp() + used + 1).contains(&reset), "{reply:?}");
            assert!(!reply.headers.contains_key("retry-after"), "{reply:?}");
        }
        let reply = ask_from(&app, "127.0.0.1", &client).await;
        assert_eq!(reply.status, 429);
        assert_eq!(reply.json(), json!({"error": "temporarily_unavailable", "error_description": "too many requests, come back later"}));
        assert_eq!((number(&reply, "x-ratelimit-limit"), number(&reply, "x-ratelimit-remaining")), (3, 0));
        assert!(number(&reply, "x-ratelimit-reset") > app.clock.now().timestamp(), "{reply:?}");
        assert!((1..=60).contains(&number(&reply, "retry-after")), "{reply:?}");
        // A refused call costs nothing: the wait does not grow.
        for _ in 0..5 {
            assert!(number(&ask_from(&app, "127.0.0.1", &client).await, "retry-after") <= 60);
        }
    }

    async fn h10_who_comes_back_after_retry_after_is_let_in(backend: Backend) {
        // A call comes back each 5.45 s: rounded down, the promise would be broken.
        let rate = LimitSettings { token_per_minute: 11, token_burst: 1, api_per_minute: 11, api_burst: 1, page_per_minute: 11, page_burst: 1 };
        let app = start(backend, Some(rate), &[]).await;
        let client = app.client(APP).await;
        let token = ask_from(&app, "127.0.0.2", &client).await.json()["access_token"].as_str().unwrap().to_owned();
        let call = || app.remind(&token, "ann@example.com");
        let ask = || ask_from(&app, "127.0.0.3", &client);

        assert_eq!((ask().await.status, call().await.status), (200, 200));
        let (asked, called) = (ask().await, call().await);
        assert_eq!((asked.status, called.status), (429, 429));
        let wait = number(&asked, "retry-after").max(number(&called, "retry-after"));
        assert!((1..=6).contains(&wait), "{asked:?} {called:?}");
        // The buckets go by real time.
        tokio::time::sleep(Duration::from_secs(wait.unsigned_abs())).await;
        assert_eq!((ask().await.status, call().await.status), (200, 200));
    }

    async fn one_clients_exhaustion_does_not_touch_another(backend: Backend) {
        let app = start(backend, few(100, 3), &[]).await;
        let (busy, other) = (app.client(APP).await, app.token(APP).await);
        // Each of a client's tokens, and each path, draws from the one bucket.
        let (one, two) = (app.token_of(&busy).await, app.token_of(&busy).await);
        let replies = [app.remind(&one, "ann@example.com").await, app.check(&two, "x").await, app.remind(&two, "bob@example.com").await];
        for (reply, remaining) in replies.iter().zip([2, 1, 0]) {
            assert_ne!(reply.status, 429, "{reply:?}");
            assert_eq!((number(reply, "x-ratelimit-limit"), number(reply, "x-ratelimit-remaining")), (3, remaining));
        }
        for token in [&one, &two] {
            let before = app.clock.now().timestamp();
            let reply = app.reset(token, "ann@example.com", "x", "a new secret").await;
            assert_eq!(reply.said(), "429 too_many_requests");
            assert_eq!(reply.json()["error"], "Too many requests; come back later.");
            assert_eq!((number(&reply, "x-ratelimit-limit"), number(&reply, "x-ratelimit-remaining")), (3, 0));
            assert!((1..=60).contains(&number(&reply, "retry-after")), "{reply:?}");
            assert!(number(&reply, "x-ratelimit-reset") >= before + 180, "{reply:?}");
        }
        assert_eq!(app.remind(&other, "ann@example.com").await.said(), "200 reminder_sent");
        assert_eq!(app.token_request(&busy, &[("grant_type", "client_credentials")]).await.status, 200);
    }

    async fn calls_without_a_live_token_are_counted_by_address_and_not_by_client(backend: Backend) {
        let app = start(backend, few(100, 3), &[]).await;
        let token = app.token(APP).await;
        for attempt in ["a", "b", "c"] {
            assert_eq!(app.remind(attempt, "ann@example.com").await.status, 401);
        }
        // Trying other garbage, or none, opens no new bucket.
        assert_eq!(app.remind("d", "ann@example.com").await.said(), "429 too_many_requests");
        let reply = Reply::of(app.request("POST", "/v1/password/check").send().await.unwrap()).await;
        assert_eq!(reply.said(), "429 too_many_requests");
        assert_eq!(app.remind(&token, "ann@example.com").await.said(), "200 reminder_sent");
    }

    async fn health_is_not_limited(backend: Backend) {
        let app = start(backend, few(1, 1), &[]).await;
        for _ in 0..20 {
            for path in ["/health/live", "/health/ready"] {
                let reply = Reply::of(app.request("GET", path).send().await.unwrap()).await;
                assert_eq!(reply.status, 200);
                assert!(!reply.headers.contains_key("x-ratelimit-limit"), "{reply:?}");
            }
        }
    }

    async fn a_service_with_several_threads_counts_once(backend: Backend) {
        let app = TestApp::start_with(backend, |settings| {
            settings.limits = few(4, 100);
            settings.workers = 4;
        })
        .await;
        let client = app.client(APP).await;
        // A connection each, so that every thread gets some.
        let asked = futures_util::future::join_all((0..16).map(|_| ask_from(&app, "127.0.0.1", &client))).await;
        assert_eq!(asked.iter().filter(|reply| reply.status == 200).count(), 4);
        assert_eq!(asked.iter().filter(|reply| reply.status == 429).count(), 12);
    }

    async fn h11_x_forwarded_for_of_strangers_is_ignored(backend: Backend) {
        let app = start(backend, few(2, 100), &["10.0.0.0/8"]).await;
        let client = app.client(APP).await;
        let mut statuses = Vec::new();
        for address in ["198.51.100.1", "198.51.100.2", "198.51.100.3", "127.0.0.9, 10.0.0.1"] {
            statuses.push(ask_forwarded(&app, &client, &[address]).await);
        }
        assert_eq!(statuses, [200, 200, 429, 429]);
    }

    async fn h11_a_trusted_proxys_word_is_read_from_the_right(backend: Backend) {
        let app = start(backend, few(1, 100), &["127.0.0.1/32", "10.0.0.0/8"]).await;
        let client = app.client(APP).await;
        for (fields, expected) in [
            (vec!["198.51.100.1"], 200),
            (vec!["198.51.100.1"], 429),
            (vec!["198.51.100.2"], 200),
            // What the caller wrote itself stands on the left.
            (vec!["203.0.113.1, 198.51.100.1"], 429),
            (vec!["203.0.113.2", "198.51.100.1"], 429),
            // Our own further proxies are passed over.
            (vec!["198.51.100.1, 10.0.0.2"], 429),
            (vec!["198.51.100.1, 10.0.0.2, 10.1.2.3"], 429),
            (vec!["198.51.100.3, 10.0.0.2"], 200),
            // One address in two writings; a network of 256 in IPv6 is one subscriber.
            (vec!["::ffff:198.51.100.1"], 429),
            (vec!["2001:db8:0:100::1"], 200),
            (vec!["2001:db8:0:1ff:ffff::2"], 429),
            (vec!["2001:db8:0:200::1"], 200),
            // Without a usable word it is the proxy itself.
            (vec!["garbage"], 200),
            (vec![], 429),
            (vec!["198.51.100.9, garbage"], 429),
        ] {
            assert_eq!(ask_forwarded(&app, &client, &fields).await, expected, "{fields:?}");
        }
        // Who is no proxy is not believed, whatever it says.
        let http = reqwest::Client::builder().local_address("127.0.0.2".parse::<IpAddr>().unwrap()).build().unwrap();
        for (address, expected) in [("198.51.100.20", 401), ("198.51.100.21", 429)] {
            let request = http.post(format!("{}/oauth/token", app.base)).header("x-forwarded-for", address);
            let reply = request.form(&[("grant_type", "client_credentials")]).send().await.unwrap();
            assert_eq!(reply.status().as_u16(), expected, "{address}");
        }
    }

    async fn without_limits_nothing_is_counted(backend: Backend) {
        let app = start(backend, None, &[]).await;
        let client = app.client(APP).await;
        let token = app.token_of(&client).await;
        // More than every default burst.
        for _ in 0..130 {
            let replies = [ask_from(&app, "127.0.0.1", &wrong(&client)).await, app.check(&token, "x").await];
            assert_eq!(replies.each_ref().map(|reply| reply.status), [401, 400]);
            for reply in replies {
                assert!(!reply.headers.contains_key("x-ratelimit-limit"), "{reply:?}");
            }
        }
    }
}
