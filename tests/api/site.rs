//! The real binary as processes on one database, and flows of our own beside them, to fill the database and to look into it.

use diesel::sql_types::{BigInt, Text};
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection, sql_query};
use futures_util::future::join_all;
use serde_json::json;
use unforget::clock::Clock;
use unforget::config::Settings;
use unforget::domain::audit::{Entry, first_id};
use unforget::domain::{EmailAddress, Instant, Password, User};
use unforget::flows::clients::NewClient;
use unforget::flows::users::NewUser;
use unforget::flows::{By, Flows};
use unforget::server;
use unforget::storage::audit::{Filter, Order, Range, page};
use unforget::storage::{AnyConnection, StorageError};
use uuid::Uuid;

use crate::assertion::ISSUER;
use crate::helpers::{
    Backend, Database, OLD_PASSWORD, PATIENCE, Program, Service, TestClient, settings,
};
use crate::recovery::user_ref;
use crate::smtp::SmtpSink;

/// A database, a mail server, a program that is configured for both, and our own flows on the same database.
pub(crate) struct Site {
    pub(crate) database: Database,
    pub(crate) sink: SmtpSink,
    pub(crate) program: Program,
    pub(crate) flows: Flows,
    pub(crate) settings: Settings,
}

/// A user of a test.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) id: Uuid,
    pub(crate) email: String,
}

impl Site {
    pub(crate) async fn start(backend: Backend) -> Self {
        Self::on(Database::create(backend)).await
    }

    /// On a database that is there. The processes have the lowest cost of bcrypt that an operator can choose; ours is lower.
    pub(crate) async fn on(database: Database) -> Self {
        let sink = SmtpSink::start().await;
        let program = Program::new(&[
            ("DATABASE_URL", &database.url()),
            ("UNFORGET_PUBLIC_URL", ISSUER),
            ("UNFORGET_MAIL__URL", &sink.url()),
            (
                "UNFORGET_MAIL__FROM",
                "Unforget <no-reply@unforget.example>",
            ),
            ("UNFORGET_MAIL__TIMEOUT", "10s"),
            ("UNFORGET_PASSWORD__BCRYPT_COST", "10"),
            ("UNFORGET_LIMITS__ENABLED", "false"),
        ]);
        let settings = settings(&database.url(), &sink.url());
        let flows = server::flows(&settings, Clock::System).unwrap();
        Self {
            database,
            sink,
            program,
            flows,
            settings,
        }
    }

    /// Users with the old password.
    pub(crate) async fn accounts(&self, prefix: &str, count: usize) -> Vec<Account> {
        join_all((0..count).map(|number| async move {
            let email = format!("{prefix}{number}@example.com");
            let new = NewUser {
                email: EmailAddress::parse(&email).unwrap(),
                password: Some(Ok(Password::parse(OLD_PASSWORD).unwrap().into())),
                password_hash: None,
                locale: None,
                profile: serde_json::Map::new(),
            };
            let id = self.flows.add_user(By::Operator, new).await.unwrap().id;
            Account { id, email }
        }))
        .await
    }

    /// A client with these scopes.
    pub(crate) async fn client(&self, scopes: &str) -> TestClient {
        let new = NewClient::new("Quotes".parse().unwrap(), scopes.parse().unwrap());
        let (client, secret) = self.flows.add_client(By::Operator, new).await.unwrap();
        TestClient {
            id: client.id.to_string(),
            secret: secret.unwrap().expose().to_owned(),
        }
    }

    /// A token of a new client with these scopes.
    pub(crate) async fn token(&self, service: &Service, scopes: &str) -> String {
        let client = self.client(scopes).await;
        let shown = json!({"client_id": client.id, "client_secret": client.secret});
        service.token(&shown).await
    }

    /// A user as stored.
    pub(crate) async fn stored(&self, email: &str) -> Option<User> {
        self.flows.find_user(user_ref(email)).await.unwrap()
    }

    /// Whether this is the user's password. The user must be there.
    pub(crate) async fn password_is(&self, email: &str, password: &str) -> bool {
        let hash = self.stored(email).await.unwrap().password_hash.unwrap();
        let password = password.to_owned();
        let verified =
            tokio::task::spawn_blocking(move || bcrypt::verify(password, hash.as_str()).unwrap());
        verified.await.unwrap()
    }

    /// What clients have done since then.
    pub(crate) async fn audit(&self, since: Instant) -> Vec<Entry> {
        let (mut found, mut rest) = (Vec::new(), None);
        loop {
            let range = rest.unwrap_or(Range {
                after: first_id(since),
                before: Uuid::max(),
            });
            let read = self
                .flows
                .storage
                .read(move |c| page(c, range, &Filter::default(), Order::OldestFirst));
            let page = read.await.unwrap();
            found.extend(page.entries);
            rest = page.rest;
            if rest.is_none() {
                break;
            }
        }
        found.retain(|entry| entry.client_id.is_some());
        found
    }

    /// The one number that a query answers, as `n`.
    pub(crate) async fn count(&self, query: String) -> i64 {
        #[derive(QueryableByName)]
        struct Count {
            #[diesel(sql_type = BigInt)]
            n: i64,
        }
        let read = self.flows.storage.read(move |c| {
            let count: Count = match c {
                AnyConnection::Sqlite(c) => sql_query(query).get_result(c)?,
                AnyConnection::Postgres(c) => sql_query(query).get_result(c)?,
            };
            Ok::<_, StorageError>(count.n)
        });
        read.await.unwrap()
    }

    /// Waits until no mail waits any more.
    pub(crate) async fn quiet(&self) {
        let deadline = tokio::time::Instant::now() + 2 * PATIENCE;
        let waiting = || async {
            self.count("SELECT COUNT(*) AS n FROM mails WHERE due_at IS NOT NULL".to_owned())
                .await
        };
        while waiting().await > 0 {
            assert!(
                tokio::time::Instant::now() < deadline,
                "mails still wait: {:?}",
                self.flows.list_mails(None, 20).await
            );
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Asserts that SQLite's file is sound; PostgreSQL looks after itself.
    pub(crate) fn assert_sound(&self) {
        #[derive(QueryableByName)]
        struct Check {
            #[diesel(sql_type = Text)]
            integrity_check: String,
        }
        if let Some(folder) = self.database.folder() {
            let path = folder.join("unforget.db");
            let mut sqlite = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
            let checks: Vec<Check> = sql_query("PRAGMA integrity_check")
                .load(&mut sqlite)
                .unwrap();
            assert_eq!(checks[0].integrity_check, "ok");
        }
    }
}
