//! What `/metrics` shows, read as strictly as the format's description has it
//! (https://prometheus.io/docs/instrumenting/exposition_formats/): whatever is not as it says is a panic with the line.

use std::collections::{BTreeMap, BTreeSet};

/// Labels and their values.
pub(crate) type Labels = BTreeMap<String, String>;

/// One value.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: Labels,
    pub(crate) value: f64,
}

/// All that was shown at a moment.
#[derive(Debug, Default, Clone)]
pub(crate) struct Scrape {
    /// The families, each with its type.
    pub(crate) families: BTreeMap<String, String>,
    pub(crate) samples: Vec<Sample>,
}

impl Scrape {
    /// Reads the form 0.0.4 of Prometheus.
    pub(crate) fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n') && !text.contains("\n\n"), "{text}");
        let (mut scrape, mut open, mut helped) = (Self::default(), None, None);
        for line in text.lines() {
            if let Some(said) = line.strip_prefix("# HELP ") {
                let (name, help) = said.split_once(' ').unwrap_or_else(|| panic!("{line}"));
                assert!(is_name(name) && !help.trim().is_empty(), "{line}");
                helped = Some(name.to_owned());
            } else if let Some(said) = line.strip_prefix("# TYPE ") {
                let (name, kind) = said.split_once(' ').unwrap_or_else(|| panic!("{line}"));
                assert_eq!(helped.as_deref(), Some(name), "{line}");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                let twice = scrape.families.insert(name.to_owned(), kind.to_owned());
                assert!(twice.is_none(), "{line}");
                open = Some((name.to_owned(), kind.to_owned()));
            } else {
                let sample = sample(line);
                let (family, kind) = open.as_ref().unwrap_or_else(|| panic!("{line}"));
                let suffix = sample.name.strip_prefix(family.as_str());
                let suffixes: &[&str] = match kind.as_str() {
                    "histogram" => &["_sum", "_count", "_bucket"],
                    _ => &[""],
                };
                assert!(suffix.is_some_and(|s| suffixes.contains(&s)), "{line}");
                let is_bucket = sample.name.ends_with("_bucket");
                assert_eq!(sample.labels.contains_key("le"), is_bucket, "{line}");
                assert!(kind == "gauge" || sample.value >= 0.0, "{line}");
                scrape.samples.push(sample);
            }
        }
        scrape.check_series();
        scrape.check_histograms();
        scrape
    }

    /// No series is there twice.
    fn check_series(&self) {
        let mut seen = BTreeSet::new();
        for sample in &self.samples {
            let series = (sample.name.clone(), sample.labels.clone());
            assert!(seen.insert(series), "twice: {sample:?}");
        }
    }

    /// Buckets grow with their bounds, and the last one has everything.
    fn check_histograms(&self) {
        for (family, _) in self
            .families
            .iter()
            .filter(|(_, kind)| *kind == "histogram")
        {
            let mut buckets: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
            let of = |suffix: &str| format!("{family}{suffix}");
            for sample in self.samples.iter().filter(|s| s.name == of("_bucket")) {
                let mut labels = sample.labels.clone();
                let bound = number(&labels.remove("le").unwrap());
                buckets
                    .entry(labels)
                    .or_default()
                    .push((bound, sample.value));
            }
            for (labels, buckets) in buckets {
                let grows = |pair: &[(f64, f64)]| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1;
                assert!(buckets.windows(2).all(grows), "{family}: {buckets:?}");
                let find = |name| {
                    let mut found = self.samples.iter();
                    found.find(|s| s.name == of(name) && s.labels == labels)
                };
                let count = find("_count").unwrap().value;
                assert_eq!(buckets.last(), Some(&(f64::INFINITY, count)), "{family}");
                assert!(find("_sum").is_some(), "{family}");
            }
        }
    }

    /// The sum of all series with this name that have these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |sample: &&Sample| {
            let mut labels = labels.iter();
            let is = |(label, value): &(&str, &str)| {
                sample.labels.get(*label).map(String::as_str) == Some(*value)
            };
            sample.name == name && labels.all(is)
        };
        self.samples.iter().filter(has).map(|s| s.value).sum()
    }

    /// The one value of this name; none when it is not shown.
    pub(crate) fn value(&self, name: &str) -> Option<f64> {
        self.samples
            .iter()
            .find(|s| s.name == name)
            .map(|s| s.value)
    }

    /// The series, without their values.
    pub(crate) fn series(&self) -> BTreeSet<(String, Labels)> {
        let samples = self.samples.iter();
        samples
            .map(|s| (s.name.clone(), s.labels.clone()))
            .collect()
    }
}

fn is_name(name: &str) -> bool {
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    starts && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn number(text: &str) -> f64 {
    match text {
        "+Inf" => f64::INFINITY,
        // Rust reads more than Go does: neither `inf` nor `nan` is a number of ours.
        _ => {
            assert!(
                text.starts_with(|c: char| c.is_ascii_digit() || c == '-'),
                "{text}"
            );
            text.parse().unwrap_or_else(|_| panic!("{text}"))
        }
    }
}

fn sample(line: &str) -> Sample {
    let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("{line}"));
    let (name, rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest, line),
        None => (Labels::new(), rest),
    };
    let value = value.strip_prefix(' ').unwrap_or_else(|| panic!("{line}"));
    Sample {
        name: name.to_owned(),
        labels,
        value: number(value),
    }
}

/// Labels up to the closing brace, and what follows it.
fn labels<'a>(mut rest: &'a str, line: &str) -> (Labels, &'a str) {
    let mut labels = Labels::new();
    loop {
        let (name, quoted) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
        assert!(is_name(name), "{line}");
        let (mut value, mut characters) = (String::new(), quoted.char_indices());
        let end = loop {
            match characters.next().unwrap_or_else(|| panic!("{line}")) {
                (at, '"') => break at,
                (_, '\\') => match characters.next() {
                    Some((_, 'n')) => value.push('\n'),
                    Some((_, c @ ('"' | '\\'))) => value.push(c),
                    _ => panic!("{line}"),
                },
                (_, c) => value.push(c),
            }
        };
        assert!(labels.insert(name.to_owned(), value).is_none(), "{line}");
        let after = &quoted[end + 1..];
        if let Some(after) = after.strip_prefix('}') {
            return (labels, after);
        }
        rest = after.strip_prefix(',').unwrap_or_else(|| panic!("{line}"));
    }
}

#[test]
fn what_is_not_in_the_format_is_noticed() {
    let good = "# HELP a_total A.\n# TYPE a_total counter\na_total{b=\"c\\\"\"} 1\n# HELP h H.\n# TYPE h histogram\nh_sum 1.5\nh_count 2\n\
        h_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 2\n";
    let scrape = Scrape::parse(good);
    assert_eq!(scrape.sum("a_total", &[("b", "c\"")]), 1.0);
    for (right, wrong) in [
        ("# HELP a_total A.\n", ""),
        ("_total", "_count"),
        ("counter", "info"),
        ("} 1\n#", "} 1\na_total{b=\"c\\\"\"} 1\n#"),
        ("} 1\n#", "} one\n#"),
        ("\\\"\"}", "\"}"),
        ("\\\"\"}", "\\x\"}"),
        ("le=\"+Inf\"} 2", "le=\"+Inf\"} 3"),
        ("le=\"1.0\"} 1", "le=\"1.0\"} 3"),
        ("h_sum 1.5\n", ""),
        ("h_sum", "i_sum"),
        ("a_total{b", "a-total{b"),
        ("# TYPE h", "\n# TYPE h"),
    ] {
        let bad = good.replacen(right, wrong, 1);
        assert_ne!(bad, good, "{right}");
        // One change leaves a family as it is: an escape is lost, and with it the value.
        let ended =
            std::panic::catch_unwind(|| Scrape::parse(&bad).sum("a_total", &[("b", "c\"")]));
        assert!(!matches!(ended, Ok(1.0)), "{bad}");
    }
}
