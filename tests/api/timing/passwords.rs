//! Whether a refused password tells by its time what stands behind the address (bar F23, F24): a hash of our own cost, of others,
//! none, an account that is switched off, or nobody.

use unforget::domain::{EmailAddress, PasswordHash, User};
use unforget::storage::users;

use super::{Arm, measure, report, request};
use crate::accounts::{CHANGE, FULL_APP, VERIFY, WRONG};
use crate::helpers::{Backend, OLD_PASSWORD, TestApp};

/// Fewer than for the calls that do not hash: each takes tens of milliseconds.
const WARM_UP: usize = 20;
const TIMES: usize = 200;
/// The cost of our own hashes here.
const COST: u32 = 8;

/// What stands behind an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Behind {
    Hash(u32),
    DisabledUser,
    UserWithoutPassword,
    Nobody,
}

const ALL: [Behind; 6] = [
    Behind::Hash(COST),
    Behind::Hash(COST - 2),
    Behind::Hash(COST + 1),
    Behind::DisabledUser,
    Behind::UserWithoutPassword,
    Behind::Nobody,
];

/// Each is asked for once, so that nobody is told to wait.
fn address(arm: usize, number: usize) -> String {
    format!("user{number:05}@arm{arm}.example")
}

/// A service with the users of every arm.
async fn service(backend: Backend) -> TestApp {
    let app = TestApp::start_with(backend, |settings| settings.bcrypt_cost = COST).await;
    let now = app.clock.now();
    for (arm, behind) in ALL.into_iter().enumerate() {
        let cost = match behind {
            Behind::Nobody => continue,
            Behind::UserWithoutPassword => None,
            Behind::DisabledUser => Some(COST),
            Behind::Hash(cost) => Some(cost),
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
        let insert = app.flows.storage.write(move |c| {
            (0..WARM_UP + TIMES).try_for_each(|number| users::insert(c, &user(number)))
        });
        insert.await.unwrap();
    }
    app
}

async fn compare(name: &str, backend: Backend, method: &'static str, path: &'static str) {
    let app = service(backend).await;
    let token = app.token(FULL_APP).await;
    let arms = [0, 1, 2, 3, 4, 5].map(|arm| {
        let ask = |number| {
            let email = address(arm, number);
            // Whoever is switched off is told nothing, even with the right password.
            let old = match ALL[arm] {
                Behind::DisabledUser => OLD_PASSWORD,
                _ => WRONG,
            };
            let (old, new) = match path {
                CHANGE => (("old_password", old), ("password", "a new secret")),
                _ => (("password", old), ("unused", "")),
            };
            let post = request(path, &token, &[("email", &email), old, new]);
            let post = String::from_utf8(post).unwrap();
            vec![post.replacen("POST", method, 1).into_bytes()]
        };
        Arm {
            asks: (0..WARM_UP + TIMES).map(ask).collect(),
            answer: "wrong_credentials",
        }
    });
    let base = app.base.clone();
    let run = tokio::task::spawn_blocking(move || measure(&base, arms, WARM_UP, TIMES));
    let [known, others @ ..] = run.await.unwrap();
    for (behind, other) in ALL[1..].iter().zip(others) {
        let pair = [known.clone(), other];
        let name = format!("{name}, {behind:?}");
        report(&name, &pair);
    }
}

measured! {
    f24_a_wrong_password_takes_the_same_time_whatever_stands_behind_the_address =
        |name, backend| compare(name, backend, "POST", VERIFY);
    f23_so_it_does_when_the_password_is_to_be_changed = |name, backend| compare(name, backend, "PUT", CHANGE);
}
