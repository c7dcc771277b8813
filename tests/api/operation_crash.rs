//! What was answered stays true when the process ends, by SIGTERM or by kill -9 (D02, H15).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use diesel::sql_types::Text;
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query};
use futures_util::future::join_all;
use serde_json::json;
use unforget::clock::Clock;
use unforget::domain::mail::MailKind;
use unforget::domain::{EmailAddress, Password};
use unforget::flows::clients::NewClient;
use unforget::flows::users::{NewUser, UserRef};
use unforget::flows::{By, Flows};
use unforget::server;

use crate::both;
use crate::helpers::{
    APP, Backend, Database, OLD_PASSWORD, PATIENCE, Program, Service, TestClient, settings,
};
use crate::smtp::{Behaviour, SmtpSink};

/// The real binary beside flows of our own on the same database, to fill it and to look into it.
struct Rig {
    database: Database,
    sink: SmtpSink,
    program: Program,
    flows: Flows,
    client: TestClient,
}

impl Rig {
    async fn start(backend: Backend) -> Self {
        let (database, sink) = (Database::create(backend), SmtpSink::start().await);
        let program = Program::new(&[
            ("DATABASE_URL", &database.url()),
            ("UNFORGET_MAIL__URL", &sink.url()),
            ("UNFORGET_PASSWORD__BCRYPT_COST", "10"),
            ("UNFORGET_LIMITS__ENABLED", "false"),
        ]);
        let flows = server::flows(&settings(&database.url(), &sink.url()), Clock::System).unwrap();
        let new = NewClient::new("Quotes".parse().unwrap(), APP.parse().unwrap());
        let (client, secret) = flows.add_client(By::Operator, new).await.unwrap();
        let secret = secret.unwrap();
        let client = TestClient {
            id: client.id.to_string(),
            secret: secret.expose().to_owned(),
        };
        Self {
            database,
            sink,
            program,
            flows,
            client,
        }
    }

    async fn users(&self, prefix: &str, count: usize) -> Vec<String> {
        let emails: Vec<_> = (0..count)
            .map(|n| format!("{prefix}{n}@example.com"))
            .collect();
        for email in &emails {
            let new = NewUser {
                email: EmailAddress::parse(email).unwrap(),
                password: Some(Ok(Password::parse(OLD_PASSWORD).unwrap().into())),
                password_hash: None,
                locale: None,
                profile: serde_json::Map::new(),
            };
            self.flows.add_user(By::Operator, new).await.unwrap();
        }
        emails
    }

    async fn token(&self, service: &Service) -> String {
        service
            .token(&json!({"client_id": self.client.id, "client_secret": self.client.secret}))
            .await
    }
}

/// The status of an answer; none when the process ended before it.
async fn post(base: &str, path: &str, token: &str, body: serde_json::Value) -> Option<u16> {
    let request = reqwest::Client::new()
        .post(format!("{base}{path}"))
        .bearer_auth(token)
        .json(&body);
    request
        .send()
        .await
        .ok()
        .map(|response| response.status().as_u16())
}

/// Runs `end` as soon as `count` has reached `wanted`.
async fn when(count: Arc<AtomicUsize>, wanted: usize, end: impl FnOnce()) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while count.load(Ordering::SeqCst) < wanted {
        assert!(tokio::time::Instant::now() < deadline, "too few answers");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::task::block_in_place(end);
}

both! {
    async fn h15_sigterm_under_load_finishes_what_was_begun_and_loses_no_mail(backend: Backend) {
        let rig = Rig::start(backend).await;
        let emails = rig.users("u", 150).await;
        rig.sink.behave(Behaviour { delay: Duration::from_millis(20), ..Behaviour::default() });
        let mut service = rig.program.serve().await;
        let token = rig.token(&service).await;
        let (base, kept) = (service.base.clone(), Arc::<AtomicUsize>::default());
        let callers = join_all(emails.chunks(25).map(|own| {
            let (base, token, kept) = (&base, &token, Arc::clone(&kept));
            async move {
                let mut acknowledged = Vec::new();
                for email in own {
                    match post(base, "/v1/password/remind", token, json!({"email": email})).await {
                        Some(200) => acknowledged.push(email.clone()),
                        None => break, // nobody listens any more
                        Some(other) => panic!("{other}"),
                    }
                    kept.fetch_add(1, Ordering::SeqCst);
                }
                acknowledged
            }
        }));
        let mut code = None;
        let end = when(Arc::clone(&kept), 12, || code = service.terminate());
        let (acknowledged, ()) = tokio::join!(callers, end);
        assert_eq!(code, Some(0));
        let mut acknowledged: Vec<_> = acknowledged.into_iter().flatten().collect();
        assert!((12..150).contains(&acknowledged.len()), "{}", acknowledged.len());

        let _service = rig.program.serve().await;
        let mails = rig.sink.wait_for(acknowledged.len(), PATIENCE).await;
        let mut to: Vec<_> = mails.into_iter().flat_map(|mail| mail.to).collect();
        // A mail whose call was cut off may have been queued too, but nobody gets two.
        to.sort();
        let all = to.len();
        to.dedup();
        assert_eq!(to.len(), all);
        acknowledged.sort();
        assert!(acknowledged.iter().all(|email| to.contains(email)), "{acknowledged:?} {to:?}");
    }

    async fn d02_kill_9_under_resets_leaves_every_answer_true_and_nothing_half_done(backend: Backend) {
        const PASSWORD: &str = "a new secret";
        let rig = Rig::start(backend).await;
        let mut service = rig.program.serve().await;
        let token = rig.token(&service).await;
        for round in 0..5 {
            let emails = rig.users(&format!("r{round}u"), 6).await;
            let before = rig.sink.received().len();
            for email in &emails {
                let reply = service.post("/v1/password/remind", &token, json!({"email": email})).await;
                assert_eq!(reply.status, 200);
            }
            // Notices of the rounds before may come late.
            let deadline = tokio::time::Instant::now() + PATIENCE;
            let mut links = HashMap::new();
            while links.len() < emails.len() {
                assert!(tokio::time::Instant::now() < deadline, "{links:?}");
                let new = rig.sink.received().split_off(before);
                let new = new.into_iter().filter(|mail| emails.contains(&mail.to[0]));
                links = new.map(|mail| (mail.to[0].clone(), mail.parse().token())).collect();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }

            let (base, answered) = (service.base.clone(), Arc::<AtomicUsize>::default());
            let resets = join_all(links.iter().map(|(email, link)| {
                let (base, token, answered) = (&base, &token, Arc::clone(&answered));
                async move {
                    let body = json!({"email": email, "token": link, "password": PASSWORD});
                    let status = post(base, "/v1/password/reset", token, body).await;
                    answered.fetch_add(1, Ordering::SeqCst);
                    status
                }
            }));
            let end = when(Arc::clone(&answered), round + 1, || service.kill());
            let (statuses, ()) = tokio::join!(resets, end);

            service = rig.program.serve().await;
            let mails = rig.flows.list_mails(None, 1000).await.unwrap();
            for ((email, link), status) in links.iter().zip(statuses) {
                let key = EmailAddress::parse(email).unwrap().key();
                let user = rig.flows.find_user(UserRef::Email(key)).await.unwrap().unwrap();
                let changed = bcrypt::verify(PASSWORD, user.password_hash.unwrap().as_str()).unwrap();
                assert!(status.is_none() || status == Some(200), "{status:?}");
                assert!(changed || status.is_none(), "a lost reset of {email}");
                let checked = service.post("/v1/password/check", &token, json!({"token": link})).await;
                assert_eq!(checked.said() == "400 wrong_token", changed, "{email}: {checked:?}");
                let recipient = Some(user.email.clone());
                let notice = MailKind::PasswordChanged { user_id: user.id, recipient };
                let notices = mails.iter().filter(|report| report.mail.kind == notice).count();
                assert_eq!(notices, usize::from(changed), "{email}");
            }
        }
        if let Some(folder) = rig.database.folder() {
            #[derive(QueryableByName)]
            struct Check {
                #[diesel(sql_type = Text)]
                integrity_check: String,
            }
            let path = folder.join("unforget.db");
            let mut sqlite = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
            let checks: Vec<Check> = sql_query("PRAGMA integrity_check").load(&mut sqlite).unwrap();
            assert_eq!(checks[0].integrity_check, "ok");
        }
    }
}
