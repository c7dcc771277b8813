//! The page under pressure: a bucket for each address, and one winner when page and API are asked at once.

use std::net::IpAddr;

use futures_util::future::join_all;
use serde_json::{Value, json};
use unforget::config::LimitSettings;
use unforget::domain::ClientId;

use crate::both;
use crate::helpers::{APP, Backend, Reply, TestApp};
use crate::http_headers::sent;

const ANN: &str = "ann@example.com";

/// Buckets that get a call back each minute, so that none does during a test.
async fn start(backend: Backend) -> TestApp {
    TestApp::start_with(backend, |settings| {
        settings.page_client = Some(ClientId::new("uf_cl_page"));
        settings.limits = Some(LimitSettings {
            token_per_minute: 1,
            token_burst: 100,
            api_per_minute: 1,
            api_burst: 100,
            page_per_minute: 1,
            page_burst: 3,
        });
    })
    .await
}

async fn post_from(app: &TestApp, address: &str, path: &str, body: Value) -> Reply {
    let http = reqwest::Client::builder()
        .local_address(address.parse::<IpAddr>().unwrap())
        .build()
        .unwrap();
    sent(http.post(format!("{}{path}", app.base)).json(&body)).await
}

both! {
    async fn h10_what_the_page_sends_is_counted_by_address_in_a_bucket_of_its_own(backend: Backend) {
        let app = start(backend).await;
        app.user(ANN).await;
        let token = app.token(APP).await;
        let link = app.mailed_token(&token, ANN).await;
        let reset = |password: &str| json!({"token": link, "password": password});
        let calls = [("/reset/check", json!({"token": "x"})), ("/reset", reset("short")), ("/forgot", json!({"email": ANN}))];
        for (remaining, (path, body)) in [2, 1, 0].into_iter().zip(calls.clone()) {
            let reply = post_from(&app, "127.0.0.1", path, body).await;
            assert_ne!(reply.status, 429, "{reply:?}");
            assert_eq!((reply.header("x-ratelimit-limit"), reply.header("x-ratelimit-remaining")), ("3", remaining.to_string().as_str()));
        }
        for (path, body) in calls {
            let reply = post_from(&app, "127.0.0.1", path, body).await;
            assert_eq!(reply.said(), "429 too_many_requests", "{path}");
            assert_eq!(reply.json()["error"], "Too many requests; come back later.");
            assert!((1..=60).contains(&reply.header("retry-after").parse::<i64>().unwrap()), "{reply:?}");
        }
        // Looking is not counted, and nobody else is touched: not the apps behind the same address, not another visitor.
        for path in ["/reset", "/forgot", "/page/page.css", "/page/page.js"] {
            let page = sent(app.request("GET", path)).await;
            assert_eq!(page.status, 200);
            assert!(page.headers.keys().all(|name| !name.as_str().starts_with("x-ratelimit")), "{page:?}");
        }
        assert_eq!(app.check(&token, &link).await.status, 200);
        let reply = post_from(&app, "127.0.0.2", "/reset", reset("a new secret")).await;
        assert_eq!(reply.said(), "200 password_reset");
    }
}

both! {
    async fn f11_of_forty_resets_by_the_page_and_by_an_app_one_wins(backend: Backend) {
        // A slower hash than usual, so that many have seen the live token before the first uses it up.
        let app = TestApp::start_with(backend, |settings| settings.bcrypt_cost = 6).await;
        app.user(ANN).await;
        let token = app.token(APP).await;
        let link = app.mailed_token(&token, ANN).await;
        let password = |number: usize| format!("the choice of caller {number}");
        let replies = join_all((0..40).map(|number| {
            let (app, token) = (&app, &token);
            let body = json!({"email": ANN, "token": link, "password": password(number)});
            async move {
                if number % 2 == 0 {
                    app.page_post("/reset", body).await
                } else {
                    app.post("/v1/password/reset", token, body).await
                }
            }
        })).await;
        let winners: Vec<_> = (0..40).filter(|number| replies[*number].status == 200).collect();
        assert_eq!(winners.len(), 1, "{replies:?}");
        assert!(replies.iter().all(|reply| reply.status == 200 || reply.said() == "400 wrong_token"), "{replies:?}");
        assert!(app.password_is(ANN, &password(winners[0])).await);
        app.quiet().await;
        assert_eq!(app.sink.received().len(), 2, "the link and one notice");
    }
}
