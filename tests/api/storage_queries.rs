//! Every query that a call or the worker makes finds its rows by an index (D10): asked of the databases' own planners.

mod plans;

use chrono::TimeDelta;
use unforget::domain::audit::{Act, Entry, Origin};
use unforget::domain::guessing::Guesses;
use unforget::domain::mail::{Mail, MailKind, MailState};
use unforget::domain::{Client, ClientId, EmailAddress, HashedToken, Instant, PasswordHash, User};
use unforget::storage::access_tokens::NewAccessToken;
use unforget::storage::audit::{Filter, Order, Range};
use unforget::storage::mails::Outcome;
use unforget::storage::reset_tokens::NewResetToken;
use unforget::storage::{AnyConnection, StorageError};
use unforget::storage::{
    access_tokens, audit, client_secrets, clients, guesses, jtis, limits, mails, reset_tokens,
    users,
};
use uuid::Uuid;

use self::plans::plans;
use crate::both;
use crate::helpers::{APP, Backend};

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
    let (later, far) = (now + TimeDelta::days(30), now + TimeDelta::days(100_000));
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
    client_secrets::purge(c, now)?;
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
    access_tokens::delete_own(c, &HashedToken::of("y"), client)?;
    access_tokens::delete_of_client(c, client, now - TimeDelta::hours(1), 10)?;
    let ends = clients::first_ends(c, None, 1)?;
    assert_eq!((ends.len(), ends[0].0.as_str()), (1, "c1"));
    assert!(ends[0].1 > Some(later));
    let clients_of_one = [client.clone()];
    assert_eq!(access_tokens::purge(c, &clients_of_one, later, 10)?, 1);
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
    mails::count_queued(c)?;
    mails::find(c, id)?;
    mails::retry(c, id, now)?;
    mails::pull_back(c, far, now, 10)?;
    assert_eq!(mails::purge(c, MailState::Sent, later, later, 10)?, 1);
    users::delete(c, id)?;
    clients::delete(c, client)?;
    assert!(jtis::spend(c, [7; 32], now)?);
    assert_eq!(jtis::purge(c, later, 10)?, 1);
    let spent = limits::Spent {
        digest: [7; 32],
        bucket: "api",
        since: now,
        cost: TimeDelta::minutes(1),
    };
    limits::add(c, vec![spent], now)?;
    limits::changed(c, (now, [0; 32]), now, 10)?;
    assert_eq!(limits::purge(c, later, 10)?, 1);
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

both! {
    async fn d10_every_query_of_a_call_or_of_the_worker_uses_an_index(backend: Backend) {
        let plans = plans(backend, hot_queries);
        assert!(plans.len() > 60, "{plans:#?}");
        for (statement, steps) in plans {
            for step in steps {
                // To be counted, all mails that wait are read, and no others: they have an index to themselves.
                let all = step.starts_with("SCAN") && !step.ends_with("USING COVERING INDEX mails_due_at");
                assert!(!all && !step.contains("Seq Scan"), "{statement}: {step}");
            }
        }
    }
}

/// Whatever the number of a client's secrets: the index leads to the one that was sent.
#[test]
fn o18_a_secret_is_found_by_its_digest_in_one_look_up() {
    let plans = plans(Backend::Sqlite, |c| {
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
