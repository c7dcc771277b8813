//! The dashboard, the alerts and the list for people name what a running service shows, and nothing else; the list names all of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};
use unforget::config::LimitSettings;

use super::scrape::{Sample, Scrape};
use super::{scrape, shows, start};
use crate::helpers::{APP, Backend, TestApp};

/// What Prometheus itself adds.
const PROMETHEUS: [&str; 1] = ["up"];
const TARGET: [&str; 2] = ["job", "instance"];
/// What PromQL itself says.
const LANGUAGE: &str =
    "sum min max count rate increase changes time histogram_quantile and or unless";
const WITH_LABELS: [&str; 4] = ["by", "on", "without", "ignoring"];

/// What two services show after some work, one for each database.
async fn shown() -> Vec<Sample> {
    let mut samples = Vec::new();
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let rate = 1_000_000;
        let limits = LimitSettings {
            token_per_minute: rate,
            token_burst: rate,
            api_per_minute: rate,
            api_burst: rate,
            page_per_minute: rate,
            page_burst: rate,
        };
        let app: TestApp = start(backend, Some(limits)).await;
        app.user("ann@example.com").await;
        let token = app.token(&format!("{APP} password:verify")).await;
        let link = app.mailed_token(&token, "ann@example.com").await;
        let reset = app
            .reset(&token, "ann@example.com", &link, "the new secret")
            .await;
        assert_eq!(reset.said(), "200 password_reset");
        let wrong = json!({"email": "ann@example.com", "password": "a guess"});
        app.post("/v1/password/verify", &token, wrong).await;
        shows(&app, |s| s.value("unforget_database_up") == Some(1.0)).await;
        samples.extend(scrape(&app).await.samples);
    }
    samples
}

fn document(name: &str) -> String {
    let path = format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// The labels by the names of what is shown, and which values each has.
type Known = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

fn known(samples: &[Sample]) -> Known {
    let mut known = Known::new();
    for sample in samples {
        let labels = known.entry(sample.name.clone()).or_default();
        for (label, value) in &sample.labels {
            labels
                .entry(label.clone())
                .or_default()
                .insert(value.clone());
        }
    }
    known
}

/// The names and other words of an expression, and what stands between: strings, durations in brackets and numbers are left out.
fn tokens(expression: &str) -> Vec<String> {
    let (mut tokens, mut rest) = (Vec::new(), expression);
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || "_:$.".contains(c);
        let length = match first {
            '"' => rest[1..].find('"').unwrap() + 2,
            '[' => rest.find(']').unwrap() + 1,
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        rest = after;
        if !token.trim().is_empty() && !token.starts_with('[') {
            tokens.push(token.to_owned());
        }
    }
    tokens
}

/// What is wrong with an expression: names that nobody shows, labels that they do not have, values that cannot be. Says too which
/// labels its result may have, when it says so itself.
fn examine(expression: &str, known: &Known) -> (Vec<String>, BTreeSet<String>) {
    let tokens = tokens(expression);
    let (mut wrong, mut named, mut grouped) = (Vec::new(), 0, BTreeSet::new());
    let mut labels_here = BTreeSet::new();
    let mut at = 0;
    while at < tokens.len() {
        let token = tokens[at].as_str();
        at += 1;
        let is_word = token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if WITH_LABELS.contains(&token) {
            let end = at + tokens[at..].iter().position(|t| t == ")").unwrap();
            grouped.extend(tokens[at + 1..end].iter().filter(|t| *t != ",").cloned());
            at = end + 1;
        } else if !is_word || LANGUAGE.split(' ').any(|word| word == token) {
            continue;
        } else if !known.contains_key(token) && !PROMETHEUS.contains(&token) {
            wrong.push(format!("{token} is not shown"));
        } else {
            named += 1;
            let labels = known.get(token).cloned().unwrap_or_default();
            labels_here.extend(labels.keys().cloned());
            if tokens.get(at).is_some_and(|t| t == "{") {
                let end = at + tokens[at..].iter().position(|t| t == "}").unwrap();
                for matcher in tokens[at + 1..end].split(|t| t == ",") {
                    let label = &matcher[0];
                    let value = matcher.last().unwrap().trim_matches('"');
                    let is_plain = matcher[1..matcher.len() - 1].concat() == "=";
                    match labels.get(label) {
                        _ if TARGET.contains(&label.as_str()) => {}
                        None => wrong.push(format!("{token} has no label {label}")),
                        Some(values) if is_plain && !values.contains(value) => {
                            wrong.push(format!("{label} of {token} is never {value}"));
                        }
                        Some(_) => {}
                    }
                }
                at = end + 1;
            }
        }
    }
    labels_here.extend(TARGET.map(str::to_owned));
    wrong.extend(
        grouped
            .difference(&labels_here)
            .map(|label| format!("nothing here has a label {label}")),
    );
    if named == 0 && wrong.is_empty() {
        wrong.push("it names nothing".to_owned());
    }
    (
        wrong,
        if grouped.is_empty() {
            labels_here
        } else {
            grouped
        },
    )
}

#[test]
fn an_expression_that_names_what_is_not_there_is_found_out() {
    let scrape = Scrape::parse("# HELP a_total A.\n# TYPE a_total counter\na_total{b=\"c\"} 1\n");
    let known = known(&scrape.samples);
    let wrongs = |expression: &str| examine(expression, &known).0;
    for right in [
        "sum by (b) (rate(a_total{b=\"c\",job=~\"$job\"}[5m])) / 2 > 0.5",
        "a_total and up == 0",
        "sum by (instance) (a_total{b!~\"x.*\"})",
    ] {
        assert_eq!(wrongs(right), Vec::<String>::new(), "{right}");
    }
    for wrong in [
        "rate(b_total[5m])",
        "sum by (x) (a_total)",
        "a_total{x=\"c\"}",
        "a_total{b=\"d\"}",
        "summe(a_total)",
        "1 > 0",
    ] {
        assert_eq!(wrongs(wrong).len(), 1, "{wrong}");
    }
}

#[derive(Deserialize)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    name: String,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    alert: String,
    expr: String,
    #[serde(rename = "for", default)]
    lasts: Option<String>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

/// The words between braces in the text of an alert or a legend.
fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split("{{").skip(1);
    parts.map(|part| part.split("}}").next().unwrap().trim())
}

fn examine_alerts(known: &Known) {
    let Rules { groups } = serde_saphyr::from_str(&document("alerts.yml")).unwrap();
    let rules: Vec<_> = groups.iter().flat_map(|group| &group.rules).collect();
    let names: BTreeSet<_> = rules.iter().map(|rule| &rule.alert).collect();
    assert!(names.len() == rules.len() && rules.len() > 10, "{names:?}");
    for rule in rules {
        let (name, group) = (&rule.alert, &groups[0].name);
        let (wrong, labels) = examine(&rule.expr, known);
        assert!(wrong.is_empty(), "{group} {name}: {wrong:?}");
        assert!(
            ["critical", "warning"].contains(&rule.labels["severity"].as_str()),
            "{name}"
        );
        let is_duration = |text: &String| {
            text.strip_suffix('m')
                .is_some_and(|m| m.parse::<u8>().is_ok())
        };
        assert!(rule.lasts.as_ref().is_none_or(is_duration), "{name}");
        assert!(
            rule.annotations["description"].len() > 40,
            "{name} says what to do"
        );
        let texts = rule.annotations.values();
        for said in texts.flat_map(|text| placeholders(text)) {
            let label = said.strip_prefix("$labels.");
            let fine = label.map_or(said.starts_with("$value"), |label| labels.contains(label));
            assert!(fine, "{name}: {said}");
        }
    }
}

fn examine_dashboard(known: &Known) {
    let dashboard: Value = serde_json::from_str(&document("grafana.json")).unwrap();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let variable = |name: &str| variables.iter().find(|v| v["name"] == name).unwrap();
    assert_eq!(variable("datasource")["type"], "datasource");
    for name in ["job", "instance"] {
        let query = variable(name)["query"]["query"].as_str().unwrap();
        let expression = query
            .strip_prefix("label_values(")
            .and_then(|q| q.rsplit_once(", "));
        assert_eq!(
            examine(expression.unwrap().0, known).0,
            Vec::<String>::new()
        );
    }
    let (mut named, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}");
        if panel["type"] == "row" {
            continue;
        }
        assert!(panel["description"].as_str().unwrap().len() > 5, "{title}");
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            let expression = target["expr"].as_str().unwrap();
            let (wrong, labels) = examine(expression, known);
            assert!(wrong.is_empty(), "{title}: {wrong:?}");
            for label in placeholders(target["legendFormat"].as_str().unwrap()) {
                assert!(labels.contains(label), "{title}: {label}");
            }
            named.extend(tokens(expression));
        }
    }
    // Nothing is shown that the dashboard has no use for, but for the descriptions of histograms.
    let unused: Vec<_> = known.keys().filter(|name| !named.contains(*name)).collect();
    let of_histogram = |name: &&&String| {
        ["_sum", "_count", "_bucket"]
            .iter()
            .any(|end| name.ends_with(end))
    };
    let unused: Vec<_> = unused.iter().filter(|name| !of_histogram(name)).collect();
    assert!(unused.is_empty(), "{unused:?}");
}

/// The rows of the tables in docs/metrics.md: names, kinds and labels.
fn examine_list(samples: &[Sample], families: &BTreeMap<String, String>) {
    let text = document("metrics.md");
    let mut listed = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, meaning] = cells[..] else {
            panic!("{line}");
        };
        let quoted = |text: &str| -> BTreeSet<String> {
            text.split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect()
        };
        assert!(!meaning.is_empty(), "{line}");
        let name = name.trim_matches('`').to_owned();
        let twice = listed.insert(name, (kind.to_owned(), quoted(labels)));
        assert!(twice.is_none(), "{line}");
    }
    let mut shown = BTreeMap::new();
    for (family, kind) in families {
        let of = |sample: &&Sample| {
            let suffix = sample.name.strip_prefix(family.as_str());
            suffix.is_some_and(|s| ["", "_sum", "_count", "_bucket"].contains(&s))
        };
        let labels = samples
            .iter()
            .filter(of)
            .flat_map(|s| s.labels.keys().cloned());
        let labels: BTreeSet<_> = labels.filter(|label| label != "le").collect();
        shown.insert(family.clone(), (kind.clone(), labels));
    }
    assert_eq!(listed, shown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dashboard_alerts_and_list_name_what_is_shown_and_the_list_all_of_it() {
    let samples = shown().await;
    let known = known(&samples);
    examine_alerts(&known);
    examine_dashboard(&known);
    let mut families = BTreeMap::new();
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let app: TestApp = start(backend, None).await;
        families.extend(scrape(&app).await.families);
    }
    examine_list(&samples, &families);
}
