//! What the functions cost that nearly every request calls, one by one, without a socket or a database: `scripts/bench --micro`.
//!
//! `bcrypt` stands beside them for scale: it is what a password costs.

use std::hint::black_box;

use chrono::TimeDelta;
use divan::Bencher;
use unforget::clock::Clock;
use unforget::domain::audit::{Act, Entry, Origin};
use unforget::domain::{
    AccessToken, ClientId, EmailAddress, Instant, Password, PasswordHash, PlainToken, Scope, Scopes,
};
use unforget::entropy;
use unforget::http::parsers;
use unforget::mail::letter;
use unforget::oauth::KnownToken;
use unforget::oauth::guard::Standing;
use unforget::storage::access_tokens::LiveToken;
use unforget::texts::Language;

fn main() {
    divan::main();
}

fn now() -> Instant {
    Clock::System.now()
}

fn token() -> PlainToken<AccessToken> {
    PlainToken::from_random([7; 32])
}

#[divan::bench]
fn token_is_made() -> PlainToken<AccessToken> {
    PlainToken::from_random(entropy::bytes())
}

#[divan::bench]
fn token_is_read_and_hashed(bencher: Bencher<'_, '_>) {
    let token = token();
    bencher.bench(|| {
        PlainToken::<AccessToken>::parse(black_box(token.expose())).map(|token| token.hashed())
    });
}

#[divan::bench]
fn bearer_is_read(bencher: Bencher<'_, '_>) {
    let field = format!("Bearer {}", token().expose());
    bencher.bench(|| parsers::bearer(black_box(field.as_bytes())));
}

/// `Authorization: Basic` and the form of the token endpoint.
#[divan::bench]
fn token_request_is_read(bencher: Bencher<'_, '_>) {
    const BASIC: &[u8] = b"Basic dWZfY2xfMDEyMzQ1Njc4OWFiY2RlZjp1Zl9jc18wMTIzNDU2Nzg5YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZg==";
    const FORM: &[u8] = b"grant_type=client_credentials&scope=password%3Aremind+password%3Areset";
    bencher.bench(|| parsers::token_request(black_box(BASIC), black_box(FORM)));
}

#[divan::bench]
fn form_is_read() -> Option<Vec<(String, String)>> {
    const FORM: &[u8] = b"email=ann%40example.com&token=uf_rt_0123456789&password=a+good+password";
    parsers::form(black_box(FORM))
}

#[divan::bench]
fn json_is_read() -> bool {
    const JSON: &[u8] =
        br#"{"email": "ann@example.com", "password": "a good password", "locale": "fr-CA"}"#;
    parsers::json(black_box(JSON)).is_some()
}

#[divan::bench]
fn scopes_are_read() -> Option<Scopes> {
    black_box("password:remind password:reset users:read")
        .parse()
        .ok()
}

#[divan::bench]
fn scopes_are_written(bencher: Bencher<'_, '_>) {
    let scopes = Scopes::all();
    bencher.bench(|| black_box(scopes).to_string());
}

#[divan::bench]
fn email_is_read() -> bool {
    EmailAddress::parse(black_box("Ann.Other+tag@Mail.Example.com")).is_ok()
}

#[divan::bench]
fn guard_decides(bencher: Bencher<'_, '_>) {
    let now = now();
    let standing = Standing::proven(KnownToken::new(LiveToken {
        digest: token().hashed(),
        client_id: ClientId::from_random([7; 16]),
        subject: None,
        scopes: [Scope::PasswordRemind, Scope::PasswordReset]
            .into_iter()
            .collect(),
        created_at: now,
        expires_at: now + TimeDelta::hours(1),
        jkt: None,
    }));
    bencher.bench(|| {
        black_box(&standing)
            .require(Scope::PasswordReset)
            .map(|_| ())
    });
}

#[divan::bench]
fn answer_gets_its_headers() -> usize {
    parsers::answer_headers(black_box("0198f1c2-7a00-7000-8000-000000000000"))
}

#[divan::bench]
fn audit_entry_is_made(bencher: Bencher<'_, '_>) {
    let (now, client) = (now(), ClientId::from_random([7; 16]));
    let origin = Origin {
        request_id: Some("0198f1c2-7a00-7000-8000-000000000000".to_owned()),
        address: Some("192.0.2.0/24".to_owned()),
    };
    bencher.bench(|| {
        Entry::new(entropy::id(now), now, Act::TokenIssue, origin.clone()).by_client(&client)
    });
}

#[divan::bench]
fn letter_is_written(bencher: Bencher<'_, '_>) {
    let now = now();
    let id = entropy::id(now);
    let to = EmailAddress::parse("ann@example.com").ok();
    let link = format!("https://app.example.com/reset#token={}", token().expose());
    bencher.bench(|| {
        let (to, link, until) = (to.clone()?, link.clone(), now + TimeDelta::hours(1));
        let words = Language::default();
        Some(letter::reset(id, to, words, "Quotes", link, now, until))
    });
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn bcrypt_at_cost_12(bencher: Bencher<'_, '_>) {
    let password = Password::parse("a good password").ok();
    bencher.bench(|| {
        let password = password.as_ref()?;
        PasswordHash::compute(password, 12, entropy::bytes()).ok()
    });
}
