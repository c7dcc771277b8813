//! After the last crash: every mail that was owed has arrived, what had ended stays ended, and nobody's password has changed since.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use unforget::domain::mail::MailKind;
use unforget::storage::mails::MailReport;

use super::rig::Rig;

impl Rig {
    /// Ends the run.
    pub(super) async fn finish(mut self) {
        for token in &self.dead {
            assert!(!self.works(token).await, "a token came back");
        }
        for (email, hash) in &self.settled {
            let user = self.site.stored(email).await;
            let now = user.and_then(|user| user.password_hash);
            let now = now.map(|hash| hash.as_str().to_owned());
            assert_eq!(&now, hash, "{email}");
        }
        self.deliver_all().await;
        self.site.assert_sound();
        let mails = self.site.flows.list_mails(None, 1_000_000).await.unwrap();
        let mut copies: HashMap<String, Vec<String>> = HashMap::new();
        for mail in self.site.sink.received() {
            let id = mail.parse().header("Message-ID").unwrap();
            copies.entry(id).or_default().extend(mail.to);
        }
        let mut twice = 0;
        for report in &mails {
            let id = format!("<{}@unforget.example>", report.mail.id);
            let to = copies.remove(&id).unwrap_or_default();
            let arrivals = arrivals(report);
            assert!(arrivals.contains(&to.len()), "{to:?}: {report:?}");
            assert!(to.iter().all(|to| *to == recipient(report)), "{to:?}");
            twice += usize::from(to.len() > 1);
        }
        // What was never owed was never sent.
        assert!(copies.is_empty(), "{copies:?}");
        eprintln!(
            "{} mails, {twice} of them twice; {:?}",
            mails.len(),
            self.seen
        );
    }
}

/// How often a mail may have arrived: at least once, and once more only for an attempt that a crash has cut off. A mail with a link
/// that was used meanwhile is not tried again.
fn arrivals(report: &MailReport) -> RangeInclusive<usize> {
    let most = usize::try_from(report.mail.attempts).unwrap();
    match (report.state.as_str(), &report.mail.kind) {
        ("sent", _) => 1..=most,
        ("skipped", MailKind::Reset { address_key }) if address_key.starts_with("reset.") => {
            1..=most
        }
        (state, _) => panic!("{state}: {report:?}"),
    }
}

fn recipient(report: &MailReport) -> String {
    match &report.mail.kind {
        MailKind::Reset { address_key } => address_key.clone(),
        MailKind::PasswordChanged { recipient, .. } => recipient.as_ref().unwrap().to_text(),
        MailKind::EmailChanged { recipient, .. } => recipient.to_text(),
    }
}
