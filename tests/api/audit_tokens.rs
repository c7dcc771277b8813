//! The audit of the token endpoint and its neighbours: who got a token, who did not, and whom somebody tried to be.

use serde_json::json;
use unforget::flows::By;

use crate::audit::Watch;
use crate::both;
use crate::helpers::{APP, Backend, Reply, TestApp, TestClient};

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

async fn form(app: &TestApp, path: &str, client: &TestClient, fields: &[(&str, &str)]) -> Reply {
    let request = app
        .request("POST", path)
        .basic_auth(&client.id, Some(&client.secret));
    Reply::of(request.form(fields).send().await.unwrap()).await
}

both! {
    async fn every_token_and_every_refusal_leaves_one_entry(app: TestApp) {
        let client = app.client(APP).await;
        let wrong = TestClient { secret: "uf_cs_wrong".to_owned(), ..client.clone() };
        let unknown = TestClient { id: "uf_cl_nobody".to_owned(), ..client.clone() };
        let odd = TestClient { id: "canary\0\u{1b}\u{2028}".to_owned(), ..client.clone() };
        let mut watch = Watch::new(&app).await;
        watch.name(&client.id, "app");
        // The first time it is looked up, and then remembered.
        for _ in 0..3 {
            let reply = app.token_request(&client, &[GRANT]).await;
            assert_eq!(reply.status, 200);
            watch.saw(&reply, &["token.issue done by app"]).await;
        }
        for (client, fields, entry) in [
            (&wrong, vec![GRANT], "token.issue invalid_client to client app"),
            (&unknown, vec![GRANT], "token.issue invalid_client"),
            (&odd, vec![GRANT], "token.issue invalid_client"),
            (&client, vec![GRANT, ("scope", "users:write")], "token.issue invalid_scope by app"),
            (&client, vec![GRANT, ("scope", "canary")], "token.issue invalid_scope by app"),
            (&client, vec![("grant_type", "canary")], "token.issue unsupported_grant_type to client app"),
            (&client, vec![], "token.issue invalid_request to client app"),
        ] {
            watch.saw(&app.token_request(client, &fields).await, &[entry]).await;
        }
        let nobody = app.request("POST", "/oauth/token").form(&[GRANT]);
        watch.saw(&Reply::of(nobody.send().await.unwrap()).await, &["token.issue invalid_client"]).await;

        let token = app.token_of(&client).await;
        watch.new_entries().await;
        for path in ["/oauth/introspect", "/oauth/revoke"] {
            let act = path.replace("/oauth/", "token.");
            let reply = form(&app, path, &wrong, &[("token", &token)]).await;
            watch.saw(&reply, &[&format!("{act} invalid_client to client app")]).await;
        }
        watch.saw(&form(&app, "/oauth/introspect", &client, &[("token", &token)]).await, &[]).await;
        watch.saw(&form(&app, "/oauth/revoke", &client, &[("token", &token)]).await, &["token.revoke done by app"]).await;

        // What was remembered does not hold any more: one refusal, and no trace of the attempt before it.
        assert!(app.flows.disable_client(By::Operator, client.client_id(), true).await.unwrap());
        watch.new_entries().await;
        watch.saw(&app.token_request(&client, &[GRANT]).await, &["token.issue invalid_client to client app"]).await;
        let text = format!("{:?}", app.audit().await);
        for canary in ["canary", "nobody", &client.secret, "wrong\""] {
            assert!(!text.contains(canary), "{canary}: {text}");
        }
    }

    async fn sixty_four_at_once_leave_one_entry_each(app: TestApp) {
        let client = app.client(APP).await;
        app.token_of(&client).await;
        let before = app.audit().await.len();
        let wrong = TestClient { secret: "uf_cs_wrong".to_owned(), ..client.clone() };
        let calls = (0..64).map(|n| {
            let (app, client) = (&app, if n % 4 == 0 { &wrong } else { &client });
            async move {
                let reply = app.token_request(client, &[GRANT]).await;
                (reply.status, reply.header("x-request-id").to_owned())
            }
        });
        let mut answers = futures_util::future::join_all(calls).await;
        let mut entries: Vec<_> = app.audit().await.split_off(before).into_iter().map(|entry| {
            let status = if entry.refusal.is_some() { 401 } else { 200 };
            (status, entry.origin.request_id.unwrap())
        }).collect();
        answers.sort();
        entries.sort();
        assert_eq!(entries, answers);
        assert_eq!(entries.iter().filter(|(status, _)| *status == 200).count(), 48);
        assert_eq!(json!(answers.len()), 64);
    }
}
