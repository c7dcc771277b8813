//! Requests by route, method and status, and how long they took. Labels are the routing table's, never the caller's: what is not in a
//! list here is `other`, and what no route answers is `unmatched`.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use super::tally::{Histogram, Tally, Words};

/// The route of requests that none answers.
const UNMATCHED: &str = "unmatched";
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const STATUSES: [u16; 23] = [
    200, 201, 202, 204, 301, 302, 303, 304, 400, 401, 403, 404, 405, 406, 408, 409, 413, 415, 422,
    429, 431, 500, 503,
];
const OTHER: &str = "other";

/// What is known of requests. The labels are resolved once, so that a request only adds.
#[derive(Debug, Default)]
pub struct Requests {
    routes: OnceLock<HashMap<&'static str, Route>>,
    unmatched: Route,
}

/// A line of the routing table. What nobody has called takes no memory.
#[derive(Debug, Default)]
struct Route {
    methods: [OnceLock<Box<Series>>; METHODS.len() + 1],
    refusals: OnceLock<Box<Words>>,
}

#[derive(Debug)]
struct Series {
    took: Histogram,
    statuses: Tally,
}

impl Series {
    fn new() -> Box<Self> {
        Box::new(Self {
            took: Histogram::of_times(),
            statuses: Tally::new(STATUSES.len() + 1),
        })
    }
}

impl Requests {
    /// Says which routes there are. The first to say so is heard: all threads have the same.
    pub fn name_routes(&self, patterns: impl Iterator<Item = &'static str>) {
        self.routes
            .get_or_init(|| patterns.map(|at| (at, Route::default())).collect());
    }

    /// Counts a request, answered by the route of this pattern, perhaps refused with a word.
    pub fn answered(
        &self,
        pattern: Option<&str>,
        method: &str,
        status: u16,
        refusal: Option<&'static str>,
        took: Duration,
    ) {
        let routes = self.routes.get();
        let route = pattern.and_then(|pattern| routes?.get(pattern));
        let route = route.unwrap_or(&self.unmatched);
        let method = METHODS.iter().position(|known| *known == method);
        let series = route.methods[method.unwrap_or(METHODS.len())].get_or_init(Series::new);
        let status = STATUSES.iter().position(|known| *known == status);
        series.statuses.add(status.unwrap_or(STATUSES.len()), 1);
        series.took.took(took);
        if let Some(word) = refusal {
            let refusals = route.refusals.get_or_init(|| Box::new(Words::new(&[])));
            refusals.count(word);
        }
    }

    fn routes(&self) -> Vec<(&'static str, &Route)> {
        let known = self.routes.get().into_iter().flatten();
        let mut all: Vec<_> = known.map(|(pattern, route)| (*pattern, route)).collect();
        all.sort_unstable_by_key(|(pattern, _)| *pattern);
        all.push((UNMATCHED, &self.unmatched));
        all
    }

    fn series(&self) -> impl Iterator<Item = (&'static str, &'static str, &Series)> {
        let routes = self.routes().into_iter();
        routes.flat_map(|(pattern, route)| {
            let methods = METHODS.into_iter().chain([OTHER]).zip(&route.methods);
            methods.filter_map(move |(method, series)| Some((pattern, method, &**series.get()?)))
        })
    }

    /// How many by route, method and status.
    pub(super) fn counts(&self) -> Vec<([(&'static str, String); 3], u64)> {
        let mut counts = Vec::new();
        for (route, method, series) in self.series() {
            let names = STATUSES.iter().map(u16::to_string).chain([OTHER.into()]);
            for (at, status) in names.enumerate() {
                let labels = [
                    ("route", route.to_owned()),
                    ("method", method.to_owned()),
                    ("status", status),
                ];
                counts.push((labels, series.statuses.sum(at)));
            }
        }
        counts.retain(|(_, count)| *count > 0);
        counts
    }

    /// How long by route and method.
    pub(super) fn times(&self) -> Vec<([(&'static str, &'static str); 2], &Histogram)> {
        let labels = |route, method| [("route", route), ("method", method)];
        let series = self.series();
        series
            .map(|(route, method, series)| (labels(route, method), &series.took))
            .collect()
    }

    /// How many by route and the word that they were refused with.
    pub(super) fn refusals(&self) -> Vec<([(&'static str, &'static str); 2], u64)> {
        let mut refusals = Vec::new();
        for (route, of) in self.routes() {
            let words = of
                .refusals
                .get()
                .into_iter()
                .flat_map(|words| words.counts());
            refusals.extend(words.map(|(word, n)| ([("route", route), ("refusal", word)], n)));
        }
        refusals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_caller_makes_up_adds_no_label() {
        let requests = Requests::default();
        requests.name_routes(["/a", "/b/{id}"].into_iter());
        for at in 0..1000 {
            let (path, method) = (format!("/{at}"), format!("M{at}"));
            requests.answered(Some(&path), &method, 404, None, Duration::ZERO);
            requests.answered(None, "GET", 600 + at, None, Duration::ZERO);
        }
        requests.answered(Some("/b/{id}"), "GET", 200, None, Duration::ZERO);
        let counts = requests.counts();
        let said: Vec<_> = counts
            .iter()
            .map(|([route, method, status], n)| (&*route.1, &*method.1, &*status.1, *n))
            .collect();
        let expected = [
            ("/b/{id}", "GET", "200", 1),
            ("unmatched", "GET", "other", 1000),
            ("unmatched", "other", "404", 1000),
        ];
        assert_eq!(said, expected);
        assert_eq!(requests.times().len(), 3);
    }
}
