//! What handlers get.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use chrono::TimeDelta;
use ipnet::IpNet;

use crate::domain::audit::{Act, Origin};
use crate::domain::{AddressForm, Client, ClientId};
use crate::flows::Flows;
use crate::oauth::dpop::Dpop;
use crate::oauth::{self, Authentication, Claimed, Known, TokenError};

/// The service, as a request sees it. One for all threads.
pub struct App {
    /// What the service does.
    pub flows: Flows,
    /// The clients and tokens that were seen a moment ago.
    pub known: Known,
    /// Checks proofs of possession.
    pub dpop: Dpop,
    /// How long application tokens live whose client states nothing else.
    pub token_lifetime: TimeDelta,
    /// The client on whose behalf calls of the Interslice contract run that carry no token.
    pub interslice_client: Option<ClientId>,
    /// Whether the outside of us speaks TLS: then browsers are told to insist on it.
    pub https: bool,
    /// The proxies whose word on the caller's address is taken.
    pub trusted_proxies: Arc<Vec<IpNet>>,
    /// The web origins whose scripts may call.
    pub cors_origins: Vec<String>,
    /// The client on whose behalf the page asks for mails; none when it does not.
    pub page_client: Option<ClientId>,
    /// How addresses of callers are written down.
    pub address_form: AddressForm,
    /// How often one may call; none when limits are off.
    pub limits: Option<LimitRules>,
    /// Whether the service is about to stop: whoever shares calls out is to send them elsewhere.
    pub leaving: AtomicBool,
}

/// How often one may call.
#[derive(Debug, Clone, Copy)]
pub struct LimitRules {
    /// For each address, on `/oauth/token`.
    pub token: Rate,
    /// For each client, on the API.
    pub api: Rate,
    /// For each address, on what the page sends.
    pub page: Rate,
}

/// A bucket that holds `burst` calls and gets `per_minute` new ones a minute.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// Calls a minute in the long run.
    pub per_minute: u32,
    /// Calls at once.
    pub burst: u32,
}

impl App {
    /// Finds the client that a call of an OAuth2 endpoint comes from. A refusal is one of the act that it was called for.
    pub async fn authenticate(
        &self,
        authentication: Authentication,
        act: Act,
        origin: Origin,
    ) -> Result<Arc<Client>, TokenError> {
        let (now, storage) = (self.flows.clock.now(), &self.flows.storage);
        let claimed = Claimed::from(&authentication);
        let ended = oauth::authenticate(
            storage,
            &self.known,
            authentication,
            &self.flows.public_url,
            now,
        );
        oauth::audited(storage, ended.await, act, claimed, origin, now).await
    }
}
