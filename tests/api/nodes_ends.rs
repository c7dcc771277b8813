//! What ends on one of three nodes, each a process of its own, has ended there with the answer, and on all within a second (bar O19).

use serde_json::{Value, json};
use unforget::flows::By;
use unforget::flows::clients::ClientChange;

use crate::cluster::{Cluster, UNLIMITED, ask, post};
use crate::helpers::{OLD_PASSWORD, TestClient, a_second_later};

const VERIFY: &str = "/v1/password/verify";
const CHECK: &str = "/v1/password/check";

fn http() -> reqwest::Client {
    reqwest::Client::new()
}

/// What each node says to the same call.
async fn at_all(cluster: &Cluster, path: &str, token: &str, body: Value) -> Vec<String> {
    let mut said = Vec::new();
    for base in cluster.bases() {
        let reply = post(&http(), format!("{base}{path}"), token, body.clone())
            .await
            .unwrap();
        said.push(reply.said());
    }
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o19_what_ends_on_one_of_three_nodes_has_ended_on_all() {
    let cluster = Cluster::start(UNLIMITED).await;
    let bases = cluster.bases();
    let scopes = "password:remind password:reset password:verify password:change sessions:create";
    let client = cluster.client(scopes).await;
    let user = cluster.user("ann@example.com").await;
    let token = async |base: &str| {
        let reply = ask(&http(), base, &client).await.unwrap();
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["access_token"].as_str().unwrap().to_owned()
    };
    let all = |said: &str| vec![said.to_owned(); 3];
    let check = async |token: &str| at_all(&cluster, CHECK, token, json!({"token": "x"})).await;
    let ended = async |token: &str| {
        a_second_later().await;
        check(token).await
    };
    let program = |arguments: &[&str]| {
        let output = cluster.nodes[0].program.run(arguments);
        assert!(output.status.success(), "{output:?}");
        output
    };
    let alive = all("400 wrong_token");
    let dead = all("401 invalid_token");

    // A token that is revoked on the first.
    let first = token(&bases[1]).await;
    assert_eq!(check(&first).await, alive);
    let revoked = http()
        .post(format!("{}/oauth/revoke", bases[0]))
        .basic_auth(&client.id, Some(&client.secret));
    assert_eq!(
        revoked
            .form(&[("token", &first)])
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    assert_eq!(check(&first).await[0], dead[0]); // here, at once
    assert_eq!(ended(&first).await, dead);

    // A scope that the client loses, and gets back.
    let second = token(&bases[2]).await;
    assert_eq!(check(&second).await, alive);
    for (scopes, said) in [("password:remind", &dead), (scopes, &dead)] {
        let change = ClientChange {
            scopes: Some(scopes.parse().unwrap()),
            ..ClientChange::default()
        };
        cluster
            .flows
            .change_client(By::Operator, client.client_id(), change)
            .await
            .unwrap();
        assert_eq!(&ended(&second).await, said);
    }

    // A password that is changed on the second: the new one is right everywhere, and whoever was signed in is not any more.
    let third = token(&bases[0]).await;
    let sign_in = async |base: &str, password: &str| {
        let body = json!({"email": "ann@example.com", "password": password});
        let reply = post(&http(), format!("{base}/v1/sessions"), &third, body).await;
        let reply = reply.unwrap().json();
        reply["access_token"].as_str().unwrap().to_owned()
    };
    // A call without a body: 400 for who is signed in.
    let knows = async |session: &str| {
        let mut statuses = Vec::new();
        for base in &bases {
            let call = http()
                .put(format!("{base}/v1/password"))
                .bearer_auth(session);
            statuses.push(
                call.json(&json!({}))
                    .send()
                    .await
                    .unwrap()
                    .status()
                    .as_u16(),
            );
        }
        statuses
    };
    let session = sign_in(&bases[2], OLD_PASSWORD).await;
    assert_eq!(knows(&session).await, [400; 3]);
    let new = json!({"old_password": OLD_PASSWORD, "password": "a new secret"});
    let change = http()
        .put(format!("{}/v1/password", bases[1]))
        .bearer_auth(&session);
    assert_eq!(change.json(&new).send().await.unwrap().status(), 200);
    assert_eq!(knows(&session).await[1], 401);
    a_second_later().await;
    assert_eq!(knows(&session).await, [401; 3]);
    let body = json!({"email": "ann@example.com", "password": "a new secret"});
    assert_eq!(
        at_all(&cluster, VERIFY, &third, body).await,
        all("200 password_verified")
    );

    // A user who is switched off.
    let session = sign_in(&bases[0], "a new secret").await;
    assert_eq!(knows(&session).await, [400; 3]);
    program(&["user", "disable", &user.to_string()]);
    a_second_later().await;
    assert_eq!(knows(&session).await, [401; 3]);

    // A secret that is rotated, and a client that is switched off, on the command line.
    let old = client.clone();
    let rotated = program(&["client", "rotate", &client.id, "--overlap", "0s", "--json"]);
    let rotated: Value = serde_json::from_slice(&rotated.stdout).unwrap();
    let new = TestClient {
        secret: rotated["client_secret"].as_str().unwrap().to_owned(),
        ..client.clone()
    };
    for base in &bases {
        let answers = [
            ask(&http(), base, &old).await.unwrap().status,
            ask(&http(), base, &new).await.unwrap().status,
        ];
        assert_eq!(answers, [401, 200]);
    }
    assert_eq!(check(&third).await, alive);
    program(&["client", "disable", &client.id]);
    assert_eq!(ended(&third).await, dead);
    for base in &bases {
        assert_eq!(ask(&http(), base, &new).await.unwrap().status, 401);
    }
}
