//! Whether a refused password tells by its time what stands behind the address (bar F23, F24): a hash of our own cost, of others,
//! none, an account that is switched off, or nobody.

use unforget::domain::{EmailAddress, PasswordHash, User};
use unforget::storage::users;

use super::rig::{Arm, compare, request};
use super::{Effort, Findings, confirm};
use crate::accounts::{CHANGE, FULL_APP, VERIFY, WRONG};
use crate::helpers::{Backend, OLD_PASSWORD, TestApp};

/// Failures in a row after which the pause outlasts the measurement.
const MANY: i64 = 20;
/// The cost of our own hashes. A refusal takes as long as many of them, so a glance has cheap ones.
fn cost(effort: Effort) -> u32 {
    match effort {
        Effort::Full => 8,
        Effort::Glance => 5,
    }
}

/// What stands behind an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behind {
    OwnHash,
    CheaperHash,
    DearerHash,
    DisabledUser,
    UserWithoutPassword,
    Nobody,
}

const ALL: [Behind; 6] = [
    Behind::OwnHash,
    Behind::CheaperHash,
    Behind::DearerHash,
    Behind::DisabledUser,
    Behind::UserWithoutPassword,
    Behind::Nobody,
];

/// Each is asked for once, so that nobody is told to wait.
fn address(arm: usize, number: usize) -> String {
    format!("user{number:05}@arm{arm}.example")
}

/// Fewer than for the calls that do not hash: each takes tens of milliseconds.
fn counts(effort: Effort) -> (usize, usize) {
    effort.counts((20, 200), (1, 12))
}

/// A service with so many users in every arm.
async fn service(backend: Backend, effort: Effort, count: usize) -> TestApp {
    let own = cost(effort);
    let app = TestApp::start_with(backend, |settings| settings.bcrypt_cost = own).await;
    let now = app.clock.now();
    for (arm, behind) in ALL.into_iter().enumerate() {
        let cost = match behind {
            Behind::Nobody => continue,
            Behind::UserWithoutPassword => None,
            Behind::OwnHash | Behind::DisabledUser => Some(own),
            Behind::CheaperHash => Some((own - 2).max(4)),
            Behind::DearerHash => Some(own + 1),
        };
        let hash = cost.map(|cost| bcrypt::hash(OLD_PASSWORD, cost).unwrap());
        let user = move |number: usize| User {
            id: uuid::Uuid::from_u128(((arm as u128) << 64) + number as u128 + 1),
            email: EmailAddress::parse(&address(arm, number)).unwrap(),
            password_hash: hash.clone().map(PasswordHash::from_stored),
            locale: None,
            profile: serde_json::Map::new(),
            created_at: now,
            password_changed_at: None,
            password_must_change: false,
            disabled_at: (behind == Behind::DisabledUser).then_some(now),
        };
        let insert = app
            .flows
            .storage
            .write(move |c| (0..count).try_for_each(|number| users::insert(c, &user(number))));
        insert.await.unwrap();
    }
    app
}

async fn wrong_passwords(
    backend: Backend,
    effort: Effort,
    method: &'static str,
    path: &'static str,
) -> Findings {
    let (warm_up, times) = counts(effort);
    let app = service(backend, effort, warm_up + times).await;
    let token = app.token(FULL_APP).await;
    let arms = ALL.iter().enumerate().map(|(arm, behind)| {
        // Whoever is switched off is told nothing, even with the right password.
        let old = match behind {
            Behind::DisabledUser => OLD_PASSWORD,
            _ => WRONG,
        };
        let ask = |number| vec![guess(&token, method, path, &address(arm, number), old)];
        Arm::new(
            format!("{behind:?}"),
            "wrong_credentials",
            (0..warm_up + times).map(ask),
        )
    });
    let arms = arms.collect();
    compare(&app, arms, (warm_up, times)).await
}

fn guess(token: &str, method: &str, path: &str, email: &str, old: &str) -> Vec<u8> {
    let (old, new) = match path {
        CHANGE => (("old_password", old), ("password", "a new secret")),
        _ => (("password", old), ("unused", "")),
    };
    let post = request(path, token, &[("email", email), old, new]);
    let post = String::from_utf8(post).unwrap();
    post.replacen("POST", method, 1).into_bytes()
}

/// Addresses at which too many have guessed: nobody is asked for a password any more.
async fn locked_out(backend: Backend, effort: Effort) -> Findings {
    let counts = effort.counts((200, 2000), (5, 40));
    let app = service(backend, effort, 1).await;
    let token = app.token(FULL_APP).await;
    let mut arms = Vec::new();
    for (arm, behind) in ALL.iter().enumerate() {
        let email = address(arm, 0);
        app.let_fail(&email, MANY).await;
        assert_eq!(
            app.verify(&token, &email, WRONG).await.said(),
            "400 wrong_credentials"
        );
        let ask = guess(&token, "POST", VERIFY, &email, OLD_PASSWORD);
        arms.push(Arm::same(
            format!("{behind:?}"),
            "too_many_requests",
            ask,
            counts,
        ));
    }
    compare(&app, arms, counts).await
}

measured! {
    f24_a_wrong_password_takes_the_same_time_whatever_stands_behind_the_address =
        |backend, effort| wrong_passwords(backend, effort, "POST", VERIFY);
    f23_so_it_does_when_the_password_is_to_be_changed =
        |backend, effort| wrong_passwords(backend, effort, "PUT", CHANGE);
    f24_so_it_does_when_too_many_have_guessed_already =
        |backend, effort| locked_out(backend, effort);
}

glanced! {
    f24_a_wrong_password_takes_the_same_time_whatever_stands_behind_the_address
    f24_so_it_does_when_too_many_have_guessed_already
}
