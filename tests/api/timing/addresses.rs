//! Whether the time of an answer tells if an address is somebody's (bar F02, F03, F15): when a mail is asked for, in peace and in
//! trouble, and when a link is shown that is another's.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use unforget::config::Settings;
use unforget::domain::{EmailAddress, PlainToken, ResetToken, User};
use unforget::storage::users;

use super::rig::{Arm, Line, compare, request};
use super::{Effort, Findings, confirm};
use crate::helpers::{APP, Backend, TestApp};
use crate::recovery::{REMIND, RESET};
use crate::smtp::{Behaviour, Stage};

fn counts(effort: Effort) -> (usize, usize) {
    effort.counts((200, 2000), (10, 80))
}

/// A service with this many users of either kind, made without hashing anything.
async fn service(backend: Backend, count: usize, change: impl FnOnce(&mut Settings)) -> TestApp {
    let app = TestApp::start_with(backend, |settings| {
        settings.recovery.per_hour = 100_000;
        change(settings);
    })
    .await;
    let now = app.clock.now();
    let user = move |number: usize, is_disabled: bool| User {
        id: uuid::Uuid::from_u128(((number as u128 + 1) << 1) + u128::from(is_disabled)),
        email: EmailAddress::parse(&if is_disabled {
            disabled(number)
        } else {
            known(number)
        })
        .unwrap(),
        password_hash: None,
        locale: None,
        profile: serde_json::Map::new(),
        created_at: now,
        password_changed_at: None,
        password_must_change: false,
        disabled_at: is_disabled.then_some(now),
    };
    // In portions that a busy machine writes within the time that a statement has.
    for portion in (0..count).collect::<Vec<_>>().chunks(100) {
        let portion = portion.to_vec();
        let insert = app.flows.storage.write(move |c| {
            portion.into_iter().try_for_each(|number| {
                users::insert(c, &user(number, false))?;
                users::insert(c, &user(number, true))
            })
        });
        insert.await.unwrap();
    }
    app
}

fn known(number: usize) -> String {
    format!("user{number:05}@known.example")
}

fn disabled(number: usize) -> String {
    format!("user{number:05}@ended.example")
}

fn unknown(number: usize) -> String {
    format!("user{number:05}@other.example")
}

/// Known against unknown and disabled addresses, each asked for `times` in a row, of which the last one counts.
async fn remind(
    backend: Backend,
    effort: Effort,
    times: usize,
    mail_server: Behaviour,
) -> Findings {
    let (warm_up, count) = counts(effort);
    let app = service(backend, warm_up + count, |_| {}).await;
    app.sink.behave(mail_server);
    let token = app.token(APP).await;
    compare(
        &app,
        reminders(&token, warm_up + count, times),
        (warm_up, count),
    )
    .await
}

fn reminders(token: &str, count: usize, times: usize) -> Vec<Arm> {
    let arm = |name: &str, email: fn(usize) -> String| {
        let ask = |number| vec![request(REMIND, token, &[("email", &email(number))]); times];
        Arm::new(name, "reminder_sent", (0..count).map(ask))
    };
    vec![
        arm("known", known),
        arm("unknown", unknown),
        arm("disabled", disabled),
    ]
}

/// The same while others keep the database writing.
async fn remind_under_load(backend: Backend, effort: Effort) -> Findings {
    let (warm_up, count) = counts(effort);
    let app = service(backend, warm_up + count, |_| {}).await;
    let token = app.token(APP).await;
    let over = Arc::new(AtomicBool::new(false));
    let others = [0, 1].map(|other| {
        let (over, base, token) = (Arc::clone(&over), app.base.clone(), token.clone());
        std::thread::spawn(move || {
            let mut line = Line::open(&base);
            for number in 0.. {
                if over.load(Ordering::Relaxed) {
                    return number;
                }
                let email = format!("noise{number}@load{other}.example");
                line.ask(
                    &request(REMIND, &token, &[("email", &email)]),
                    Duration::ZERO,
                );
            }
            0
        })
    });
    let findings = compare(
        &app,
        reminders(&token, warm_up + count, 1),
        (warm_up, count),
    )
    .await;
    over.store(true, Ordering::Relaxed);
    for other in others {
        assert!(other.join().unwrap() > count / 10, "there was no load");
    }
    findings
}

/// Known against unknown addresses that were asked for too often.
async fn throttled(backend: Backend, effort: Effort) -> Findings {
    let counts = counts(effort);
    let app = service(backend, 1, |settings| {
        settings.recovery.per_hour = 2;
        settings.recovery.cooldown = TimeDelta::zero();
    })
    .await;
    let token = app.token(APP).await;
    let mut arms = Vec::new();
    for (name, email) in [
        ("known", known(0)),
        ("unknown", unknown(0)),
        ("disabled", disabled(0)),
    ] {
        for _ in 0..2 {
            assert_eq!(app.remind(&token, &email).await.said(), "200 reminder_sent");
        }
        let ask = request(REMIND, &token, &[("email", &email)]);
        arms.push(Arm::same(name, "too_many_requests", ask, counts));
    }
    app.quiet().await;
    compare(&app, arms, counts).await
}

/// One user's token with another's address, against tokens of the right form that nobody has.
async fn foreign_token(backend: Backend, effort: Effort) -> Findings {
    let (warm_up, count) = counts(effort);
    let app = service(backend, 2, |_| {}).await;
    let token = app.token(APP).await;
    let link = app.mailed_token(&token, &known(0)).await;
    let garbage = |number: usize| {
        let mut bytes = [7; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        PlainToken::<ResetToken>::from_random(bytes)
            .expose()
            .to_owned()
    };
    let ask = |link: &str| {
        let email = known(1);
        let fields = [
            ("email", email.as_str()),
            ("token", link),
            ("password", "a new secret"),
        ];
        vec![request(RESET, &token, &fields)]
    };
    let arms = vec![
        Arm::new(
            "foreign",
            "wrong_token",
            (0..warm_up + count).map(|_| ask(&link)),
        ),
        Arm::new(
            "garbage",
            "wrong_token",
            (0..warm_up + count).map(|number| ask(&garbage(number))),
        ),
    ];
    compare(&app, arms, (warm_up, count)).await
}

measured! {
    f02_reminding_takes_the_same_time_for_known_and_unknown_addresses =
        |backend, effort| remind(backend, effort, 1, Behaviour::default());
    f02_so_it_does_the_second_time_in_a_row =
        |backend, effort| remind(backend, effort, 2, Behaviour::default());
    f02_so_it_does_while_the_mail_server_is_silent =
        |backend, effort| remind(backend, effort, 1, Behaviour::stall(Stage::Dot));
    f02_so_it_does_while_the_mail_server_refuses_everybody =
        |backend, effort| remind(backend, effort, 1, Behaviour::no_such_user());
    f02_so_it_does_while_the_database_is_written_to =
        |backend, effort| remind_under_load(backend, effort);
    f03_so_it_does_for_addresses_that_were_asked_for_too_often =
        |backend, effort| throttled(backend, effort);
    f15_a_foreign_token_takes_the_same_time_as_garbage =
        |backend, effort| foreign_token(backend, effort);
}

glanced! {
    f02_reminding_takes_the_same_time_for_known_and_unknown_addresses
    f02_so_it_does_while_the_mail_server_is_silent
    f03_so_it_does_for_addresses_that_were_asked_for_too_often
    f15_a_foreign_token_takes_the_same_time_as_garbage
}
