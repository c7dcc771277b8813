//! Every query that a call or the worker makes finds its rows by an index (D10): asked of SQLite's own planner.

use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use diesel::connection::{Instrumentation, InstrumentationEvent};
use diesel::{Connection, QueryableByName, RunQueryDsl, sql_query};
use unforget::domain::audit::{Act, Entry, Origin};
use unforget::domain::guessing::Guesses;
use unforget::domain::mail::{Mail, MailKind, MailState};
use unforget::domain::{Client, ClientId, EmailAddress, HashedToken, Instant, PasswordHash, User};
use unforget::storage::access_tokens::NewAccessToken;
use unforget::storage::audit::{Filter, Order, Range};
use unforget::storage::mails::Outcome;
use unforget::storage::reset_tokens::NewResetToken;
use unforget::storage::{AnyConnection, Schema, Storage, StorageError};
use unforget::storage::{
    access_tokens, audit, client_secrets, clients, guesses, mails, reset_tokens, users,
};
use uuid::Uuid;

use crate::helpers::{APP, Backend, Database};

/// Notes each statement that a connection runs.
struct Notes(Arc<Mutex<Vec<String>>>);

impl Instrumentation for Notes {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let text = query.to_string();
            let (statement, _binds) = text.split_once("-- binds").unwrap_or((&text, ""));
            self.0.lock().unwrap().push(statement.trim().to_owned());
        }
    }
}

/// One row of each kind, from `now` on, and two links.
fn fill(
    c: &mut AnyConnection,
    client: &Client,
    user: &User,
    mail: &Mail,
) -> Result<(), StorageError> {
    let (now, later) = (mail.created_at, mail.expires_at);
    clients::insert(c, client)?;
    users::insert(c, user)?;
    mails::insert(c, mail)?;
    let access = NewAccessToken {
        digest: HashedToken::of("x"),
        client_id: client.id.clone(),
        subject: None,
        scopes: client.scopes,
        created_at: now,
        expires_at: later,
        jkt: None,
    };
    access_tokens::insert(c, &access)?;
    link(c, mail, user.id, "x")?;
    link(c, mail, user.id, "y")
}

fn link(c: &mut AnyConnection, mail: &Mail, user_id: Uuid, text: &str) -> Result<(), StorageError> {
    let link = NewResetToken {
        digest: HashedToken::of(text),
        user_id,
        mail_id: mail.id,
        requested_at: mail.created_at,
        expires_at: mail.expires_at,
    };
    reset_tokens::insert(c, &link)
}

/// What every call and the worker ask of the database. The rows make lists of ids that are not empty.
fn hot_queries(c: &mut AnyConnection) -> Result<(), StorageError> {
    let (id, now) = (Uuid::nil(), Instant::UNIX_EPOCH);
    let later = now + TimeDelta::days(30);
    let email = EmailAddress::parse("ann@example.com").unwrap();
    let key = email.key();
    let (name, scopes) = ("Quotes".parse().unwrap(), APP.parse().unwrap());
    let client = Client::new(ClientId::new("uf_cl_x"), name, scopes, now);
    let user = User {
        id,
        email,
        password_hash: None,
        locale: None,
        profile: serde_json::Map::new(),
        created_at: now,
        password_changed_at: None,
        password_must_change: false,
        disabled_at: None,
    };
    let mail = Mail {
        id,
        kind: MailKind::Reset {
            address_key: key.as_str().to_owned(),
        },
        client_id: None,
        locale: None,
        created_at: now,
        expires_at: now + TimeDelta::hours(1),
        attempts: 0,
    };
    fill(c, &client, &user, &mail)?;
    let client = &client.id;
    clients::find(c, client)?;
    clients::authenticate(c, client, &HashedToken::of("x"), now)?;
    client_secrets::note_use(c, client, &HashedToken::of("x"), now)?;
    users::find(c, id)?;
    users::find_by_email(c, &key)?;
    users::page(c, None, 10)?;
    let hash = PasswordHash::from_stored("x".to_owned());
    users::set_password(c, id, &hash, false, now)?;
    users::set_chosen_password(c, id, &hash, now)?;
    users::replace_hash(c, id, &hash)?;
    users::lock_with(c, id, Some(&key))?;
    users::update(c, &user)?;
    let guessed = Guesses::admit(None, now).unwrap();
    guesses::store(c, key.as_str(), now, &guessed)?;
    assert_eq!(guesses::find(c, key.as_str())?, Some(guessed));
    guesses::forget(c, key.as_str())?;
    guesses::store(c, key.as_str(), now, &guessed)?;
    assert_eq!(guesses::purge(c, later, 10)?, 1);
    access_tokens::find_live(c, &HashedToken::of("x"), now)?;
    access_tokens::delete_of_user(c, id)?;
    assert_eq!(access_tokens::purge(c, client, later, 10)?, 1);
    reset_tokens::find_live(c, &HashedToken::of("x"), now)?;
    reset_tokens::find_live_client(c, &HashedToken::of("x"), now)?;
    assert!(reset_tokens::consume(c, &HashedToken::of("x"), now)?);
    reset_tokens::delete_unused(c, id)?;
    reset_tokens::delete(c, &HashedToken::of("y"))?;
    assert_eq!(reset_tokens::purge(c, later, 10)?, 1);
    link(c, &mail, id, "z")?;
    reset_tokens::keep_newest(c, id, 0)?;
    assert_eq!(
        mails::queued_since(c, &key, now - TimeDelta::hours(1))?,
        [now]
    );
    assert_eq!(mails::claim(c, later, id, later, 8)?.0.len(), 1);
    assert!(mails::is_leased(c, id, id)?);
    mails::cancel_resets(c, "bob@example.com", now)?;
    assert!(mails::record(
        c,
        id,
        id,
        &Outcome::Finished(MailState::Sent, None),
        now
    )?);
    assert_eq!(mails::purge(c, later, later, later, 10)?, 1);
    users::delete(c, id)?;
    let entry = Entry::new(id, now, Act::UserDelete, Origin::default());
    audit::record(c, &entry.to_user(id))?;
    let all = Range {
        after: id,
        before: Uuid::max(),
    };
    let of_user = Filter {
        user: Some(id),
        ..Filter::default()
    };
    for order in [Order::OldestFirst, Order::NewestFirst] {
        audit::page(c, all, &Filter::default(), order)?;
        audit::page(c, all, &of_user, order)?;
    }
    assert_eq!(audit::purge(c, later, 10)?, 1);
    Ok(())
}

/// What SQLite says it would do for each statement that runs in `work`.
fn plans(
    work: impl FnOnce(&mut AnyConnection) -> Result<(), StorageError>,
) -> Vec<(String, Vec<String>)> {
    #[derive(QueryableByName)]
    struct Plan {
        #[diesel(sql_type = diesel::sql_types::Text)]
        detail: String,
    }
    let database = Database::create(Backend::Sqlite);
    let url = database.url().parse().unwrap();
    let _open = Storage::open(&url, 1, Schema::Migrate).unwrap();
    let mut c = AnyConnection::open(&url).unwrap();
    let notes = Arc::<Mutex<Vec<String>>>::default();
    c.set_instrumentation(Notes(Arc::clone(&notes)));
    work(&mut c).unwrap();
    let AnyConnection::Sqlite(mut sqlite) = c else {
        panic!("not SQLite");
    };
    let statements = std::mem::take(&mut *notes.lock().unwrap());
    // An empty list of ids becomes a condition that no row meets: SQLite reads none.
    let statements = statements.into_iter().filter(|s| !s.contains("(1=0)"));
    let plan = |statement: String| {
        let explain = format!("EXPLAIN QUERY PLAN {statement}");
        let plan: Vec<Plan> = sql_query(&explain).load(&mut sqlite).unwrap();
        (
            statement,
            plan.into_iter().map(|step| step.detail).collect(),
        )
    };
    statements.map(plan).collect()
}

#[test]
fn d10_every_query_of_a_call_or_of_the_worker_uses_an_index() {
    let plans = plans(hot_queries);
    assert!(plans.len() > 20, "{plans:#?}");
    for (statement, steps) in plans {
        for step in steps {
            assert!(!step.starts_with("SCAN"), "{statement}: {step}");
        }
    }
}

/// Whatever the number of a client's secrets: the index leads to the one that was sent.
#[test]
fn o18_a_secret_is_found_by_its_digest_in_one_look_up() {
    let plans = plans(|c| {
        let (now, id) = (Instant::UNIX_EPOCH, ClientId::new("uf_cl_x"));
        clients::authenticate(c, &id, &HashedToken::of("x"), now)?;
        client_secrets::note_use(c, &id, &HashedToken::of("x"), now)
    });
    let of_secrets = |(statement, _): &(String, _)| statement.contains("client_secrets");
    let plans: Vec<_> = plans.into_iter().filter(of_secrets).collect();
    assert_eq!(plans.len(), 2, "{plans:#?}");
    let index =
        "client_secrets USING INDEX client_secrets_client_id_digest (client_id=? AND digest=?)";
    for (statement, steps) in plans {
        assert!(
            steps.iter().any(|step| step.ends_with(index)),
            "{statement}: {steps:?}"
        );
    }
}
