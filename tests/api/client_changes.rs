//! What is done to a client reaches its live tokens: at once here, within a second on every node (bar O19), and two who change it at once do not undo
//! each other.

use std::collections::HashSet;

use diesel::sql_types::Text;
use diesel::{QueryableByName, RunQueryDsl, sql_query};
use futures_util::future::join_all;
use serde_json::json;
use unforget::domain::{AuthMethod, ClientId, HashedToken, JwkSet, Scopes};
use unforget::flows::By;
use unforget::flows::clients::apply::{StatedClient, StatedSecret};
use unforget::flows::clients::{ClientChange, ClientError};
use unforget::storage::{AnyConnection, StorageError, clients};

use crate::both;
use crate::helpers::{APP, Backend, OLD_PASSWORD, Reply, TestApp, TestClient, a_second_later};
use crate::lock_order::meet;

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

/// Changes a client, which must exist.
async fn change(app: &TestApp, client: &TestClient, change: ClientChange) {
    let changed = app
        .flows
        .change_client(By::Operator, client.client_id(), change);
    assert!(changed.await.unwrap().is_some());
}

fn scopes(text: &str) -> ClientChange {
    ClientChange {
        scopes: Some(text.parse().unwrap()),
        ..ClientChange::default()
    }
}

/// What the node at this address says to a check of a reset token.
async fn check_at(base: &str, token: &str) -> String {
    let request = reqwest::Client::new().post(format!("{base}/v1/password/check"));
    let request = request.bearer_auth(token).json(&json!({"token": "x"}));
    Reply::of(request.send().await.unwrap()).await.said()
}

/// The status of a request for a token at the node at this address.
async fn ask_at(base: &str, client: &TestClient) -> u16 {
    ask_scope_at(base, client, "").await
}

async fn ask_scope_at(base: &str, client: &TestClient, scope: &str) -> u16 {
    let request = reqwest::Client::new().post(format!("{base}/oauth/token"));
    let request = request.basic_auth(&client.id, Some(&client.secret));
    request
        .form(&[GRANT, ("scope", scope)])
        .send()
        .await
        .unwrap()
        .status()
        .as_u16()
}

/// The acts that the audit remembers about a client, by name: those of one transaction are of one time.
pub(crate) async fn acts(app: &TestApp, client: &ClientId) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        act: String,
    }
    let query = format!(
        "SELECT act FROM audit WHERE subject_client = '{client}' AND act LIKE 'client.%' ORDER BY act"
    );
    let read = app.flows.storage.read(move |c| {
        let rows: Vec<Row> = match c {
            AnyConnection::Sqlite(c) => sql_query(query).load(c)?,
            AnyConnection::Postgres(c) => sql_query(query).load(c)?,
        };
        Ok::<_, StorageError>(rows)
    });
    read.await.unwrap().into_iter().map(|row| row.act).collect()
}

both! {
    async fn o19_a_disabled_clients_live_tokens_stop_at_once(app: TestApp) {
        let (client, neighbour) = (app.client(APP).await, app.token(APP).await);
        let token = app.token_of(&client).await;
        assert_eq!(app.check(&token, "x").await.said(), "400 wrong_token");

        assert!(app.flows.disable_client(By::Operator, client.client_id(), true).await.unwrap());
        assert_eq!(app.check(&token, "x").await.said(), "401 invalid_token");
        assert_eq!(app.token_request(&client, &[GRANT]).await.status, 401);
        assert_eq!(app.check(&neighbour, "x").await.said(), "400 wrong_token");

        assert!(app.flows.disable_client(By::Operator, client.client_id(), false).await.unwrap());
        let token = app.token_of(&client).await;
        assert_eq!(app.check(&token, "x").await.said(), "400 wrong_token");
    }

    async fn o19_a_deleted_clients_live_tokens_stop_at_once(app: TestApp) {
        let (client, neighbour) = (app.client(APP).await, app.token(APP).await);
        let token = app.token_of(&client).await;
        assert_eq!(app.check(&token, "x").await.said(), "400 wrong_token");

        assert!(app.flows.delete_client(By::Operator, client.client_id()).await.unwrap());
        assert_eq!(app.check(&token, "x").await.said(), "401 invalid_token");
        assert_eq!(app.token_request(&client, &[GRANT]).await.status, 401);
        assert_eq!(app.check(&neighbour, "x").await.said(), "400 wrong_token");
    }

    async fn o19_a_scope_that_a_client_loses_is_lost_to_its_live_tokens(app: TestApp) {
        let client = app.client(APP).await;
        let token = app.token_of(&client).await;
        assert_eq!(app.check(&token, "x").await.said(), "400 wrong_token");

        change(&app, &client, scopes("password:remind")).await;
        assert_eq!(app.check(&token, "x").await.said(), "401 invalid_token");
        let reply = app.token_request(&client, &[GRANT]).await;
        assert_eq!(reply.json()["scope"], "password:remind");
        let less = reply.json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(app.check(&less, "x").await.said(), "403 insufficient_scope");
        assert_eq!(app.remind(&less, "ann@example.com").await.said(), "200 reminder_sent");

        // Nothing comes back with the scope, and what is given ends nothing.
        change(&app, &client, scopes(APP)).await;
        assert_eq!(app.check(&token, "x").await.said(), "401 invalid_token");
        assert_eq!(app.check(&less, "x").await.said(), "403 insufficient_scope");
        assert_eq!(app.check(&app.token_of(&client).await, "x").await.said(), "400 wrong_token");
    }

    async fn o19_users_stay_signed_in_when_their_app_loses_a_scope(app: TestApp) {
        let client = app.client("sessions:create password:remind").await;
        app.user("ann@example.com").await;
        let user = app.user_token(&app.token_of(&client).await, "ann@example.com", OLD_PASSWORD).await;
        change(&app, &client, scopes("sessions:create")).await;
        let body = json!({"old_password": OLD_PASSWORD, "password": "a new secret"});
        let request = app.request("PUT", "/v1/password").bearer_auth(&user).json(&body);
        assert_eq!(Reply::of(request.send().await.unwrap()).await.said(), "200 password_updated");
    }

    /// As after `kill -9` in the midst of switching off: the tokens are still there.
    async fn o19_tokens_that_were_not_deleted_yet_stay_dead_when_their_client_is_switched_on(app: TestApp) {
        let client = app.client(APP).await;
        let token = app.token_of(&client).await;
        for disabled in [true, false] {
            let (id, now) = (client.client_id(), app.clock.now());
            app.flows.storage.write(move |c| clients::set_disabled(c, &id, disabled, now)).await.unwrap();
            assert_eq!(app.check(&token, "x").await.said(), "401 invalid_token");
        }
        assert_eq!(app.check(&app.token_of(&client).await, "x").await.said(), "400 wrong_token");
    }

    async fn o19_a_client_with_many_tokens_is_switched_off_before_it_is_deleted(app: TestApp) {
        let client = app.client(APP).await;
        let mut tokens = Vec::new();
        for _ in 0..12 {
            tokens.extend(join_all((0..50).map(|_| app.token_of(&client))).await);
        }
        assert!(app.flows.delete_client(By::Operator, client.client_id()).await.unwrap());
        assert_eq!(app.check(&tokens[599], "x").await.said(), "401 invalid_token");
        assert_eq!(acts(&app, &client.client_id()).await, ["client.add", "client.delete", "client.disable"]);
        assert!(!app.flows.delete_client(By::Operator, client.client_id()).await.unwrap());
    }

    async fn o19_what_is_done_on_one_node_holds_on_the_others_within_a_second(app: TestApp) {
        let (_running, second) = app.second();
        let client = app.client(APP).await;
        let token = app.token_of(&client).await;
        // The second node knows the client and has seen the token.
        assert_eq!((ask_at(&second, &client).await, check_at(&second, &token).await), (200, "400 wrong_token".to_owned()));

        change(&app, &client, scopes("password:remind")).await;
        a_second_later().await;
        assert_eq!(check_at(&second, &token).await, "401 invalid_token");
        // What an app is given counts at once: no refusal is of what is remembered.
        assert_eq!(ask_scope_at(&second, &client, "password:reset").await, 400);
        assert_eq!(ask_at(&second, &client).await, 200);
        change(&app, &client, scopes(APP)).await;
        assert_eq!(ask_scope_at(&second, &client, "password:reset").await, 200);
        let token = app.token_of(&client).await;
        assert_eq!(check_at(&second, &token).await, "400 wrong_token");

        app.flows.disable_client(By::Operator, client.client_id(), true).await.unwrap();
        assert_eq!(ask_at(&second, &client).await, 401); // no new token, from that moment on
        a_second_later().await;
        assert_eq!(check_at(&second, &token).await, "401 invalid_token");
        app.flows.disable_client(By::Operator, client.client_id(), false).await.unwrap();
        assert_eq!(ask_at(&second, &client).await, 200);

        let token = app.token_of(&client).await;
        app.flows.delete_client(By::Operator, client.client_id()).await.unwrap();
        assert_eq!(ask_at(&second, &client).await, 401);
        a_second_later().await;
        assert_eq!(check_at(&second, &token).await, "401 invalid_token");
    }

    async fn o19_switching_a_client_on_again_brings_no_token_back(app: TestApp) {
        let client = app.client(APP).await;
        let token = app.token_of(&client).await;
        for disabled in [true, false] {
            app.flows.disable_client(By::Operator, client.client_id(), disabled).await.unwrap();
            assert_eq!(app.check(&token, "x").await.said(), "401 invalid_token");
        }
    }

    async fn o19_a_client_that_is_deleted_while_it_asks_for_tokens_gets_a_401_at_worst(app: TestApp) {
        for _ in 0..5 {
            let client = app.client(APP).await;
            let ask = async || {
                let (mut statuses, mut asked) = (HashSet::new(), 0);
                // Until it is gone.
                while asked < 1000 && !statuses.contains(&401) {
                    statuses.insert(app.token_request(&client, &[GRANT]).await.status);
                    asked += 1;
                }
                statuses
            };
            let delete = async {
                app.token_of(&client).await; // so that it is known, and in the midst of asking
                app.flows.delete_client(By::Operator, client.client_id()).await.unwrap()
            };
            let (statuses, deleted) = tokio::join!(join_all((0..8).map(|_| ask())), delete);
            let statuses: HashSet<u16> = statuses.into_iter().flatten().collect();
            assert!(deleted && statuses.is_subset(&HashSet::from([200, 401])), "{statuses:?}");
            assert!(statuses.contains(&401), "{statuses:?}");
        }
    }

    async fn o19_what_a_file_takes_away_is_lost_to_live_tokens_and_each_act_is_in_the_audit(app: TestApp) {
        let client = app.client(APP).await;
        let token = app.token_of(&client).await;
        let stated = |scopes: &str, disabled: bool| StatedClient {
            id: Some(client.client_id()),
            name: "Teen Quotes".parse().unwrap(),
            scopes: scopes.parse().unwrap(),
            reset_url: None,
            locale: None,
            token_lifetime: None,
            auth_method: AuthMethod::default(),
            jwks: None,
            require_dpop: false,
            disabled: Some(disabled),
            secrets: vec![StatedSecret {
                label: "brought".parse().unwrap(),
                digest: HashedToken::of("a secret from elsewhere"),
                not_before: None,
                expires_at: None,
            }],
        };
        let apply = async |stated, dry_run| app.flows.apply_clients(By::Operator, vec![stated], dry_run).await.unwrap();
        apply(stated("password:remind", true), true).await;
        assert_eq!(app.check(&token, "x").await.said(), "400 wrong_token");
        apply(stated("password:remind", false), false).await;
        assert_eq!(app.check(&token, "x").await.said(), "401 invalid_token");
        for disabled in [true, false, false] {
            apply(stated("password:remind", disabled), false).await;
            assert_eq!(app.check(&token, "x").await.said(), "401 invalid_token");
        }
        let expected = ["client.add", "client.change", "client.disable", "client.enable", "client.rotate"];
        assert_eq!(acts(&app, &client.client_id()).await, expected);
    }

    async fn changes_at_once_do_not_undo_each_other_and_each_is_in_the_audit(app: TestApp) {
        let client = app.client(APP).await;
        let all = [
            ClientChange { name: Some("Renamed".parse().unwrap()), ..ClientChange::default() },
            scopes("password:remind"),
            ClientChange { reset_url: Some(None), ..ClientChange::default() },
            ClientChange { locale: Some(Some("fr".parse().unwrap())), ..ClientChange::default() },
            ClientChange { token_lifetime: Some(Some(chrono::TimeDelta::minutes(5))), ..ClientChange::default() },
            ClientChange { require_dpop: Some(true), ..ClientChange::default() },
        ];
        join_all(all.map(|one| change(&app, &client, one))).await;
        let (stored, _) = app.flows.show_client(client.client_id()).await.unwrap().unwrap();
        assert_eq!((stored.name.as_str(), stored.scopes.to_string()), ("Renamed", "password:remind".to_owned()));
        assert_eq!((stored.reset_url, stored.locale.map(|l| l.language())), (None, Some("fr".to_owned())));
        assert_eq!((stored.token_lifetime, stored.require_dpop), (Some(chrono::TimeDelta::minutes(5)), true));
        let mut expected = vec!["client.add"];
        expected.extend(["client.change"; 6]);
        assert_eq!(acts(&app, &client.client_id()).await, expected);

        // The same again is no change.
        change(&app, &client, scopes("password:remind")).await;
        assert_eq!(acts(&app, &client.client_id()).await.len(), 7);
    }

    async fn a_client_that_could_do_nothing_or_not_authenticate_is_not_made(app: TestApp) {
        let client = app.client(APP).await;
        let by_keys = |jwks: Option<JwkSet>| ClientChange {
            auth_method: Some(AuthMethod::PrivateKeyJwt),
            jwks: Some(jwks),
            ..ClientChange::default()
        };
        let none = ClientChange { scopes: Some(Scopes::default()), ..ClientChange::default() };
        let refused = async |change| app.flows.change_client(By::Operator, client.client_id(), change).await.unwrap_err();
        assert!(matches!(refused(none).await, ClientError::NoScope));
        assert!(matches!(refused(by_keys(None)).await, ClientError::NoKeys));
        assert_eq!(app.token_request(&client, &[GRANT]).await.status, 200);

        // With keys, a secret would be a second way in.
        let keys = r#"{"keys": [{"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}"#;
        change(&app, &client, by_keys(Some(JwkSet::parse(keys).unwrap()))).await;
        assert_eq!(app.token_request(&client, &[GRANT]).await.said(), "401 invalid_client");
        let rotated = app.flows.rotate_client(By::Operator, client.client_id(), chrono::TimeDelta::zero()).await;
        assert_eq!(rotated.unwrap_err().to_string(), ClientError::HasKeys.to_string());
    }
}

/// The moment that the test above only happens to meet: between a client's authentication and its token's row.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o19_a_client_that_is_deleted_in_the_midst_of_its_own_call_is_unknown() {
    let app = TestApp::start(Backend::Postgres).await;
    for is_known in [false, true] {
        let client = app.client(APP).await;
        if is_known {
            app.token_of(&client).await;
        }
        let delete = format!("DELETE FROM clients WHERE id = '{}'", client.id);
        let reply = meet(
            &app,
            &delete,
            app.token_request(&client, &[GRANT]),
            "SELECT 1",
        )
        .await;
        assert_eq!(reply.said(), "401 invalid_client");
    }
}
