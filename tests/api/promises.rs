//! The documents that promise keep their word: every test that they name exists, every starred row of the bar has a test of its own and a
//! guard that can be taken away to see that test fail (`scripts/guards`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// How many rows the bar has.
const ROWS: usize = 144;

#[derive(Deserialize)]
struct Guards {
    guard: Vec<Guard>,
    #[serde(default)]
    structural: Vec<Structural>,
}

/// A place in the sources, without which a test fails.
#[derive(Deserialize)]
struct Guard {
    row: String,
    file: String,
    find: String,
    replace: String,
    #[serde(default)]
    also: Vec<Edit>,
    test: String,
}

#[derive(Deserialize)]
struct Edit {
    file: Option<String>,
    find: String,
    replace: String,
}

/// A row that no line guards.
#[derive(Deserialize)]
struct Structural {
    row: String,
    why: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn files(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, all);
        } else if path.extension().is_some_and(|e| e == "rs" || e == "py") {
            all.push(path);
        }
    }
}

/// Every test, as `file::name`: Rust's from `tests/api` and `src`, Python's from its own folders.
fn tests() -> BTreeSet<String> {
    let mut all = Vec::new();
    for folder in ["tests/api", "tests/foreign", "tests/browser", "src"] {
        files(&root().join(folder), &mut all);
    }
    all.push(root().join("tests/layers.rs"));
    let mut names = BTreeSet::new();
    for path in all {
        let text = fs::read_to_string(&path).unwrap();
        let relative = path.strip_prefix(root()).unwrap();
        let relative = relative.strip_prefix("tests").unwrap_or(relative);
        let relative = relative.strip_prefix("api").unwrap_or(relative);
        let module = relative.with_extension("").display().to_string();
        let module = module.trim_end_matches("/mod").replace('/', "::");
        let words: Vec<_> = text
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .collect();
        for pair in words
            .windows(2)
            .filter(|pair| ["fn", "def"].contains(&pair[0]))
        {
            names.insert(format!("{module}::{}", pair[1]));
        }
        // Tests that a macro makes are named before a colon or an equals sign.
        for line in text.lines().map(str::trim) {
            let name = line.split_once(" =").or(line.split_once(':'));
            if let Some((name, _)) = name {
                names.insert(format!("{module}::{name}"));
            }
        }
    }
    names
}

/// What stands between backticks and names a test; a star at its end means all that begin so.
fn named(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|word| word.contains("::") && !word.contains(['(', ' ', '<']))
}

/// The rows of the table in docs/bar.md, by their ids, with whether they have a star.
fn rows() -> BTreeMap<String, (bool, String)> {
    let text = read("docs/bar.md");
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = line.split(" | ").collect();
        let id = cells[0].trim_start_matches("| ");
        let starred = id.ends_with('★');
        let id = id.trim_end_matches(" ★");
        if id.len() == 3 && id[1..].parse::<u8>().is_ok() {
            let twice = rows.insert(id.to_owned(), (starred, line.to_owned()));
            assert!(twice.is_none(), "{id} is there twice");
        }
    }
    rows
}

#[test]
fn every_test_that_the_documents_name_exists() {
    let tests = tests();
    for document in ["docs/bar.md", "docs/security.md"] {
        let text = read(document);
        let mut count = 0;
        for name in named(&text) {
            let found = match name.strip_suffix('*') {
                Some(start) => tests.iter().any(|test| test.starts_with(start)),
                None => tests.contains(name),
            };
            assert!(found, "{document} names `{name}`, which does not exist");
            count += 1;
        }
        assert!(count > 10, "{document} names {count} tests");
    }
}

#[test]
fn every_row_of_the_bar_has_its_line() {
    let rows = rows();
    assert_eq!(rows.len(), ROWS, "{:?}", rows.keys());
    for (id, (starred, line)) in &rows {
        let own = format!("{}_", id.to_lowercase());
        let mut tests = named(line);
        if *starred {
            assert!(
                tests.any(|test| test.contains(&own)),
                "{id} ★ has no test that is named for it"
            );
        }
        assert!(
            line.split(" | ")
                .nth(2)
                .is_some_and(|proof| proof.trim().len() > 5),
            "{id} says nothing"
        );
    }
}

#[test]
fn every_starred_row_has_a_guard_that_can_be_taken_away() {
    let guards: Guards = toml::from_str(&read("tests/guards.toml")).unwrap();
    let tests = tests();
    let mut guarded = BTreeSet::new();
    for guard in &guards.guard {
        let first = Edit {
            file: None,
            find: guard.find.clone(),
            replace: guard.replace.clone(),
        };
        for edit in std::iter::once(&first).chain(&guard.also) {
            let file = edit.file.as_ref().unwrap_or(&guard.file);
            let count = read(file).matches(&edit.find).count();
            assert_eq!(count, 1, "{}: {:?} in {file}", guard.row, edit.find);
            assert_ne!(edit.find, edit.replace);
        }
        let test = guard.test.replace("at_a_glance::", ""); // the smaller measurement of the same name
        assert!(tests.contains(&test), "{}: {test}", guard.row);
        guarded.insert(guard.row.clone());
    }
    for structural in &guards.structural {
        assert!(structural.why.len() > 20, "{}", structural.row);
        guarded.insert(structural.row.clone());
    }
    let starred = rows().into_iter().filter(|(_, (starred, _))| *starred);
    let open: Vec<_> = starred
        .map(|(id, _)| id)
        .filter(|id| !guarded.contains(id))
        .collect();
    assert!(open.is_empty(), "no guard is named for {open:?}");
}
