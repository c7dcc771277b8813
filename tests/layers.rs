//! The rules of the house, read off the sources: who may name whom, and which words belong to one place only.
//!
//! Want to break one? Then the tables below are where to argue it.

#[path = "layers/scan.rs"]
mod scan;

use std::{fs, path::Path};

use scan::{Source, first_names, words};

/// Who may name whom: a module is the first name under `src/`. Each may name itself and, but for `domain`, the `LEAVES`.
const MAY_NAME: &[(&str, &str)] = &[
    ("main", "cli"),
    (
        "cli",
        "server doctor config worker http flows oauth hasher breaches mail storage domain",
    ),
    (
        "server",
        "app config descriptors worker http flows oauth hasher breaches mail storage domain",
    ),
    ("doctor", "config hasher breaches mail storage domain"),
    ("http", "app flows oauth hasher storage domain"),
    ("app", "flows oauth hasher mail storage domain"),
    ("worker", "app flows mail storage domain"),
    ("flows", "oauth hasher breaches mail storage domain"),
    ("oauth", "storage domain"),
    ("mail", "domain"),
    ("storage", "domain"),
    ("config", "domain"),
    ("hasher", "domain"),
    ("breaches", "domain"),
    ("telemetry", "domain"),
    ("texts", "domain"),
    ("entropy", "domain"),
    ("clock", ""),
    ("descriptors", ""),
    ("domain", ""),
];
const LEAVES: &str = "clock entropy telemetry texts";
const SAYS_NOTHING: &str = "util utils common types helpers prelude misc";

/// One test for each rule: nothing under `src/` breaks it, and it does find the breach planted beside it.
macro_rules! rules {
    ($($name:ident: $rule:expr, broken by $path:literal $code:literal;)*) => {$(
        #[test]
        fn $name() {
            let planted = ($rule)(&Source::new($path, $code));
            assert_eq!(planted.len(), 1, "the rule must find what was planted: {planted:?}");
            let breaches: Vec<String> = sources().iter().flat_map($rule).collect();
            assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
        }
    )*};
}

rules! {
    a_module_names_only_what_lies_below_it:
        wrong_names, broken by "storage/users.rs" "//! Rows.\nuse crate::http::Error;";
    only_storage_names_diesel:
        only("storage/", "diesel diesel_migrations r2d2 pq_sys libsqlite3_sys"),
        broken by "flows/reset.rs" "fn f() -> diesel::QueryResult<()> {}";
    only_oauth_names_oxide_auth:
        only("oauth/", "oxide_auth"), broken by "http/token.rs" "use oxide_auth::code_grant;";
    only_oauth_checks_signatures:
        only("oauth/", "jsonwebtoken ring::"),
        broken by "domain/jwk.rs" "use ring::signature::ED25519;";
    only_http_and_the_server_name_actix:
        only("http/ server.rs", "actix_web actix_http actix_server actix_service actix_governor"),
        broken by "flows/remind.rs" "use actix_web::web;";
    // A route that is registered elsewhere would not be in the routing table, which the description of the API is made of.
    only_the_table_registers_paths:
        only("http/table.rs", "web::resource web::scope Resource::new Scope::new config.route"),
        broken by "http/mod.rs" "config.service(web::resource(\"/x\"));";
    only_telemetry_names_prometheus:
        only("telemetry/", "prometheus_client"),
        broken by "http/metrics.rs" "use prometheus_client::registry::Registry;";
    only_telemetry_names_the_collectors_libraries:
        only("telemetry/", "opentelemetry opentelemetry_sdk opentelemetry_otlp tracing_opentelemetry hyper_util hyper_rustls"),
        broken by "http/edge.rs" "use opentelemetry::Context;";
    only_mail_names_lettre:
        only("mail/", "lettre"), broken by "domain/email.rs" "use lettre::Address;";
    only_the_clock_reads_the_time:
        only("clock.rs", "Utc::now Local::now SystemTime::now Instant::now"),
        broken by "flows/check.rs" "let now = chrono::Utc::now();";
    only_entropy_makes_random_values:
        only("entropy.rs", "rand:: rand_core getrandom now_v4 now_v7 Uuid::new_v4 Uuid::new_v7"),
        broken by "storage/users.rs" "Uuid::now_v7()";
    only_the_command_line_prints:
        only("cli/ main.rs", "println! print! eprintln! eprint!"),
        broken by "worker.rs" "fn f() { println!(\"sent\"); }";
    no_code_is_unsafe: only("", "unsafe"), broken by "hasher.rs" "fn f() { unsafe { g() } }";
    no_lint_is_allowed: only("", "[allow("), broken by "app.rs" "#[allow(dead_code)] fn f() {}";
    no_code_is_left_out:
        only("", "todo! unimplemented!"), broken by "cli/user.rs" "fn f() { todo!() }";
    nothing_is_left_for_later: unfinished, broken by "texts/mod.rs" "// TODO: Spanish";
    every_file_begins_with_its_duty: without_duty, broken by "app.rs" "use crate::clock;\n//! No.";
    no_file_has_a_name_that_says_nothing:
        nameless, broken by "http/helpers.rs" "//! Help.";
}

#[test]
fn every_way_to_name_a_module_is_seen() {
    let planted = [
        ("domain/user.rs", "use crate::clock::Clock;"),
        (
            "mail/smtp.rs",
            "use crate::{\n    domain::{Email, a::{b, c}},\n    storage,\n};",
        ),
        (
            "storage/users.rs",
            "fn f() -> super::super::flows::Outcome {}",
        ),
        ("storage/mod.rs", "use super::mail::Mailer;"),
        ("main.rs", "fn main() { unforget::server::run() }"),
        (
            "flows/reset.rs",
            "/* fine */ type A<'a> = &'a crate::app::App; // \"",
        ),
        (
            "flows/reset.rs",
            "let quote = '\"'; crate::http::f(\"\\\"\");",
        ),
        ("brand_new.rs", "//! A module without a row."),
    ];
    for (path, code) in planted {
        let found = wrong_names(&Source::new(path, code));
        assert_eq!(found.len(), 1, "{path}: {code}: {found:?}");
    }
}

#[test]
fn other_words_and_comments_and_strings_are_left_alone() {
    let fine = "//! Speaks of crate::http and of diesel::Connection.\nuse super::*;\nuse crate::domain::mail;\n\
        use super::user::User;\n/* lettre */ fn f<'a>(operand::X: &'a str) { g(\"println! \\\" rand::\") }\n\
        #![forbid(unsafe_code)]\nlet s = r#\"an \"unsafe\" crate::server\"#; // todo!\n\
        let my_lettre = diesel_like(b'\"', '\\''); writeln!(f, \"x\"); mod mail;\nuse super::mail::Kind;";
    let source = Source::new("domain/mod.rs", fine);
    let words = "diesel lettre unsafe println! print! rand:: todo!";
    let found = [
        wrong_names(&source),
        only("", words)(&source),
        unfinished(&source),
    ];
    assert_eq!(found.concat(), Vec::<String>::new());
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut sources, mut folders) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let name = path.strip_prefix(&root).unwrap_or(&path).to_string_lossy();
                let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
                sources.push(Source::new(&name.replace('\\', "/"), &text));
            }
        }
    }
    assert!(!sources.is_empty(), "no sources in {}", root.display());
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn wrong_names(source: &Source) -> Vec<String> {
    let own = source.modules()[0];
    if own == "lib" {
        return Vec::new(); // It is the list of all modules.
    }
    let Some((_, allowed)) = MAY_NAME.iter().find(|(module, _)| *module == own) else {
        return vec![source.at(0, "a new module needs its row in tests/layers.rs")];
    };
    let leaves = if own == "domain" { "" } else { LEAVES };
    let fine = |name: &str| name == own || lists(allowed, name) || lists(leaves, name);
    let known = |name: &str| MAY_NAME.iter().any(|(module, _)| *module == name);
    let mut wrong = roots(source);
    wrong.retain(|(_, name)| known(name) && !fine(name));
    let breach = |(at, name)| source.at(at, &format!("{own} must not name {name}"));
    wrong.into_iter().map(breach).collect()
}

/// Every name right under the crate's root that the file mentions, by `crate::`, the crate's name or `super::`.
fn roots(source: &Source) -> Vec<(usize, String)> {
    let up = "super::".repeat(source.modules().len());
    let mut found = Vec::new();
    for root in ["crate::", "unforget::", up.as_str()] {
        let heads = words(&source.code, root).filter(|at| !source.code[..*at].ends_with("::"));
        for at in heads {
            let names = first_names(&source.code[at + root.len()..]).into_iter();
            // In an inline `mod tests`, `super` is this file, so its own children are not the crate's.
            let child = |name: &str| root == up && source.code.contains(&format!("mod {name};"));
            found.extend(names.filter(|name| !child(name)).map(|name| (at, name)));
        }
    }
    found
}

/// The rule that only these places (folders end with a slash) say these words.
fn only(places: &'static str, vocabulary: &'static str) -> impl Fn(&Source) -> Vec<String> {
    move |source| {
        let is_here = |place: &str| match place.ends_with('/') {
            true => source.path.starts_with(place),
            false => source.path == place,
        };
        if places.split_whitespace().any(is_here) {
            return Vec::new();
        }
        let mut breaches = Vec::new();
        for word in vocabulary.split_whitespace() {
            let what = format!(
                "`{word}` may stand in: {}",
                if places.is_empty() { "no file" } else { places }
            );
            breaches.extend(words(&source.code, word).map(|at| source.at(at, &what)));
        }
        breaches
    }
}

fn unfinished(source: &Source) -> Vec<String> {
    let found = ["TODO", "FIXME"]
        .into_iter()
        .flat_map(|mark| words(&source.text, mark));
    found
        .map(|at| source.at(at, "finish it, or file it"))
        .collect()
}

fn without_duty(source: &Source) -> Vec<String> {
    let missing = !source.text.starts_with("//! ");
    let breach = missing.then(|| source.at(0, "begin with `//!` and the module's duty"));
    breach.into_iter().collect()
}

fn nameless(source: &Source) -> Vec<String> {
    let mut names = source.modules().into_iter();
    let bad = names.find(|name| lists(SAYS_NOTHING, name));
    bad.map(|name| source.at(0, &format!("`{name}` says nothing")))
        .into_iter()
        .collect()
}

fn lists(list: &str, word: &str) -> bool {
    list.split_whitespace().any(|listed| listed == word)
}
