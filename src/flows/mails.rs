//! An operator looks at the queue of mails.

use uuid::Uuid;

use super::Flows;
use crate::domain::mail::MailState;
use crate::storage::mails::MailReport;
use crate::storage::{StorageError, mails};

impl Flows {
    /// The newest mails, in the given state or in any.
    pub async fn list_mails(
        &self,
        state: Option<MailState>,
        limit: i64,
    ) -> Result<Vec<MailReport>, StorageError> {
        self.storage
            .read(move |c| mails::list(c, state, limit))
            .await
    }

    /// Queues a failed or waiting mail for an immediate try. Says whether there was one that could be tried.
    pub async fn retry_mail(&self, id: Uuid) -> Result<bool, StorageError> {
        let now = self.clock.now();
        self.storage.write(move |c| mails::retry(c, id, now)).await
    }
}
