//! The hashes that we make: which they are, and what they verify.

use base64::Engine;

use super::tests::{password, samples, vectors};
use super::{PasswordHash, Scheme, bcrypt};

#[test]
fn p11_only_what_we_would_make_today_is_current() {
    for text in ["a secret", &"x".repeat(71), &"x".repeat(72)] {
        let hash = |cost| PasswordHash::compute(&password(text), cost, [3; 16]).unwrap();
        assert!(hash(4).is_current(4) && hash(5).is_current(5));
        assert!(!hash(4).is_current(5) && !hash(5).is_current(4));
        assert!(hash(4).verify(&password(text)) && PasswordHash::parse(hash(4).as_str()).is_ok());
    }
    for (maker, _, text) in vectors() {
        let ours = text.starts_with("$2b$") || text.starts_with("$bcrypt-sha256$v=2,");
        assert_eq!(
            PasswordHash::from_stored(text.to_owned()).is_current(4),
            ours,
            "{maker} {text}"
        );
    }
    assert!(!PasswordHash::from_stored("$2b$04$".to_owned()).is_current(4));
}

/// Our own cost may be higher than what is taken over from elsewhere.
#[test]
fn p11_the_highest_cost_of_our_own_verifies() {
    let bcrypt = |cost: &str| samples()[0].replacen("04", cost, 1);
    for (cost, text) in [(15, bcrypt("15")), (16, bcrypt("16"))] {
        let hash = PasswordHash::from_stored(text.clone());
        assert!(hash.is_current(cost) || !text.starts_with("$2b$"));
        assert!(Scheme::read(&text).is_ok() && PasswordHash::parse(&text).is_err());
    }
    assert!(Scheme::read(&bcrypt("17")).is_err());
}

#[test]
fn p04_short_ones_are_plain_bcrypt_and_long_ones_are_not_cut() {
    let hash = |n: usize| PasswordHash::compute(&password(&"x".repeat(n)), 4, [3; 16]).unwrap();
    assert!(hash(71).as_str().starts_with("$2b$04$"));
    assert!(
        hash(72)
            .as_str()
            .starts_with("$bcrypt-sha256$v=2,t=2b,r=4$")
    );
    assert_ne!(hash(72), hash(73));
    for length in [70, 71, 72, 73, 80] {
        let fits: Vec<_> = (60..90)
            .filter(|other| hash(length).verify(&password(&"x".repeat(*other))))
            .collect();
        assert_eq!(fits, [length]);
        assert!(!hash(length).cuts(&password(&"x".repeat(length))));
    }
}

/// Somebody else's bcrypt cut: the whole password signs in, and is to be hashed anew as a whole.
#[test]
fn p04_a_password_that_another_system_cut_verifies_and_is_known_to_be_cut() {
    let cut = ::bcrypt::hash("x".repeat(80), 4).unwrap();
    let hash = PasswordHash::parse(&cut).unwrap();
    for (length, fits) in [(71, false), (72, true), (73, true), (80, true), (81, true)] {
        let text = password(&"x".repeat(length));
        assert_eq!(
            (hash.verify(&text), hash.cuts(&text)),
            (fits, length > 71),
            "{length}"
        );
    }
}

#[test]
fn p03_sixty_four_characters_of_four_bytes_count_to_the_last() {
    let text = "\u{1F511}".repeat(64);
    let hash = PasswordHash::compute(&password(&text), 4, [5; 16]).unwrap();
    assert!(hash.verify(&password(&text)));
    assert!(!hash.verify(&password(&"\u{1F511}".repeat(63))));
    assert!(!hash.verify(&password(&format!("{}x", "\u{1F511}".repeat(63)))));
}

#[test]
fn p06_a_decomposed_password_verifies_against_the_hash_of_the_composed_one() {
    let hash = PasswordHash::compute(&password("p\u{e2}t\u{e9}"), 4, [5; 16]).unwrap();
    assert!(hash.verify(&password("pa\u{302}te\u{301}")));
    assert!(
        !hash.verify(&password("p\u{e2}t\u{e9} ")) && !hash.verify(&password(" p\u{e2}t\u{e9}"))
    );
}

/// Made with passlib 1.7.4: `bcrypt_sha256.using(rounds=4, salt="abcdefghijklmnopqrstuu").hash("x" * 80)`.
#[test]
fn long_passwords_are_hashed_as_passlib_does() {
    let salt = bcrypt::BASE64.decode("abcdefghijklmnopqrstuu").unwrap();
    let hash = PasswordHash::compute(&password(&"x".repeat(80)), 4, salt.try_into().unwrap());
    assert_eq!(
        hash.unwrap().as_str(),
        "$bcrypt-sha256$v=2,t=2b,r=4$abcdefghijklmnopqrstuu$69IQxYBwULUTPeJATVIEN4pbcQ5V17S"
    );
}
