//! The token endpoint: who asks, whether a token is issued, and that it is stored (RFC 6749 section 4.4).

use std::sync::{Arc, PoisonError};

use chrono::TimeDelta;

use super::TokenError;
use super::assertion::{self, ClientAssertion};
use super::authentication::Authentication;
use super::dpop::{Proof, Unproven};
use super::grant::decide;
use super::known::{Age, Known, KnownClient};
use super::refused::{Claimed, audited};
use crate::domain::audit::{Act, Entry, Origin};
use crate::domain::{AccessToken, Client, ClientId, Instant, PlainToken, Scopes};
use crate::entropy;
use crate::storage::access_tokens::{self, NewAccessToken};
use crate::storage::issue::Issue;
use crate::storage::{AnyConnection, Storage, StorageError, audit};

/// A token request whose form is right. What it asks for is judged here.
#[derive(Debug, Clone)]
pub struct TokenRequest {
    /// `grant_type`, when it was sent.
    pub grant_type: Option<String>,
    /// `scope`, when it was sent.
    pub scope: Option<String>,
    /// How the client says who it is.
    pub authentication: Authentication,
    /// The proof of a key that the token is to be bound to (RFC 9449 section 5).
    pub proof: Option<Result<Proof, Unproven>>,
}

/// What a new token needs besides the request.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// The time of issue.
    pub now: Instant,
    /// How long tokens live whose client states nothing else.
    pub lifetime: TimeDelta,
    /// 256 random bits.
    pub random: [u8; 32],
}

/// A token that was issued.
#[derive(Debug)]
pub struct Issued {
    /// The client that it was issued to.
    pub client_id: ClientId,
    /// The token, in clear here and nowhere else.
    pub token: PlainToken<AccessToken>,
    /// What it carries.
    pub scopes: Scopes,
    /// How long it lives.
    pub lifetime: TimeDelta,
    /// The thumbprint of the key that it is bound to.
    pub jkt: Option<[u8; 32]>,
}

/// Authenticates the client and issues a token; the audit is told, whatever comes of it.
pub async fn issue(
    storage: &Storage,
    known: &Known,
    request: TokenRequest,
    issuer: &str,
    terms: Terms,
    origin: Origin,
) -> Result<Issued, TokenError> {
    let claimed = Claimed::from(&request.authentication);
    let ended = issue_to_client(storage, known, request, issuer, terms, &origin).await;
    audited(storage, ended, Act::TokenIssue, claimed, origin, terms.now).await
}

/// Decides by what is known of the client, and stores the token if that still holds.
async fn issue_to_client(
    storage: &Storage,
    known: &Known,
    mut request: TokenRequest,
    issuer: &str,
    terms: Terms,
    origin: &Origin,
) -> Result<Issued, TokenError> {
    // Before the client is known: many libraries send the same assertion again with the nonce that they are given.
    if let Some(Err(why)) = request.proof {
        return Err(why.into());
    }
    let readings = match std::mem::replace(&mut request.authentication, Authentication::None) {
        Authentication::None => return Err(request.refusal_of_nobody()),
        Authentication::Secret(readings) => readings,
        Authentication::Assertion(assertion) => {
            return issue_to_signer(storage, request, &assertion, issuer, terms, origin).await;
        }
    };
    // What is remembered may be old: what does not hold any more is found out by the write, or refused. Then storage is asked.
    for age in [Age::Any, Age::None] {
        let client = known.client(&readings, age, terms.now).await?;
        let (client, secret) = client.ok_or_else(|| request.refusal_of_nobody())?;
        let issued = match grant(&request, &client, terms) {
            Ok(issued) => issued,
            Err(_) if age == Age::Any => {
                known.forget(&client.client, &secret);
                continue;
            }
            Err(error) => return Err(error),
        };
        let issue = Issue {
            token: issued.row(terms.now),
            client: Arc::clone(&client.client),
            secret,
            entry: issued.entry(terms.now, origin),
        };
        let secret = issue.secret.clone();
        let stored = match request.proof {
            None => storage.issue(issue).await?,
            Some(_) => {
                let request = request.clone();
                let store = storage.write(move |c| {
                    redeem(c, &request)??;
                    match access_tokens::insert_if_authentic(c, &issue)? {
                        true => Ok(()),
                        false => Err(TokenError::InvalidClient), // and the proof is not used up
                    }
                });
                match store.await {
                    Err(TokenError::InvalidClient) => false,
                    other => other.map(|()| true)?,
                }
            }
        };
        if stored {
            if age == Age::Any {
                known.used(&client, &secret, terms.now).await;
            }
            return Ok(issued);
        }
        known.forget(&client.client, &secret);
    }
    Err(request.refusal_of_nobody())
}

/// What oxide-auth decides, or has decided a moment ago about the same request of the same client.
fn grant(request: &TokenRequest, known: &KnownClient, terms: Terms) -> Result<Issued, TokenError> {
    let client = &known.client;
    let is_usual =
        request.proof.is_none() && request.grant_type.as_deref() == Some("client_credentials");
    let granted = || known.granted.lock().unwrap_or_else(PoisonError::into_inner);
    if is_usual
        && let Some((asked, scopes)) = &*granted()
        && *asked == request.scope
    {
        return Ok(Issued::new(client, *scopes, terms));
    }
    let issued = decide(request, client.id.as_str(), Some(client), terms)?;
    if is_usual {
        *granted() = Some((request.scope.clone(), issued.scopes));
    }
    Ok(issued)
}

/// The assertion is used up by whatever is decided, once it has proved who asks.
async fn issue_to_signer(
    storage: &Storage,
    request: TokenRequest,
    assertion: &ClientAssertion,
    issuer: &str,
    terms: Terms,
    origin: &Origin,
) -> Result<Issued, TokenError> {
    match request.refusal_of_nobody() {
        TokenError::InvalidClient => {}
        other => return Err(other),
    }
    let proven = assertion::verify(storage, assertion, issuer, terms.now).await?;
    let origin = origin.clone();
    let decided = storage.write(move |c| {
        let client = proven.redeem(c)?;
        let id = client.id.clone();
        let decided = decide(&request, id.as_str(), Some(&client), terms);
        let Ok(issued) = &decided else {
            return Ok(decided);
        };
        if let Err(used) = redeem(c, &request)? {
            return Ok(Err(used));
        }
        access_tokens::insert(c, &issued.row(terms.now))?;
        audit::record(c, &issued.entry(terms.now, &origin))?;
        Ok::<_, TokenError>(decided)
    });
    decided.await?
}

/// Uses the proof up, if there is one.
fn redeem(
    c: &mut AnyConnection,
    request: &TokenRequest,
) -> Result<Result<(), TokenError>, StorageError> {
    match &request.proof {
        Some(Ok(proof)) if !proof.redeem(c)? => Ok(Err(TokenError::InvalidProof)),
        _ => Ok(Ok(())),
    }
}

impl TokenRequest {
    /// The thumbprint of the key that the client has proved to have.
    pub(super) fn proof_of_key(&self) -> Option<[u8; 32]> {
        let proof = self.proof.as_ref()?;
        proof.as_ref().ok().map(|proof| proof.jkt)
    }

    /// What does not depend on the client is told even to one that did not authenticate.
    fn refusal_of_nobody(&self) -> TokenError {
        match self.grant_type.as_deref() {
            None => TokenError::InvalidRequest("grant_type is missing"),
            Some("client_credentials") => TokenError::InvalidClient,
            Some(_) => TokenError::UnsupportedGrantType,
        }
    }
}

impl Issued {
    /// A new token for this client.
    pub(super) fn new(client: &Client, scopes: Scopes, terms: Terms) -> Self {
        Self {
            client_id: client.id.clone(),
            token: PlainToken::from_random(terms.random),
            scopes,
            lifetime: client.token_lifetime.unwrap_or(terms.lifetime),
            jkt: None,
        }
    }

    fn entry(&self, now: Instant, origin: &Origin) -> Entry {
        let entry = Entry::new(entropy::id(now), now, Act::TokenIssue, origin.clone());
        entry.by_client(&self.client_id)
    }

    fn row(&self, now: Instant) -> NewAccessToken {
        NewAccessToken {
            digest: self.token.hashed(),
            client_id: self.client_id.clone(),
            subject: None,
            scopes: self.scopes,
            created_at: now,
            expires_at: now + self.lifetime,
            jkt: self.jkt,
        }
    }
}
