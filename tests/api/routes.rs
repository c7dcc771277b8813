//! Who may call the paths of the native API, and that this is decided first (bar B03, B07), for every one of them.

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};

use crate::accounts::{CHANGE, SESSIONS, USERS, VERIFY};
use crate::both;
use crate::helpers::{Backend, OLD_PASSWORD, Reply, TestApp};
use crate::http::face;
use crate::recovery::{CHECK, REMIND, RESET};

const ANY_USER: &str = "/v1/users/00000000-0000-0000-0000-000000000000";
const ANY_USERS_PASSWORD: &str = "/v1/users/00000000-0000-0000-0000-000000000000/password";

/// Every call that needs a token, with its scope.
const CALLS: [(&str, &str, &str); 13] = [
    ("POST", REMIND, "password:remind"),
    ("POST", CHECK, "password:reset"),
    ("POST", RESET, "password:reset"),
    ("POST", VERIFY, "password:verify"),
    ("PUT", CHANGE, "password:change"),
    ("POST", SESSIONS, "sessions:create"),
    ("POST", USERS, "users:write"),
    ("GET", USERS, "users:read"),
    ("HEAD", USERS, "users:read"),
    ("GET", ANY_USER, "users:read"),
    ("PATCH", ANY_USER, "users:write"),
    ("DELETE", ANY_USER, "users:write"),
    ("PUT", ANY_USERS_PASSWORD, "users:resetPassword"),
];

/// Bodies that would be refused, each in a way of its own, or accepted.
fn bodies() -> [(&'static str, String); 6] {
    [
        ("application/json", format!("{{\"email\":\"{}\"}}", "x".repeat(20_000))),
        ("application/json", "{\"email\":".to_owned()),
        ("application/json", String::new()),
        ("application/json", r#"{"email":"ann@example.com","token":"x","password":"a new secret","old_password":"the old secret"}"#.to_owned()),
        ("application/x-www-form-urlencoded", "email=%".to_owned()),
        ("text/plain", "email".to_owned()),
    ]
}

both! {
    async fn b03_b07_every_path_decides_who_may_call_before_it_reads_the_body(app: TestApp) {
        app.user("ann@example.com").await;
        let all = unforget::domain::Scopes::all().to_string();
        let user_token = app.user_token(&app.token(&all).await, "ann@example.com", OLD_PASSWORD).await;
        for (method, path, scope) in CALLS {
            let others: Vec<_> = all.split(' ').filter(|other| *other != scope).collect();
            let unscoped = app.token(&others.join(" ")).await;
            let insufficient = format!("Bearer realm=\"unforget\", error=\"insufficient_scope\", scope=\"{scope}\"");
            let mut callers = vec![
                (None, 401, "Bearer realm=\"unforget\""),
                (Some("canary"), 401, "Bearer realm=\"unforget\", error=\"invalid_token\""),
                (Some(&unscoped), 403, &insufficient),
            ];
            if path != CHANGE {
                callers.push((Some(&user_token), 403, &insufficient));
            }
            for (token, status, challenge) in callers {
                let mut heard = Vec::new();
                for (content_type, body) in bodies() {
                    let mut request = app.request(method, path).header(CONTENT_TYPE, content_type);
                    if let Some(token) = token {
                        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
                    }
                    let reply = Reply::of(request.body(body).send().await.unwrap()).await;
                    assert_eq!((reply.status, reply.header("www-authenticate")), (status, challenge), "{method} {path} {token:?}");
                    heard.push(face(&reply));
                }
                assert!(heard.iter().all(|told| *told == heard[0]), "{method} {path}: {heard:#?}");
            }
        }
        assert!(app.password_is("ann@example.com", OLD_PASSWORD).await);
        assert_eq!(app.failures("ann@example.com").await, 0);
    }

    async fn b03_each_scope_alone_opens_its_own_paths(app: TestApp) {
        for (method, path, scope) in CALLS {
            let token = app.token(scope).await;
            let reply = app.bare(method, path, &token).await;
            assert!(![401, 403, 405].contains(&reply.status), "{method} {path}: {reply:?}");
        }
    }

    /// A password is nothing that a page may keep, and what is answered about a user neither.
    async fn b09_h13_every_answer_of_the_native_api_is_for_its_caller_alone(app: TestApp) {
        let token = app.token(&unforget::domain::Scopes::all().to_string()).await;
        for (method, path, _) in CALLS {
            let reply = app.bare(method, path, &token).await;
            assert_eq!(reply.header("cache-control"), "no-store", "{method} {path}");
            assert_eq!(reply.header("x-content-type-options"), "nosniff", "{method} {path}");
        }
    }
}
