//! Whether what must look the same also takes the same time: known and unknown addresses, foreign tokens and garbage, clients that
//! are not there (rig T1 of the bar).
//!
//! The large measurements are run by `scripts/bench timing`, in release and on a quiet machine. A glance at the important ones, which
//! sees a leak of five milliseconds, is among the tests. Neither believes in a leak before it has seen it again and again.

/// Large measurements, for both databases: each gives its findings, by name.
macro_rules! measured {
    ($($(#[$doc:meta])* $name:ident = |$backend:ident, $effort:ident| $run:expr;)+) => {$(
        $(#[$doc])*
        mod $name {
            use super::*;
            pub(super) async fn run(backend: Backend, effort: Effort) {
                let label = format!("{} on {backend:?}", stringify!($name));
                confirm(&label, effort, async || {
                    let ($backend, $effort) = (backend, effort);
                    $run.await
                })
                .await;
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "run by scripts/bench timing"]
            async fn sqlite() { run(Backend::Sqlite, Effort::Full).await }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            #[ignore = "run by scripts/bench timing"]
            async fn postgres() { run(Backend::Postgres, Effort::Full).await }
        }
    )+};
}

/// The measurements that are among the tests too, at a glance.
macro_rules! glanced {
    ($($name:ident)+) => {
        mod at_a_glance {
            use super::*;
            $(mod $name {
                use super::*;
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn sqlite() { super::super::$name::run(Backend::Sqlite, Effort::Glance).await }
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn postgres() { super::super::$name::run(Backend::Postgres, Effort::Glance).await }
            })+
        }
    };
}

mod addresses;
mod clients;
mod passwords;
mod rig;
mod statistics;

use statistics::Finding;

/// What was found between the arms of one measurement, by name.
type Findings = Vec<(String, Finding)>;

/// How much is measured, and what is a leak then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effort {
    /// What the bar asks for.
    Full,
    /// Little, on a machine that does other things too.
    Glance,
}

impl Effort {
    /// How often each arm warms up, and how often its time is taken then.
    fn counts(self, full: (usize, usize), glance: (usize, usize)) -> (usize, usize) {
        match self {
            Self::Full => full,
            Self::Glance => glance,
        }
    }

    fn is_leak(self, finding: &Finding) -> bool {
        match self {
            Self::Full => !finding.is_harmless(),
            Self::Glance => finding.is_gross(),
        }
    }

    /// A leak is there each time; what the machine did meanwhile is not.
    fn tries(self) -> usize {
        match self {
            Self::Full => 2,
            Self::Glance => 3,
        }
    }
}

/// Measures, and again when there seems to be a leak. Fails when there always does.
async fn confirm(label: &str, effort: Effort, measure: impl AsyncFn() -> Findings) {
    for left in (0..effort.tries()).rev() {
        let mut findings = measure().await;
        for (arm, finding) in &findings {
            let [a, b] = finding.medians.map(|seconds| seconds * 1e3);
            eprintln!(
                "{label}, {arm}: medians {a:.3} ms and {b:.3} ms, p = {:.4}",
                finding.p
            );
        }
        findings.retain(|(_, finding)| effort.is_leak(finding));
        if findings.is_empty() {
            return;
        }
        assert!(left > 0, "{label}: {findings:?}");
    }
}
