//! One SMTP conversation of the sink, from the connect to the last byte (RFC 5321).

use std::{
    io::{Error, Result},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use tokio::net::TcpListener;

use super::{
    behaviour::{DropAt, Fault, Stage},
    envelope::{Sender, path},
    received::Received,
    shared::Shared,
    tls::TlsMode,
    wire::Wire,
};

/// Takes connections for ever, each in a task of its own.
pub(super) async fn accept(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    loop {
        if let Ok((socket, _)) = listener.accept().await {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                let _open = shared.open();
                // An error is only the end of this session: the client went away, or the script said so.
                let _ = Session::new(Wire::new(socket), &shared).run().await;
            });
        }
    }
}

struct Session<'a> {
    shared: &'a Shared,
    wire: Wire,
    secure: bool,
    greeted: bool,
    from: Option<Sender>,
    to: Vec<String>,
}

impl<'a> Session<'a> {
    fn new(wire: Wire, shared: &'a Shared) -> Self {
        Self {
            shared,
            wire,
            secure: false,
            greeted: false,
            from: None,
            to: Vec::new(),
        }
    }

    async fn run(mut self) -> Result<()> {
        self.hang_up(DropAt::BeforeBanner)?;
        if self.mode() == Some(TlsMode::Implicit) {
            self = self.encrypt().await?;
        }
        self.answer(Stage::Banner, "220 localhost ESMTP sink")
            .await?;
        loop {
            let line = self.wire.line().await?;
            self.shared.log().commands.push(line.clone());
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match verb.to_ascii_uppercase().as_str() {
                "EHLO" => self.ehlo().await?,
                "HELO" => self.greeted = self.answer(Stage::Ehlo, "250 localhost").await?,
                "STARTTLS" if self.offers_starttls() => self = self.start_tls().await?,
                "AUTH" => self.auth(rest).await?,
                "MAIL" => self.mail(rest).await?,
                "RCPT" => self.rcpt(rest).await?,
                "DATA" => self.data().await?,
                "RSET" => {
                    self.reset();
                    self.say("250 2.0.0 ok").await?;
                }
                "NOOP" => drop(self.answer(Stage::Noop, "250 2.0.0 ok").await?),
                "QUIT" => return self.answer(Stage::Quit, "221 2.0.0 bye").await.map(drop),
                _ => self.say("502 5.5.1 not known here").await?,
            }
        }
    }

    async fn ehlo(&mut self) -> Result<()> {
        let mut lines = vec!["localhost", "8BITMIME", "ENHANCEDSTATUSCODES"];
        if self.shared.log().smtputf8 {
            lines.push("SMTPUTF8");
        }
        if self.offers_starttls() {
            lines.push("STARTTLS");
        }
        match self.mode() {
            Some(TlsMode::Injecting) if self.secure => lines.push("AUTH PLAIN"),
            mode if self.secure || mode == Some(TlsMode::Stripped) => {
                lines.push("AUTH PLAIN LOGIN");
            }
            _ => {}
        }
        let last = lines.pop().unwrap_or_default();
        let mut reply: String = lines.iter().map(|line| format!("250-{line}\r\n")).collect();
        reply.push_str(&format!("250 {last}"));
        self.reset();
        self.greeted = self.answer(Stage::Ehlo, &reply).await?;
        Ok(())
    }

    async fn start_tls(mut self) -> Result<Self> {
        let go = match self.mode() {
            Some(TlsMode::Injecting) => "220 2.0.0 go\r\n250-localhost\r\n250 AUTH LOGIN",
            _ => "220 2.0.0 go",
        };
        if !self.answer(Stage::StartTls, go).await? {
            return Ok(self);
        }
        self.answer_instead(Stage::Handshake).await?;
        self.encrypt().await
    }

    /// From here on in TLS. All that was said before it is forgotten (RFC 3207 section 4.2).
    async fn encrypt(self) -> Result<Self> {
        let tls = self.shared.tls.as_ref().ok_or(Error::other("no TLS"))?;
        Ok(Self {
            wire: self.wire.encrypt(&tls.acceptor).await?,
            secure: true,
            greeted: false,
            from: None,
            ..self
        })
    }

    async fn auth(&mut self, rest: &str) -> Result<()> {
        let (mechanism, initial) = rest.split_once(' ').unwrap_or((rest, ""));
        let login = match mechanism.to_ascii_uppercase().as_str() {
            "PLAIN" => {
                let secret = self.response(initial, "334 ").await?;
                let mut parts = secret.split('\0').skip(1).map(str::to_owned);
                parts.next().zip(parts.next())
            }
            "LOGIN" => {
                let user = self.response(initial, "334 VXNlcm5hbWU6").await?;
                Some((user, self.response("", "334 UGFzc3dvcmQ6").await?))
            }
            _ => return self.say("504 5.5.4 no such mechanism").await,
        };
        let Some(login) = login else {
            return self.say("501 5.5.2 not a login").await;
        };
        self.shared.log().credentials.push(login);
        self.answer(Stage::Auth, "235 2.7.0 welcome").await?;
        Ok(())
    }

    /// What the client said at once, or says when it is asked.
    async fn response(&mut self, initial: &str, question: &str) -> Result<String> {
        let line = if initial.is_empty() {
            self.say(question).await?;
            self.wire.line().await?
        } else {
            initial.to_owned()
        };
        let bytes = STANDARD.decode(line.trim()).unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    async fn mail(&mut self, rest: &str) -> Result<()> {
        let Some((address, parameters)) = path(rest) else {
            return self.say("501 5.5.4 no address").await;
        };
        if !self.greeted || self.from.is_some() {
            return self.say("503 5.5.1 not now").await;
        }
        let offered = self.shared.log().smtputf8;
        let utf8 = parameters
            .split_whitespace()
            .any(|p| p.eq_ignore_ascii_case("SMTPUTF8"));
        if utf8 && !offered {
            return self.say("555 5.5.4 no SMTPUTF8 here").await;
        }
        if !utf8 && !address.is_ascii() {
            return self.say("553 5.6.7 address is not ASCII").await;
        }
        if self.answer(Stage::Mail, "250 2.1.0 ok").await? {
            self.from = Some(Sender {
                address: address.to_owned(),
                utf8,
                counted: false,
            });
        }
        Ok(())
    }

    async fn rcpt(&mut self, rest: &str) -> Result<()> {
        let Some((address, _)) = path(rest) else {
            return self.say("501 5.5.4 no address").await;
        };
        let Some(from) = &mut self.from else {
            return self.say("503 5.5.1 MAIL first").await;
        };
        if !from.counted {
            from.counted = true;
            self.shared.log().attempts += 1;
        }
        if !from.utf8 && !address.is_ascii() {
            return self.say("553 5.6.7 address is not ASCII").await;
        }
        if self.answer(Stage::Rcpt, "250 2.1.5 ok").await? {
            self.to.push(address.to_owned());
        }
        Ok(())
    }

    async fn data(&mut self) -> Result<()> {
        if self.to.is_empty() {
            return self.say("503 5.5.1 RCPT first").await;
        }
        if !self.answer(Stage::Data, "354 end with a dot").await? {
            return Ok(());
        }
        self.hang_up(DropAt::AfterDataStart)?;
        self.answer_instead(Stage::Body).await?;
        let wire = self.wire.message().await?;
        let from = self.from.take().map(|from| from.address);
        let to = std::mem::take(&mut self.to);
        let message = |accepted| Received::new(from.unwrap_or_default(), to, wire, accepted);

        if self.hang_up(DropAt::AfterDotBeforeReply).is_err() {
            self.shared.record(message(true));
            return Err(Error::other("hung up"));
        }
        // Recorded before the answer: who has heard it must find the message here.
        let fault = self.shared.log().behaviour.fault(Stage::Dot);
        match fault {
            None => {
                self.shared.record(message(true));
                self.say("250 2.0.0 accepted").await?;
            }
            Some(Fault::Reply(reply)) => {
                self.shared.record(message(reply.starts_with('2')));
                self.say(&reply).await?;
            }
            Some(Fault::Silence) => {
                self.shared.record(message(false));
                self.wire.silence().await?;
            }
            Some(Fault::HangUp) => {
                self.shared.record(message(false));
                return Err(Error::other("hung up"));
            }
        }
        self.hang_up(DropAt::AfterReplyBeforeQuit)
    }

    /// Where no reply is due: a fault is the end of the session.
    async fn answer_instead(&mut self, stage: Stage) -> Result<()> {
        let fault = self.shared.log().behaviour.fault(stage);
        match fault {
            None => return Ok(()),
            Some(Fault::Reply(reply)) => self.say(&reply).await?,
            Some(Fault::Silence) => {}
            Some(Fault::HangUp) => return Err(Error::other("hung up")),
        }
        self.wire.silence().await?;
        Err(Error::other("hung up"))
    }

    /// Gives the reply of this stage; false when the script made it a refusal.
    async fn answer(&mut self, stage: Stage, good: &str) -> Result<bool> {
        let fault = self.shared.log().behaviour.fault(stage);
        match fault {
            None => self.say(good).await.map(|()| true),
            Some(Fault::Reply(reply)) => {
                self.say(&reply).await?;
                Ok(reply.starts_with('2'))
            }
            Some(Fault::Silence) => self.wire.silence().await.map(|()| false),
            Some(Fault::HangUp) => Err(Error::other("hung up")),
        }
    }

    async fn say(&mut self, reply: &str) -> Result<()> {
        let delay = self.shared.log().behaviour.delay;
        self.wire.say(reply, delay).await
    }

    fn hang_up(&self, at: DropAt) -> Result<()> {
        match self.shared.log().behaviour.hangs_up(at) {
            true => Err(Error::other("hung up")),
            false => Ok(()),
        }
    }

    fn mode(&self) -> Option<TlsMode> {
        self.shared.tls.as_ref().map(|tls| tls.mode)
    }

    fn offers_starttls(&self) -> bool {
        let offers = matches!(self.mode(), Some(TlsMode::StartTls | TlsMode::Injecting));
        offers && !self.secure
    }

    fn reset(&mut self) {
        self.from = None;
        self.to.clear();
    }
}
