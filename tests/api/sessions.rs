//! `POST /v1/sessions`: what a user token is, what it may do, and what ends it.

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::accounts::{
    ADMIN, ANN, BOB, FULL_APP, NEW, SESSIONS, USERS, VERIFY, WRONG, password_of, path_of,
};
use crate::both;
use crate::helpers::{Backend, OLD_PASSWORD, Reply, TestApp, a_second_later};
use crate::recovery::{CHECK, REMIND, RESET};
use unforget::flows::By;

both! {
    async fn a_session_is_a_token_that_speaks_for_the_user_in_both_encodings(app: TestApp) {
        let id = app.user("Ann@Example.com").await;
        let token = app.token("sessions:create").await;
        let fields = [("email", ANN), ("password", OLD_PASSWORD)];
        for reply in app.post_both_ways(SESSIONS, &token, &fields).await {
            assert_eq!(reply.status, 201, "{reply:?}");
            assert_eq!(reply.header("cache-control"), "no-store");
            assert_eq!((reply.header("location"), reply.header("set-cookie")), ("", ""));
            let mut body = reply.json();
            let user_token = body["access_token"].take();
            let user_token = user_token.as_str().unwrap();
            assert!(user_token.starts_with("uf_at_") && user_token.len() == token.len(), "{user_token}");
            let user = body["user"].take();
            assert_eq!((&user["id"], &user["email"]), (&json!(id), &json!("Ann@example.com")));
            assert_eq!(body, json!({
                "status": "session_created",
                "success": "The user is signed in.",
                "access_token": null,
                "token_type": "Bearer",
                "expires_in": 43_200,
                "user": null,
            }));
            assert!(app.speaks(user_token).await);
        }
    }

    async fn sessions_speak_french_to_those_who_ask_for_it(app: TestApp) {
        app.user(ANN).await;
        let token = app.token("sessions:create").await;
        let body = json!({"email": ANN, "password": OLD_PASSWORD});
        assert_eq!(app.post_in_french(SESSIONS, &token, body).await.json()["success"], "L'utilisateur est connecté.");
    }

    async fn a_users_token_opens_nothing_but_the_change_of_the_own_password(app: TestApp) {
        let id = app.user(ANN).await;
        let all = app.token(&unforget::domain::Scopes::all().to_string()).await;
        let user_token = app.user_token(&all, ANN, OLD_PASSWORD).await;
        let (own, password) = (path_of(id), password_of(id));
        let by_email = format!("{USERS}?email={ANN}");
        for (method, path, scope) in [
            ("POST", REMIND, "password:remind"),
            ("POST", CHECK, "password:reset"),
            ("POST", RESET, "password:reset"),
            ("POST", VERIFY, "password:verify"),
            ("POST", SESSIONS, "sessions:create"),
            ("POST", USERS, "users:write"),
            ("GET", &by_email, "users:read"),
            ("GET", &own, "users:read"),
            ("PATCH", &own, "users:write"),
            ("DELETE", &own, "users:write"),
            ("PUT", &password, "users:resetPassword"),
        ] {
            let body = json!({"email": ANN, "password": OLD_PASSWORD, "token": "x"});
            let reply = app.send(method, path, &user_token, body).await;
            assert_eq!(reply.said(), "403 insufficient_scope", "{method} {path}");
            let challenge = format!("Bearer realm=\"unforget\", error=\"insufficient_scope\", scope=\"{scope}\"");
            assert_eq!(reply.header("www-authenticate"), challenge, "{method} {path}");
        }
        assert_eq!(app.change_own(&user_token, OLD_PASSWORD, NEW).await.status, 200);
    }

    async fn a_users_token_is_of_no_use_as_a_clients_secret_or_a_link(app: TestApp) {
        app.user(ANN).await;
        let client = app.client(FULL_APP).await;
        let token = app.token_of(&client).await;
        let user_token = app.user_token(&token, ANN, OLD_PASSWORD).await;
        assert_eq!(app.check(&token, &user_token).await.said(), "400 wrong_token");
        let mut impostor = client.clone();
        impostor.secret = user_token;
        let reply = app.token_request(&impostor, &[("grant_type", "client_credentials")]).await;
        assert_eq!(reply.said(), "401 invalid_client");
    }
}

both! {
    async fn b08_a_users_token_ends_after_the_lifetime_of_a_session(backend: Backend) {
        let app = TestApp::start_with(backend, |settings| settings.session_lifetime = TimeDelta::seconds(900)).await;
        app.user(ANN).await;
        let client = app.client_with(FULL_APP, |new| new.token_lifetime = Some(TimeDelta::days(1))).await;
        let token = app.token_of(&client).await;
        let reply = app.session(&token, ANN, OLD_PASSWORD).await.json();
        assert_eq!(reply["expires_in"], 900);
        let user_token = reply["access_token"].as_str().unwrap();
        app.advance(840);
        assert!(app.speaks(user_token).await);
        app.advance(60);
        assert!(!app.speaks(user_token).await);
        assert_eq!(app.change_own(user_token, OLD_PASSWORD, NEW).await.said(), "401 invalid_token");
        assert!(app.password_is(ANN, OLD_PASSWORD).await);
    }
}

/// What ends a user's token.
#[derive(Debug, Clone, Copy)]
enum End {
    OwnChange,
    AppsChange,
    Reset,
    AdminSet,
    Disable,
    Delete,
    DisableClient,
    DeleteClient,
}

both! {
    /// Each on one service, and seen at once on another one that has let the token in before.
    async fn f14_f27_whatever_ends_a_users_tokens_ends_them_at_once_here_and_within_a_second_everywhere(app: TestApp) {
        let (second, base) = app.second();
        let admin = app.token(ADMIN).await;
        let app_token = app.token(FULL_APP).await;
        app.user(BOB).await;
        let bobs = app.user_token(&app_token, BOB, OLD_PASSWORD).await;
        let there = async |user_token: &str| {
            let request = reqwest::Client::new().put(format!("{base}/v1/password")).bearer_auth(user_token);
            Reply::of(request.json(&json!({})).send().await.unwrap()).await.said()
        };
        for end in [
            End::OwnChange, End::AppsChange, End::Reset, End::AdminSet, End::Disable, End::Delete, End::DisableClient, End::DeleteClient,
        ] {
            let email = format!("{end:?}@example.com");
            let id = app.user(&email).await;
            let client = app.client(FULL_APP).await;
            let token = app.token_of(&client).await;
            let user_token = app.user_token(&token, &email, OLD_PASSWORD).await;
            assert_eq!(there(&user_token).await, "400 invalid_request", "{end:?}");
            assert!(app.speaks(&user_token).await, "{end:?}");
            let ended = match end {
                End::OwnChange => app.change_own(&user_token, OLD_PASSWORD, NEW).await.status,
                End::AppsChange => app.change(&app_token, &email, OLD_PASSWORD, NEW).await.status,
                End::Reset => {
                    let link = app.mailed_token(&app_token, &email).await;
                    app.reset(&app_token, &email, &link, NEW).await.status
                }
                End::AdminSet => app.admin_set(&admin, id, NEW).await.status,
                End::Disable => app.patch(&admin, id, json!({"disabled": true})).await.status,
                End::Delete => app.send("DELETE", &path_of(id), &admin, Value::Null).await.status,
                End::DisableClient => app.flows.disable_client(By::Operator, client.client_id(), true).await.map(|_| 200).unwrap(),
                End::DeleteClient => app.flows.delete_client(By::Operator, client.client_id()).await.map(|_| 200).unwrap(),
            };
            assert_eq!(ended, 200, "{end:?}");
            assert!(!app.speaks(&user_token).await, "{end:?}");
            a_second_later().await;
            assert_eq!(there(&user_token).await, "401 invalid_token", "{end:?}");
            assert!(app.speaks(&bobs).await, "{end:?}: nobody else's");
            app.quiet().await;
        }
        second.stop().await;
    }

    async fn what_leaves_the_password_alone_leaves_the_users_tokens_alone(app: TestApp) {
        let id = app.user(ANN).await;
        let (token, admin) = (app.token(FULL_APP).await, app.token(ADMIN).await);
        let user_token = app.user_token(&token, ANN, OLD_PASSWORD).await;
        app.mailed_token(&token, ANN).await;
        assert_eq!(app.verify(&token, ANN, WRONG).await.status, 400);
        assert_eq!(app.change(&token, ANN, WRONG, NEW).await.status, 400);
        assert_eq!(app.admin_set(&admin, id, "short").await.status, 400);
        assert_eq!(app.patch(&admin, id, json!({"locale": "fr", "profile": {"a": 1}, "disabled": false})).await.status, 200);
        app.user_token(&token, ANN, OLD_PASSWORD).await;
        assert!(app.speaks(&user_token).await);
    }
}
