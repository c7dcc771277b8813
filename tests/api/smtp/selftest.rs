//! The SMTP sink proved against a foreign client, so that a red mail test speaks of the service and not of the sink.
#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::MultiPart,
    transport::smtp::{
        Error,
        authentication::Mechanism,
        client::{Certificate, Tls, TlsParameters},
    },
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const LIMIT: Duration = Duration::from_secs(20);
/// Long enough to be sure that nothing comes.
const SILENCE: Duration = Duration::from_millis(1500);

/// The outer `Err` is a client that would have waited for ever.
type Outcome = Result<Result<(), Error>, tokio::time::error::Elapsed>;

fn message(to: &str, text: &str) -> Message {
    let body = MultiPart::alternative_plain_html(text.to_owned(), format!("<p>{text}</p>"));
    Message::builder()
        .from("Unforget <no-reply@example.org>".parse().unwrap())
        .to(to.parse().unwrap())
        .subject("Accès à « Lumière », ein neues Passwort für eine sehr, sehr lange Betreffzeile")
        .multipart(body)
        .unwrap()
}

async fn send(sink: &SmtpSink, to: &str) -> Outcome {
    send_text(sink, to, "hello", LIMIT).await
}

async fn send_text(sink: &SmtpSink, to: &str, text: &str, limit: Duration) -> Outcome {
    let client = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1")
        .port(sink.port())
        .build();
    let sent = tokio::time::timeout(limit, client.send(message(to, text))).await;
    sent.map(|answer| answer.map(|_| ()))
}

async fn send_tls(sink: &SmtpSink, mechanism: Mechanism, limit: Duration) -> Outcome {
    let parameters = TlsParameters::builder("localhost".into())
        .add_root_certificate(Certificate::from_pem(sink.ca_pem().as_bytes()).unwrap())
        .build()
        .unwrap();
    let tls = match sink.url_as("u", "p") {
        url if url.starts_with("smtps://u:p@localhost:") => Tls::Wrapper(parameters),
        _ => Tls::Required(parameters),
    };
    let client = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1")
        .port(sink.port())
        .tls(tls)
        .credentials(("post".to_owned(), "s3cret :&ü".to_owned()).into())
        .authentication(vec![mechanism])
        .build();
    let sent = tokio::time::timeout(limit, client.send(message("zoe@example.org", "hello"))).await;
    sent.map(|answer| answer.map(|_| ()))
}

#[tokio::test]
async fn the_sink_records_what_a_foreign_client_sends_byte_for_byte() {
    let sink = SmtpSink::start().await;
    let text = "uf_rt_0123456789abcXYZ is for you\n.\n..dots\n.hidden\nbye";
    send_text(&sink, "zoë@example.org", text, LIMIT)
        .await
        .unwrap()
        .unwrap();
    let mails = sink.wait_for(1, LIMIT).await;
    let got = &mails[0];
    assert_eq!(got.from, "no-reply@example.org");
    assert_eq!(got.to, ["zoë@example.org"]);
    assert!(got.at.elapsed() < LIMIT && got.wire.ends_with(b"\r\n.\r\n"));
    let wire = String::from_utf8(got.wire.clone()).unwrap();
    assert!(wire.contains("\r\n..\r\n...dots\r\n..hidden\r\n"));
    assert_clean_line_endings(&got.wire);

    let mail: Mail = got.parse();
    assert_eq!(mail.token(), "uf_rt_0123456789abcXYZ");
    assert_eq!(mail.text.replace('\r', "").trim_end(), text);
    assert!(mail.html.starts_with("<p>uf_rt_") && mail.html.contains("\n..dots"));
    let subject = mail.header("SUBJECT").unwrap();
    assert!(subject.starts_with("Accès à « Lumière », ein") && subject.ends_with("Betreffzeile"));
    let names: Vec<_> = mail.headers().into_iter().map(|(name, _)| name).collect();
    assert!(names.contains(&"MIME-Version".into()) && names.contains(&"From".into()));
    for dirty in [b"a\nb\r\n".as_slice(), b"a\rb\r\n", b"\n", b"a\r"] {
        let found = std::panic::catch_unwind(|| assert_clean_line_endings(dirty));
        assert!(found.is_err(), "{:?} passed as clean", dirty.escape_ascii());
    }

    sink.offer_smtputf8(false);
    assert!(send(&sink, "zoë@example.org").await.unwrap().is_err());
    assert_eq!((sink.connections(), sink.attempts()), (2, 1));
    assert!(sink.commands()[1].contains("SMTPUTF8"));
}

#[tokio::test]
async fn the_sink_fails_where_it_is_told_and_only_as_often() {
    let stages = [
        (Stage::Banner, 0),
        (Stage::Ehlo, 0),
        (Stage::Mail, 0),
        (Stage::Rcpt, 0),
        (Stage::Data, 0),
        (Stage::Dot, 1),
    ];
    join_all(stages.map(|(stage, offered)| async move {
        let sink = SmtpSink::start().await;
        sink.behave(Behaviour::stall(stage).first(1));
        let silent = send_text(&sink, "a@example.org", "hello", SILENCE).await;
        assert!(silent.is_err(), "{stage:?}");
        assert_eq!(sink.offered().len(), offered, "{stage:?}");
        send(&sink, "a@example.org").await.unwrap().unwrap();
        assert_eq!(sink.received().len(), 1, "{stage:?}");
    }))
    .await;

    let sink = SmtpSink::start().await;
    let refusals = [
        (Behaviour::later(), 451),
        (Behaviour::no_such_user(), 550),
        (refusing(|b| &mut b.banner_reply, "421 busy"), 421),
        (refusing(|b| &mut b.mail_reply, "452 full"), 452),
        (refusing(|b| &mut b.data_reply, "554 spam"), 554),
    ];
    for (behaviour, code) in refusals {
        sink.behave(behaviour);
        let error = send(&sink, "a@example.org").await.unwrap().unwrap_err();
        assert_eq!(error.status().map(u16::from), Some(code));
    }
    assert_eq!((sink.received().len(), sink.offered().len()), (0, 1));

    let drops = [
        (DropAt::BeforeBanner, false, 0),
        (DropAt::AfterDataStart, false, 0),
        (DropAt::AfterDotBeforeReply, false, 1),
        (DropAt::AfterReplyBeforeQuit, true, 1),
    ];
    for (at, told, accepted) in drops {
        let before = sink.received().len();
        sink.behave(Behaviour::drop(at));
        let answer = send(&sink, "a@example.org").await.unwrap();
        assert_eq!(answer.is_ok(), told, "{at:?}");
        assert_eq!(sink.received().len() - before, accepted, "{at:?}");
    }

    sink.behave(Behaviour {
        delay: Duration::from_millis(10),
        ..Behaviour::default()
    });
    let start = Instant::now();
    let both = tokio::join!(send(&sink, "a@example.org"), send(&sink, "b@example.org"));
    both.0.unwrap().unwrap();
    both.1.unwrap().unwrap();
    assert!(start.elapsed() >= Duration::from_millis(60));
    assert!(sink.max_parallel() >= 2);

    sink.stop();
    assert!(send(&sink, "a@example.org").await.unwrap().is_err());
    sink.resume().await;
    assert!(sink.url().ends_with(&sink.port().to_string()));
    send(&sink, "c@example.org").await.unwrap().unwrap();
    let port = sink.port();
    drop(sink);
    let sink = SmtpSink::start_on(port).await;
    send(&sink, "d@example.org").await.unwrap().unwrap();
    assert_eq!(sink.received().len(), 1);
}

#[tokio::test]
async fn the_sink_speaks_tls_and_plays_the_man_in_the_middle() {
    for (mode, mechanism) in [
        (TlsMode::StartTls, Mechanism::Plain),
        (TlsMode::Implicit, Mechanism::Login),
    ] {
        let sink = SmtpSink::start_tls(mode).await;
        send_tls(&sink, mechanism, LIMIT).await.unwrap().unwrap();
        let login = ("post".to_owned(), "s3cret :&ü".to_owned());
        sink.behave(refusing(|b| &mut b.auth_reply, "535 5.7.8 no"));
        let error = send_tls(&sink, mechanism, LIMIT)
            .await
            .unwrap()
            .unwrap_err();
        assert_eq!(error.status().map(u16::from), Some(535));
        assert_eq!(sink.credentials(), [login.clone(), login]); // once accepted, once refused
        sink.behave(Behaviour::stall(Stage::Auth));
        assert!(send_tls(&sink, mechanism, SILENCE).await.is_err());
        assert_eq!(sink.received().len(), 1);
    }

    let stripped = SmtpSink::start_tls(TlsMode::Stripped).await;
    let other = SmtpSink::start_tls_as(TlsMode::Implicit, Identity::OtherName).await;
    let expired = SmtpSink::start_tls_as(TlsMode::StartTls, Identity::Expired).await;
    for sink in [stripped, other, expired] {
        let answer = send_tls(&sink, Mechanism::Plain, LIMIT).await.unwrap();
        assert!(answer.is_err() && sink.connections() > 0);
        assert!(sink.credentials().is_empty() && sink.attempts() == 0);
    }

    let injecting = SmtpSink::start_tls(TlsMode::Injecting).await;
    let address = ("127.0.0.1", injecting.port());
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let talk = b"EHLO x\r\nSTARTTLS\r\n";
    socket.write_all(talk).await.unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(b"go\r\n250-localhost\r\n250 AUTH LOGIN\r\n") {
        assert!(socket.read_buf(&mut heard).await.unwrap() > 0);
    }
}

fn refusing(field: fn(&mut Behaviour) -> &mut Option<String>, reply: &str) -> Behaviour {
    let mut behaviour = Behaviour::default();
    *field(&mut behaviour) = Some(reply.to_owned());
    behaviour
}
