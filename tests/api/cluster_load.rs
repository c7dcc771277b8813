//! What several apps do all at once: callers that go on whatever happens, and write down what was answered.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;

use crate::cluster::{ask, post};
use crate::helpers::{PATIENCE, TestClient};

/// Callers that do what apps do, each without a break, and write down what failed.
pub(crate) struct Load {
    answers: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    failures: Arc<Mutex<Vec<Failure>>>,
    reminded: Arc<Mutex<Vec<String>>>,
    callers: JoinSet<()>,
}

/// A call without the answer that it should have had.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    pub(crate) what: String,
}

/// How many callers there are.
pub(crate) const CALLERS: usize = 12;

impl Load {
    /// Each caller asks for tokens, for reset mails, and whether a link is alive; `emails` are reminded once each.
    pub(crate) fn start(base: &str, client: &TestClient, emails: Vec<String>) -> Self {
        let mut load = Self {
            answers: Arc::default(),
            over: Arc::default(),
            failures: Arc::default(),
            reminded: Arc::default(),
            callers: JoinSet::new(),
        };
        let emails = Arc::new(Mutex::new(emails));
        for caller in 0..CALLERS {
            let (answers, over, failures) = (
                Arc::clone(&load.answers),
                Arc::clone(&load.over),
                Arc::clone(&load.failures),
            );
            let (emails, reminded) = (Arc::clone(&emails), Arc::clone(&load.reminded));
            let (base, client) = (base.to_owned(), client.clone());
            load.callers.spawn(async move {
                let (http, mut token, mut number) = (reqwest::Client::new(), String::new(), 0);
                while !over.load(Ordering::SeqCst) {
                    let began = Instant::now();
                    let known = emails.lock().unwrap().pop();
                    let email = known
                        .clone()
                        .unwrap_or(format!("nobody{caller}.{number}@example.com"));
                    let (expected, answer) = match number % 4 {
                        _ if token.is_empty() => (200, ask(&http, &base, &client).await),
                        0 => (200, ask(&http, &base, &client).await),
                        1 => (
                            400,
                            post(
                                &http,
                                format!("{base}/v1/password/check"),
                                &token,
                                json!({"token": "x"}),
                            )
                            .await,
                        ),
                        _ => (
                            200,
                            post(
                                &http,
                                format!("{base}/v1/password/remind"),
                                &token,
                                json!({"email": email}),
                            )
                            .await,
                        ),
                    };
                    let (status, said) = match &answer {
                        Ok(reply) => (reply.status, reply.said()),
                        Err(error) => (0, format!("{error:?}")),
                    };
                    if status == expected {
                        let json = answer.map(|reply| reply.json()).unwrap_or_default();
                        if let Some(new) = json["access_token"].as_str() {
                            new.clone_into(&mut token);
                        }
                        if json["status"] == "reminder_sent" {
                            reminded.lock().unwrap().extend(known);
                        } else {
                            emails.lock().unwrap().extend(known);
                        }
                    } else {
                        failures.lock().unwrap().push(Failure {
                            began,
                            ended: Instant::now(),
                            what: said,
                        });
                    }
                    answers.fetch_add(1, Ordering::SeqCst);
                    number += 1;
                    // As much as two small machines take beside the other tests.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            });
        }
        load
    }

    /// Waits for this many answers more, right or wrong.
    pub(crate) async fn answered(&self, more: usize) {
        let wanted = self.answers.load(Ordering::SeqCst) + more;
        let deadline = Instant::now() + 3 * PATIENCE;
        while self.answers.load(Ordering::SeqCst) < wanted {
            assert!(Instant::now() < deadline, "too few answers");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Ends the load and tells how many answers there were, which failed, and who was acknowledged a mail.
    pub(crate) async fn finish(mut self) -> (usize, Vec<Failure>, Vec<String>) {
        self.over.store(true, Ordering::SeqCst);
        while let Some(ended) = self.callers.join_next().await {
            ended.unwrap();
        }
        let failures = self.failures.lock().unwrap().clone();
        let reminded = self.reminded.lock().unwrap().clone();
        (self.answers.load(Ordering::SeqCst), failures, reminded)
    }
}
