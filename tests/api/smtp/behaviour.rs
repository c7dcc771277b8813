//! The script of the SMTP sink: at which stage it refuses, falls silent or hangs up.

use std::time::Duration;

/// What the sink does. The default is a good server that accepts everything.
///
/// A reply is a whole line without its end, such as `451 4.7.1 later`; one that begins with `2` accepts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Behaviour {
    /// In place of the greeting.
    pub(crate) banner_reply: Option<String>,
    /// To AUTH, after the credentials were recorded.
    pub(crate) auth_reply: Option<String>,
    /// To MAIL FROM.
    pub(crate) mail_reply: Option<String>,
    /// To RCPT TO.
    pub(crate) rcpt_reply: Option<String>,
    /// To the final dot, that is, to the whole message.
    pub(crate) data_reply: Option<String>,
    /// Say nothing for ever once this stage is reached.
    pub(crate) stall_at: Option<Stage>,
    /// Hang up here.
    pub(crate) drop_at: Option<DropAt>,
    /// Whatever goes wrong at this stage.
    pub(crate) fault_at: Option<(Stage, Fault)>,
    /// How many times a fault above strikes before the sink is good again; `None`: always.
    pub(crate) times: Option<usize>,
    /// Wait so long before each reply. Not a fault: `times` does not end it.
    pub(crate) delay: Duration,
    /// How often a fault has struck.
    pub(crate) struck: usize,
}

/// The moments of a session that have a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Connected, no greeting yet.
    Banner,
    /// EHLO or HELO was sent.
    Ehlo,
    /// STARTTLS was sent.
    StartTls,
    /// The client waits for the TLS handshake; a reply comes in the clear.
    Handshake,
    /// The credentials were sent.
    Auth,
    /// MAIL FROM was sent.
    Mail,
    /// RCPT TO was sent.
    Rcpt,
    /// DATA was sent, but not the message.
    Data,
    /// The message is on its way, and nobody keeps it.
    Body,
    /// The whole message was sent. While it stalls here, the message does not count as accepted.
    Dot,
    /// The client asks whether anybody is still there.
    Noop,
    /// The client says good-bye.
    Quit,
}

/// The places where the sink can hang up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DropAt {
    /// Right after the connect.
    BeforeBanner,
    /// After its 354, before the message.
    AfterDataStart,
    /// The message is accepted, but the client never hears of it.
    AfterDotBeforeReply,
    /// The client has heard `250`, and its QUIT finds nobody.
    AfterReplyBeforeQuit,
}

impl Behaviour {
    /// Greylisting, or a server with a problem: `451` to each RCPT.
    pub(crate) fn later() -> Self {
        Self {
            rcpt_reply: Some("451 4.7.1 later".into()),
            ..Self::default()
        }
    }

    /// A mailbox that does not exist: `550` to each RCPT.
    pub(crate) fn no_such_user() -> Self {
        Self {
            rcpt_reply: Some("550 5.1.1 no such user".into()),
            ..Self::default()
        }
    }

    /// Silence from this stage on.
    pub(crate) fn stall(stage: Stage) -> Self {
        Self {
            stall_at: Some(stage),
            ..Self::default()
        }
    }

    /// This fault at this stage.
    pub(crate) fn at(stage: Stage, fault: Fault) -> Self {
        Self {
            fault_at: Some((stage, fault)),
            ..Self::default()
        }
    }

    /// A lost connection.
    pub(crate) fn drop(at: DropAt) -> Self {
        Self {
            drop_at: Some(at),
            ..Self::default()
        }
    }

    /// The same, but only the first `times` times; then the sink is good.
    pub(crate) fn first(self, times: usize) -> Self {
        Self {
            times: Some(times),
            ..self
        }
    }

    fn reply_at(&self, stage: Stage) -> Option<&String> {
        match stage {
            Stage::Banner => self.banner_reply.as_ref(),
            Stage::Auth => self.auth_reply.as_ref(),
            Stage::Mail => self.mail_reply.as_ref(),
            Stage::Rcpt => self.rcpt_reply.as_ref(),
            Stage::Dot => self.data_reply.as_ref(),
            _ => None,
        }
    }

    /// The fault that strikes at `stage`, used up by asking.
    pub(super) fn fault(&mut self, stage: Stage) -> Option<Fault> {
        if self.stall_at == Some(stage) {
            return self.strike().then_some(Fault::Silence);
        }
        if let Some((at, fault)) = self.fault_at.clone()
            && at == stage
        {
            return self.strike().then_some(fault);
        }
        let reply = self.reply_at(stage)?.clone();
        self.strike().then_some(Fault::Reply(reply))
    }

    /// Whether to hang up here, used up by asking.
    pub(super) fn hangs_up(&mut self, at: DropAt) -> bool {
        self.drop_at == Some(at) && self.strike()
    }

    fn strike(&mut self) -> bool {
        let strikes = match &mut self.times {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        };
        self.struck += usize::from(strikes);
        strikes
    }
}

/// What can go wrong where a reply is due.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// Nothing is said any more.
    Silence,
    /// This is said instead, whether or not it is SMTP.
    Reply(String),
    /// The connection is closed.
    HangUp,
}
