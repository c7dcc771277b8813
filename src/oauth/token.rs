//! The token endpoint: who asks, whether a token is issued, and that it is stored (RFC 6749 section 4.4).

use chrono::TimeDelta;

use super::TokenError;
use super::assertion::{self, ClientAssertion};
use super::authentication::{Authentication, ClientCredentials};
use super::dpop::{Proof, Unproven};
use super::grant::decide;
use super::known::{self, KnownClients};
use super::refused::{Claimed, audited};
use crate::domain::audit::{Act, Entry, Origin};
use crate::domain::{
    AccessToken, Client, ClientId, ClientSecret, HashedToken, Instant, PlainToken, Scopes,
};
use crate::entropy;
use crate::storage::access_tokens::{self, NewAccessToken};
use crate::storage::{AnyConnection, Storage, StorageError, audit, client_secrets, clients};

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
    known: &KnownClients,
    request: TokenRequest,
    issuer: &str,
    terms: Terms,
    origin: Origin,
) -> Result<Issued, TokenError> {
    let claimed = Claimed::from(&request.authentication);
    let ended = issue_to_client(storage, known, request, issuer, terms, &origin).await;
    audited(storage, ended, Act::TokenIssue, claimed, origin, terms.now).await
}

/// A client that was let in before is remembered, so that the usual case is one statement: it stores the token if everything that
/// was remembered still holds. Whatever else happens, the decision is made anew from the database, in one transaction.
async fn issue_to_client(
    storage: &Storage,
    known: &KnownClients,
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
    let remembered = readings.iter().find_map(|credentials| {
        let digest = HashedToken::of(&credentials.secret);
        let client = known.find(&credentials.id, &digest)?;
        // A proof is one more thing to store.
        if request.proof.is_some() {
            return None;
        }
        let issued = decide(&request, &credentials.id, Some(client.clone()), terms).ok()?;
        Some((client, digest, issued))
    });
    let minute = known::minute(terms.now);
    if let Some((client, digest, issued)) = remembered {
        let is_noted = known.is_noted(&client, &digest, minute);
        let to_note = (!is_noted).then(|| (client.clone(), digest.clone()));
        let entry = issued.entry(terms.now, origin);
        let work = move |c: &mut AnyConnection| {
            let row = issued.row(terms.now);
            let stored = access_tokens::insert_if_authentic(c, &row, &client, &digest, &entry)?;
            if stored && !is_noted {
                client_secrets::note_use(c, &client.id, &digest, minute)?;
            }
            Ok::<_, StorageError>(stored.then_some(issued))
        };
        let stored = match is_noted {
            true => storage.write_one(work).await?,
            false => storage.write(work).await?,
        };
        if let Some(issued) = stored {
            if let Some((client, digest)) = to_note {
                known.remember(client, &digest, minute);
            }
            return Ok(issued);
        }
    }
    let origin = origin.clone();
    let (issued, client, digest) = storage
        .write(move |c| {
            let (issued, client, digest) = issue_anew(c, &request, &readings, terms, &origin)?;
            client_secrets::note_use(c, &client.id, &digest, minute)?;
            Ok::<_, TokenError>((issued, client, digest))
        })
        .await?;
    known.remember(client, &digest, minute);
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
        let decided = decide(&request, id.as_str(), Some(client), terms);
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

fn issue_anew(
    c: &mut AnyConnection,
    request: &TokenRequest,
    readings: &[ClientCredentials],
    terms: Terms,
    origin: &Origin,
) -> Result<(Issued, Client, HashedToken<ClientSecret>), TokenError> {
    let mut refused = None;
    for credentials in readings {
        let digest = HashedToken::of(&credentials.secret);
        let id = ClientId::new(&credentials.id);
        let client = clients::authenticate(c, &id, &digest, terms.now)?;
        match decide(request, &credentials.id, client.clone(), terms) {
            Ok(issued) => {
                redeem(c, request)??;
                access_tokens::insert(c, &issued.row(terms.now))?;
                audit::record(c, &issued.entry(terms.now, origin))?;
                let client = client.ok_or(TokenError::InvalidClient)?;
                return Ok((issued, client, digest));
            }
            Err(TokenError::InvalidClient) => refused = Some(TokenError::InvalidClient),
            Err(other) => return Err(other),
        }
    }
    Err(refused.unwrap_or_else(|| request.refusal_of_nobody()))
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
    fn entry(&self, now: Instant, origin: &Origin) -> Entry {
        let entry = Entry::new(entropy::id(now), now, Act::TokenIssue, origin.clone());
        entry.by_client(&self.client_id)
    }

    fn row(&self, now: Instant) -> NewAccessToken<'_> {
        NewAccessToken {
            digest: self.token.hashed(),
            client_id: &self.client_id,
            subject: None,
            scopes: self.scopes,
            created_at: now,
            expires_at: now + self.lifetime,
            jkt: self.jkt,
        }
    }
}
