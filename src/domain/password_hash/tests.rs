//! Hashes that passlib, Django, PHP and the like have made, whole and damaged.

use super::*;
use crate::domain::Password;

pub(super) fn password(text: &str) -> Password {
    Password::parse(text).unwrap()
}

/// Maker, password, hash.
pub(super) fn vectors() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let lines = include_str!("vectors.txt").lines().skip(1);
    lines.map(|line| {
        let [maker, password, hash] = parts(line, '\t').unwrap();
        (maker, password, hash)
    })
}

fn verifies(hash: &str, text: &str) -> bool {
    PasswordHash::from_stored(hash.to_owned()).verify(&password(text))
}

#[test]
fn hashes_from_elsewhere_verify_the_password_they_were_made_of_and_no_other() {
    for (maker, text, hash) in vectors() {
        assert_eq!(
            PasswordHash::parse(hash).map(|h| h.as_str() == hash),
            Ok(true),
            "{hash}"
        );
        assert!(verifies(hash, text), "{maker}: {text:?} {hash}");
        let others = [
            format!("{text} "),
            format!("x{text}"),
            text.to_uppercase(),
            text.chars().skip(1).collect(),
            format!("{text}\u{301}"),
        ];
        for other in others.iter().filter(|other| *other != text) {
            let plain = hash.starts_with("$2") || hash.starts_with("bcrypt$");
            let cut = plain && text.len() > 72;
            let same_start = text.as_bytes().get(..72) == other.as_bytes().get(..72);
            assert_eq!(
                verifies(hash, other),
                cut && same_start,
                "{maker}: {other:?} {hash}"
            );
        }
    }
}

#[test]
fn every_maker_and_every_beginning_has_its_vectors() {
    for maker in ["passlib", "django", "php", "wordpress", "argon2-cffi"] {
        assert!(
            vectors().filter(|(by, ..)| *by == maker).count() >= 5,
            "{maker}"
        );
    }
    for (beginning, _) in BEGINNINGS
        .iter()
        .filter(|(beginning, _)| *beginning != "argon2$argon2i$")
    {
        assert!(
            vectors().any(|(.., hash)| hash.starts_with(beginning)),
            "{beginning}"
        );
    }
    for version in ["$2a$", "$2b$", "$2x$", "$2y$"] {
        assert!(
            vectors().any(|(_, text, hash)| hash.starts_with(version) && !text.is_ascii()),
            "{version}"
        );
    }
}

/// What bcrypt of old did wrong for characters beyond ASCII is done wrong here too, and only for `$2x$`.
#[test]
fn sign_extension_is_kept_to_2x() {
    let text = "pâté ☃ 正確";
    let (.., hash) = vectors()
        .find(|v| v.1 == text && v.2.starts_with("$2x$"))
        .unwrap();
    assert!(!verifies(&hash.replace("$2x$", "$2y$"), text));
    let (.., hash) = vectors()
        .find(|v| v.1 == text && v.2.starts_with("$2y$"))
        .unwrap();
    assert!(!verifies(&hash.replace("$2y$", "$2x$"), text));
}

/// One vector for each beginning, of an ordinary password.
pub(super) fn samples() -> Vec<&'static str> {
    let of = |beginning: &str| {
        vectors().find(|(_, text, hash)| *text == "correct horse" && hash.starts_with(beginning))
    };
    BEGINNINGS
        .iter()
        .filter_map(|(beginning, _)| of(beginning))
        .map(|v| v.2)
        .collect()
}

#[test]
fn no_damaged_hash_verifies_or_panics() {
    // One and the same for ASCII.
    let twins = ["$2a$", "$2b$", "$2x$", "$2y$", "$P$", "$H$", "2a,", "2b,"];
    for hash in samples() {
        for end in 0..hash.len() {
            let cut = &hash[..end];
            // Argon2 may have digests of several lengths; the length is part of what is hashed.
            let read = PasswordHash::parse(cut).is_ok() && !hash.contains("argon2");
            assert!(!read && !verifies(cut, "correct horse"), "{cut}");
        }
        for at in 0..hash.len() {
            let neighbour = char::from(hash.as_bytes()[at] ^ 1);
            for new in [neighbour, '$', 'A', '\0', 'é'] {
                let changed = format!("{}{new}{}", &hash[..at], &hash[at + 1..]);
                let cost = Scheme::read(&changed)
                    .ok()
                    .and_then(|scheme| scheme.bcrypt_cost());
                let twin = twins.iter().any(|twin| {
                    twins
                        .iter()
                        .any(|other| hash.replacen(twin, other, 1) == changed)
                });
                let slow = cost.is_some_and(|cost| cost > 8);
                if changed == hash || twin || slow {
                    continue;
                }
                assert!(!verifies(&changed, "correct horse"), "{changed}");
            }
            let longer = format!("{}{}", &hash[..at], &hash.repeat(20));
            assert!(!verifies(&longer, "correct horse"));
        }
    }
}

#[test]
fn what_costs_too_much_is_refused_and_what_people_use_is_not() {
    let fill = |hash: &str| {
        hash.replace("SALT", "c2FsdHNhbHRzYWx0")
            .replace("SUM32", &format!("{}A", "A".repeat(42)))
    };
    let bcrypt = |cost: &str| {
        vectors()
            .find(|v| v.2.starts_with("$2b$"))
            .unwrap()
            .2
            .replacen("04", cost, 1)
    };
    let phpass = |cost: &str| {
        samples()
            .into_iter()
            .find(|h| h.starts_with("$P$"))
            .unwrap()
            .replacen("$P$5", &format!("$P${cost}"), 1)
    };
    let sum64 = format!("{}==", "A".repeat(86));
    for fine in [
        bcrypt("10"),
        bcrypt("14"),
        phpass("B"),
        phpass("E"),
        fill("$argon2id$v=19$m=65536,t=4,p=1$SALT$SUM32"), // PHP
        fill("$argon2id$v=19$m=65536,t=3,p=4$SALT$SUM32"), // argon2-cffi
        fill("argon2$argon2id$v=19$m=102400,t=2,p=8$SALT$SUM32"), // Django
        fill("$argon2id$v=19$m=262144,t=4,p=1$SALT$SUM32"),
        fill("$argon2id$v=19$m=65536,t=4,p=64$SALT$SUM32"),
        fill("pbkdf2_sha256$1500000$salt$SUM32="),
        fill("$scrypt$ln=16,r=8,p=1$SALT$SUM32"),
        fill("$scrypt$ln=18,r=8,p=1$SALT$SUM32"),
        format!("scrypt$16384$salt$8$5${sum64}"),
    ] {
        assert_eq!(PasswordHash::parse(&fine).err(), None, "{fine}");
    }
    for costly in [
        bcrypt("15"),
        bcrypt("31"),
        phpass("F"),
        phpass("S"),
        fill("$argon2id$v=19$m=262145,t=1,p=1$SALT$SUM32"),
        fill("$argon2id$v=19$m=262144,t=5,p=1$SALT$SUM32"),
        fill("$argon2id$v=19$m=65536,t=1,p=65$SALT$SUM32"),
        fill("$argon2i$v=19$m=4294967295,t=4294967295,p=1$SALT$SUM32"),
        fill("$argon2i$v=19$m=64,t=99999999999999999999,p=1$SALT$SUM32"),
        fill("pbkdf2_sha256$4000001$salt$SUM32="),
        fill("pbkdf2_sha256$99999999999$salt$SUM32="),
        fill("$scrypt$ln=19,r=8,p=1$SALT$SUM32"),
        fill("$scrypt$ln=18,r=8,p=2$SALT$SUM32"),
        fill("$scrypt$ln=4294967295,r=4294967295,p=4294967295$SALT$SUM32"),
        fill("$scrypt$ln=1,r=4294967295,p=4294967295$SALT$SUM32"),
        format!("scrypt$9223372036854775808$salt$8$5${sum64}"),
    ] {
        assert_eq!(
            PasswordHash::parse(&costly).err(),
            Some(UnusableHash::TooCostly),
            "{costly}"
        );
    }
}

#[test]
fn what_is_no_hash_is_refused_without_repeating_it() {
    let long = format!("pbkdf2_sha256$1000${}$AAAA", "x".repeat(600));
    for (text, reason) in [
        ("", UnusableHash::Unknown),
        ("hunter2", UnusableHash::Unknown),
        ("$", UnusableHash::Unknown),
        ("$1$salt$qJH7.N4xYta3aEG/dfqo/0", UnusableHash::Unknown), // MD5 of Unix
        ("5f4dcc3b5aa765d61d8327deb882cf99", UnusableHash::Unknown),
        (
            "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99",
            UnusableHash::Unknown,
        ),
        (
            "$argon2d$v=19$m=64,t=2,p=1$c2FsdHNhbHQ$AAAA",
            UnusableHash::Unknown,
        ),
        (
            "$2c$04$CRe2CdgsfAOxwq/hkvUtaO7.9QM4P3ACZS9.qIaMXIB1KCwMTCh9C",
            UnusableHash::Malformed,
        ),
        (
            "$2b$4$CRe2CdgsfAOxwq/hkvUtaO7.9QM4P3ACZS9.qIaMXIB1KCwMTCh9C",
            UnusableHash::Malformed,
        ),
        (
            "$2b$03$CRe2CdgsfAOxwq/hkvUtaO7.9QM4P3ACZS9.qIaMXIB1KCwMTCh9C",
            UnusableHash::Malformed,
        ),
        (
            "$2b$32$CRe2CdgsfAOxwq/hkvUtaO7.9QM4P3ACZS9.qIaMXIB1KCwMTCh9C",
            UnusableHash::Malformed,
        ),
        (
            "$2b$04$CRe2CdgsfAOxwq/hkvUtaO7.9QM4P3ACZS9.qIaMXIB1KCwMTCh9C\n",
            UnusableHash::Malformed,
        ),
        ("pbkdf2_sha256$0$salt$AAAA", UnusableHash::Malformed),
        ("pbkdf2_sha256$+1$salt$AAAA", UnusableHash::Malformed),
        ("pbkdf2_sha256$1000$salt$AAAA", UnusableHash::Malformed),
        (
            "$argon2id$v=19$m=1,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            UnusableHash::Malformed,
        ),
        (
            "$argon2id$v=19$m=64,t=0,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAA",
            UnusableHash::Malformed,
        ),
        (
            "$scrypt$ln=0,r=0,p=0$c2FsdHNhbHQ$AAAA",
            UnusableHash::Malformed,
        ),
        (&long, UnusableHash::Malformed),
    ] {
        assert_eq!(PasswordHash::parse(text).err(), Some(reason), "{text}");
        assert!(!verifies(text, "correct horse"), "{text}");
        let said = format!("{reason} {}", reason.name());
        assert!(text.len() < 5 || !said.contains(text), "{said}");
    }
}
