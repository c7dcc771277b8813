//! What can be done, and how orders of it are made up. Everything is said by what it is, not by a number that the state decides the
//! meaning of, so that an order can be cut down and stays the same order.

use proptest::collection::vec;
use proptest::prelude::{BoxedStrategy, Strategy};
use proptest::prop_oneof;
use proptest::sample::select;

/// One of the two users.
#[derive(Debug, Clone, Copy)]
pub(super) enum Who {
    Ann,
    Bob,
}

impl Who {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Ann => Self::Bob,
            Self::Bob => Self::Ann,
        }
    }
}

/// A password that is to be set.
#[derive(Debug, Clone, Copy)]
pub(super) enum New {
    Good,
    Short,
    Nul,
}

/// What somebody says that the password is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Old {
    Right,
    Wrong,
    OfTheOther,
}

/// Something that is shown as a link's token.
#[derive(Debug, Clone, Copy)]
pub(super) enum Link {
    Newest(Who),
    Oldest(Who),
    Dead(Who),
    Session(Who),
    MadeUp,
}

/// Whose bearer token is shown where an administrator's is needed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Bearer {
    Admin,
    App,
    OwnSession,
    OwnLink,
}

/// One call, or time that passes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    Remind(Who),
    Check(Link),
    Reset(Who, Link, New),
    Change(Who, Old, New),
    ChangeOwn(Who, Old, New),
    ChangeByDeadSession(Who, New),
    Verify(Who, Old),
    SignIn(Who, Old),
    RevokeSession(Who),
    RevokeSessionOfAnotherClient(Who),
    AdminSet(Who, Bearer, New),
    Disable(Who),
    Enable(Who),
    Delete(Who),
    Create(Who),
    Move(Who),
    MoveOntoTheOther(Who),
    OutliveLinks,
    OutliveSessions,
}

fn who() -> impl Strategy<Value = Who> {
    select(vec![Who::Ann, Who::Bob])
}

fn new() -> impl Strategy<Value = New> {
    prop_oneof![4 => select(vec![New::Good]), 1 => select(vec![New::Short, New::Nul])]
}

fn old() -> impl Strategy<Value = Old> {
    prop_oneof![2 => select(vec![Old::Right]), 1 => select(vec![Old::Wrong, Old::OfTheOther])]
}

fn link() -> impl Strategy<Value = Link> {
    let of = |who| {
        vec![
            Link::Newest(who),
            Link::Oldest(who),
            Link::Dead(who),
            Link::Session(who),
        ]
    };
    prop_oneof![
        12 => who().prop_flat_map(move |who| select(of(who))),
        1 => select(vec![Link::MadeUp]),
    ]
}

fn bearer() -> impl Strategy<Value = Bearer> {
    select(vec![
        Bearer::Admin,
        Bearer::Admin,
        Bearer::App,
        Bearer::OwnSession,
        Bearer::OwnLink,
    ])
}

fn act() -> BoxedStrategy<Act> {
    let own_link = |who: Who| select(vec![Link::Newest(who), Link::Oldest(who), Link::Dead(who)]);
    let reset_own = who().prop_flat_map(move |who| {
        (own_link(who), new()).prop_map(move |(link, new)| Act::Reset(who, link, new))
    });
    prop_oneof![
        6 => who().prop_map(Act::Remind),
        2 => link().prop_map(Act::Check),
        4 => reset_own,
        2 => (who(), link(), new()).prop_map(|(who, link, new)| Act::Reset(who, link, new)),
        2 => (who(), old(), new()).prop_map(|(who, old, new)| Act::Change(who, old, new)),
        2 => (who(), old(), new()).prop_map(|(who, old, new)| Act::ChangeOwn(who, old, new)),
        1 => (who(), new()).prop_map(|(who, new)| Act::ChangeByDeadSession(who, new)),
        1 => (who(), old()).prop_map(|(who, old)| Act::Verify(who, old)),
        3 => (who(), old()).prop_map(|(who, old)| Act::SignIn(who, old)),
        1 => who().prop_map(Act::RevokeSession),
        1 => who().prop_map(Act::RevokeSessionOfAnotherClient),
        2 => (who(), bearer(), new()).prop_map(|(who, bearer, new)| Act::AdminSet(who, bearer, new)),
        1 => who().prop_map(Act::Disable),
        2 => who().prop_map(Act::Enable),
        1 => who().prop_map(Act::Delete),
        2 => who().prop_map(Act::Create),
        1 => who().prop_map(Act::Move),
        1 => who().prop_map(Act::MoveOntoTheOther),
        1 => select(vec![Act::OutliveLinks, Act::OutliveSessions]),
    ]
    .boxed()
}

/// Orders of up to forty acts.
pub(super) fn orders() -> impl Strategy<Value = Vec<Act>> {
    vec(act(), 1..40)
}
