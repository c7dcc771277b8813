//! Races for an address, and to delete.

use serde_json::json;

use super::arena::{CALLERS, Race, races};
use super::together::Call;
use crate::accounts::{USERS, path_of};
use crate::both;
use crate::helpers::Backend;
use crate::site::Account;

both! {
    async fn f06_of_accounts_made_together_with_one_address_one_is(backend: Backend) {
        races(backend, async |race: Race<'_>| {
            // In other letters it is the same address.
            let email = |number: usize| match number % 2 {
                0 => format!("new{}@example.com", race.number),
                _ => format!("New{}@Example.COM", race.number),
            };
            let password = |number: usize| format!("the choice of caller {number}");
            let calls: Vec<_> = (0..CALLERS).map(|number| {
                let body = json!({"email": email(number), "password": password(number)});
                Call::json("POST", USERS, &race.arena.admin, &body)
            }).collect();
            let lost = [("409 user_exists", CALLERS - 1)];
            let (winner, reply) = race.one_wins(&calls, "201 user_created", &lost).await;
            let id = race.arena.site.stored(&email(0)).await.unwrap().id;
            assert_eq!(reply.json()["user"]["id"], json!(id));
            assert!(race.arena.site.password_is(&email(0), &password(winner)).await);
            let account = Account { id, email: email(0) };
            assert_eq!(race.audited("user.add", &account).await, 1);
        }).await;
    }

    async fn f06_of_users_who_move_together_to_one_address_one_does(backend: Backend) {
        races(backend, async |race: Race<'_>| {
            let users = race.arena.site.accounts(&format!("mover{}.", race.number), CALLERS).await;
            let to = format!("wanted{}@example.com", race.number);
            let calls: Vec<_> = users.iter().map(|user| {
                Call::json("PATCH", &path_of(user.id), &race.arena.admin, &json!({"email": to}))
            }).collect();
            let lost = [("409 user_exists", CALLERS - 1)];
            let (winner, _) = race.one_wins(&calls, "200 user_updated", &lost).await;
            assert_eq!(race.arena.site.stored(&to).await.unwrap().id, users[winner].id);
            for (number, user) in users.iter().enumerate() {
                let moved = usize::from(number == winner);
                assert_eq!(race.audited("user.change", user).await, moved);
                assert_eq!(race.mails_to(&user.email).await, moved, "who has moved is told at the old address");
            }
        }).await;
    }

    async fn f27_of_those_who_delete_an_account_together_one_does(backend: Backend) {
        races(backend, async |race: Race<'_>| {
            let account = race.account().await;
            let call = Call::json("DELETE", &path_of(account.id), &race.arena.admin, &json!({}));
            let lost = [("404 wrong_user", CALLERS - 1)];
            race.one_wins(&vec![call; CALLERS], "200 user_deleted", &lost).await;
            assert_eq!(race.audited("user.delete", &account).await, 1);
            assert!(race.arena.site.stored(&account.email).await.is_none());
        }).await;
    }
}
