//! Races for a password: with one link, with several, with one old password, and with guesses.

use std::time::Instant;

use serde_json::json;

use super::arena::{CALLERS, Race, races};
use super::together::{Call, together};
use crate::accounts::{CHANGE, FULL_APP, SESSIONS, VERIFY, WRONG};
use crate::both;
use crate::helpers::{Backend, OLD_PASSWORD, rounds};
use crate::recovery::{REMIND, RESET};
use crate::site::Site;

fn choice(number: usize) -> String {
    format!("the choice of caller {number}")
}

fn reset(race: &Race<'_>, email: &str, link: &str, password: &str) -> Call {
    let body = json!({"email": email, "token": link, "password": password});
    Call::json("POST", RESET, &race.arena.app, &body)
}

fn change(race: &Race<'_>, email: &str, password: &str) -> Call {
    let body = json!({"email": email, "old_password": OLD_PASSWORD, "password": password});
    Call::json("PUT", CHANGE, &race.arena.app, &body)
}

both! {
    /// Among them two whose password is refused: whenever they come, they do not use the link up (F13).
    async fn f11_of_resets_released_together_with_one_link_one_wins(backend: Backend) {
        races(backend, async |race: Race<'_>| {
            let account = race.account().await;
            let link = race.link(&account.email).await;
            let mut calls: Vec<_> = (0..CALLERS)
                .map(|number| reset(&race, &account.email, &link, &choice(number)))
                .collect();
            calls.insert(0, reset(&race, &account.email, &link, "short"));
            calls.insert(4, reset(&race, &account.email, &link, "short"));
            let lost = [("400 wrong_token", CALLERS - 1), ("400 wrong_password", 2)];
            let (winner, _) = race.one_wins(&calls, "200 password_reset", &lost).await;
            let winner = winner - if winner > 4 { 2 } else { 1 };
            assert!(race.arena.site.password_is(&account.email, &choice(winner)).await);
            assert_eq!(race.audited("password.reset", &account).await, 1);
            assert_eq!(race.mails_to(&account.email).await, 2, "the link, and one notice");
        }).await;
    }

    async fn f14_of_two_links_and_the_old_password_used_together_one_wins(backend: Backend) {
        races(backend, async |race: Race<'_>| {
            let account = race.account().await;
            let links = [race.link(&account.email).await, race.link(&account.email).await];
            let calls: Vec<_> = (0..6).map(|number| match number % 3 {
                2 => change(&race, &account.email, &choice(number)),
                which => reset(&race, &account.email, &links[which], &choice(number)),
            }).collect();
            let replies = race.run(&calls).await;
            let won: Vec<_> = (0..6).filter(|number| replies[*number].status == 200).collect();
            assert_eq!(won.len(), 1, "{replies:?}");
            for (number, reply) in replies.iter().enumerate().filter(|(number, _)| *number != won[0]) {
                let lost = if number % 3 == 2 { "400 wrong_credentials" } else { "400 wrong_token" };
                assert_eq!(reply.said(), lost, "{number}");
            }
            assert!(race.arena.site.password_is(&account.email, &choice(won[0])).await);
            let told = race.audited("password.reset", &account).await + race.audited("password.change", &account).await;
            assert_eq!(told, 1);
            assert_eq!(race.mails_to(&account.email).await, 3, "two links, and one notice");
            let left = race.arena.site.count(format!(
                "SELECT COUNT(*) AS n FROM reset_tokens JOIN users ON users.id = user_id \
                 WHERE email_key = '{}' AND used_at IS NULL", account.email)).await;
            assert_eq!(left, 0, "a link outlived the new password");
        }).await;
    }

    async fn f23_of_changes_released_together_with_one_old_password_one_wins(backend: Backend) {
        races(backend, async |race: Race<'_>| {
            let account = race.account().await;
            let calls: Vec<_> = (0..CALLERS).map(|number| change(&race, &account.email, &choice(number))).collect();
            let lost = [("400 wrong_credentials", CALLERS - 1)];
            let (winner, _) = race.one_wins(&calls, "200 password_updated", &lost).await;
            assert!(race.arena.site.password_is(&account.email, &choice(winner)).await);
            assert_eq!(race.audited("password.change", &account).await, 1);
            assert_eq!(race.mails_to(&account.email).await, 1, "one notice");
        }).await;
    }

    async fn f29_of_reminds_released_together_for_one_address_one_mails(backend: Backend) {
        // With a cool-down, which the other races do without.
        let site = Site::start(backend).await;
        let services = [site.program.serve().await, site.program.serve().await];
        let token = site.token(&services[0], FULL_APP).await;
        let bases = services.each_ref().map(|service| service.base.clone());
        for number in 0..2 * rounds(2) {
            let account = site.accounts(&format!("runner{number}."), 1).await.remove(0);
            let calls = vec![Call::json("POST", REMIND, &token, &json!({"email": account.email})); CALLERS];
            for reply in together(&bases[..1 + number % 2], &calls).await {
                assert_eq!(reply.said(), "200 reminder_sent");
            }
            let queued = format!("SELECT COUNT(*) AS n FROM mails WHERE address_key = '{}'", account.email);
            assert_eq!(site.count(queued).await, 1);
            site.quiet().await;
            let mails = site.sink.received().into_iter();
            assert_eq!(mails.filter(|mail| mail.to == [account.email.clone()]).count(), 1);
        }
    }

    /// Ten are free, and one more for each pause that has ended meanwhile: 1 s, then 2, then 4. None slips through uncounted.
    async fn f25_of_guesses_released_together_no_more_are_let_through_than_are_counted(backend: Backend) {
        races(backend, async |race: Race<'_>| {
            let account = race.account().await;
            let body = json!({"email": account.email, "password": WRONG});
            let calls: Vec<_> = (0..30).map(|number| {
                let path = if number % 3 == 0 { SESSIONS } else { VERIFY };
                Call::json("POST", path, &race.arena.app, &body)
            }).collect();
            let since = Instant::now();
            let replies = race.run(&calls).await;
            let passed = since.elapsed().as_secs();
            let pauses = (0..).map(|doublings| (2_u64 << doublings) - 1).take_while(|end| *end <= passed).count();
            let through = replies.iter().filter(|reply| reply.said() == "400 wrong_credentials").count();
            for reply in replies.iter().filter(|reply| reply.status != 400) {
                assert!([429, 503].contains(&reply.status), "{reply:?}");
                assert!(reply.header("retry-after").parse::<u32>().unwrap() >= 1);
            }
            // Whom a busy machine has sent away may have been counted, or not.
            let busy = replies.iter().filter(|reply| reply.status == 503).count();
            assert!((10 - busy.min(10)..=10 + pauses).contains(&through), "{through} in {passed} s");
            let counted = format!("SELECT failures AS n FROM guesses WHERE address_key = '{}'", account.email);
            let counted = usize::try_from(race.arena.site.count(counted).await).unwrap();
            assert!((through..=through + busy).contains(&counted), "{through}, but {counted} are counted");
        }).await;
    }
}
