//! The twin of the random kills that leaves nothing to chance: the program dies at its first write, then at the second, and so on
//! through all that a call and its mail need, with and without half of that write done. SQLite, whose writes are our own.

use std::time::Duration;

use unforget::storage::mails::MailReport;

use super::deed::{Kind, Outcome};
use super::rig::Rig;
use crate::faults::Faults;
use crate::helpers::{APP, Backend, PATIENCE, rounds};
use crate::site::Site;

/// The most writes that a call can need; beyond, the walk would have no end.
const MOST: i64 = 400;

/// From one write to the next one that is fatal: all of them when rounds are many, else some.
fn step() -> usize {
    if rounds(1) > 1 { 1 } else { 6 }
}

/// Whether every mail of this round is done with. What an earlier life has left behind still waits for its lease.
async fn is_idle(rig: &Rig) -> bool {
    let mails = rig.site.flows.list_mails(None, 100).await.unwrap();
    let own = |report: &&MailReport| report.mail.created_at >= rig.since;
    mails
        .iter()
        .filter(own)
        .all(|report| report.due_at.is_none())
}

/// Waits until the program is dead, or has done all that the call has caused. Says whether it lives.
async fn survives(rig: &Rig) -> bool {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let health = format!("{}/health/live", rig.base());
    loop {
        let idle = is_idle(rig).await;
        if reqwest::get(&health).await.is_err() {
            return false;
        }
        if idle {
            return true;
        }
        assert!(tokio::time::Instant::now() < deadline, "not dead, not done");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Lets calls of a kind die at one write after the other.
async fn walk(kind: Kind) {
    let faults = Faults::new();
    let mut site = Site::start(Backend::Sqlite).await;
    faults.under(&mut site.program);
    let mut rig = Rig::on(site).await;
    let mut kills = 0;
    for (torn, first) in [(false, 1), (true, 2)] {
        for number in (first..).step_by(step()) {
            assert!(number < MOST, "the call never ends");
            rig.begin().await;
            let deed = rig.things(kind, 1).await.remove(0);
            assert!(survives(&rig).await, "nobody has killed it");
            faults.kill_at_write(number, torn);
            let base = rig.base();
            let outcome = deed.call(&reqwest::Client::new(), &base, &rig.keys).await;
            let lives = survives(&rig).await;
            faults.kill_nobody();
            if lives {
                assert!(
                    matches!(outcome, Outcome::Acknowledged(_)),
                    "{deed:?}: {outcome:?}"
                );
                rig.reconcile(&vec![(deed, outcome)]).await;
                break;
            }
            kills += 1;
            rig.service = None;
            rig.restart().await;
            rig.reconcile(&vec![(deed, outcome)]).await;
        }
    }
    assert!(kills > 1, "{kills}");
    rig.finish().await;
}

macro_rules! walks {
    ($($name:ident: $kind:ident,)+) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() { walk(Kind::$kind).await; }
    )+};
}

walks! {
    d02_f12_a_reset_killed_at_any_of_its_writes_is_done_or_not: Reset,
    d02_a_change_killed_at_any_of_its_writes_is_done_or_not: Change,
    d02_a_remind_killed_at_any_of_its_writes_is_done_or_not_and_its_mail_arrives: Remind,
    d02_a_token_killed_at_any_of_its_writes_is_issued_or_not: Issue,
    d02_a_new_secret_killed_at_any_of_its_writes_is_made_or_not: Rotate,
    d02_an_administrators_password_killed_at_any_of_its_writes_is_set_or_not: AdminSet,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d02_a_rotation_at_the_command_line_killed_at_any_of_its_writes_is_done_or_not() {
    let faults = Faults::new();
    let mut site = Site::start(Backend::Sqlite).await;
    faults.under(&mut site.program);
    let mut kills = 0;
    for (torn, first) in [(false, 1), (true, 2)] {
        for number in (first..).step_by(step()) {
            assert!(number < MOST, "the command never ends");
            let id = site.client(APP).await.id;
            faults.kill_at_write(number, torn);
            let output = site.program.run(&["client", "rotate", &id, "--json"]);
            faults.kill_nobody();
            site.assert_sound();
            let of = |table, column| {
                site.count(format!(
                    "SELECT COUNT(*) AS n FROM {table} WHERE {column} = '{id}'"
                ))
            };
            let rotated = of("audit", "act = 'client.rotate' AND subject_client").await;
            assert_eq!(of("client_secrets", "client_id").await, 1 + rotated);
            if !output.stdout.is_empty() {
                assert_eq!(rotated, 1, "a secret was printed that does not work");
            }
            if output.status.success() {
                assert_eq!(rotated, 1);
                break;
            }
            kills += 1;
        }
    }
    assert!(kills > 1, "{kills}");
}
