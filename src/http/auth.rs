//! Who calls: `identify` looks the access token up before anything is read; `Caller<Scope>` in a handler's arguments is the
//! policy of its route (bar B07).

use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::sync::Arc;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, web};
use uuid::Uuid;

use super::error::ApiError;
use super::{origin, proof};
use crate::app::App;
use crate::domain::audit::Origin;
use crate::domain::{ClientId, PlainToken, Scope, Scopes};
use crate::flows::Actor;
use crate::oauth::KnownToken;
use crate::oauth::guard::{Bearer, Denied, Standing};
use crate::storage::access_tokens::{self, LiveToken};

/// Who calls, as far as the `Authorization` field tells. Put on the request before limits count it.
#[derive(Clone)]
pub(super) struct Identified(Standing);

impl Identified {
    /// The client that calls.
    pub(super) fn client(&self) -> Option<&ClientId> {
        self.0.client()
    }
}

/// Looks the token up, with the proof of one that is bound to a key, and remembers who calls. A failure is an answer, not an `Err`:
/// that would pass the edge by.
pub(super) async fn identify<B: MessageBody + 'static>(
    app: web::Data<App>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let (scheme, bearer) = match presented(request.headers()) {
        (scheme, Bearer::Absent) => (scheme, Bearer::Absent),
        (scheme, _) if has_query_token(request.query_string()) => (scheme, Bearer::Malformed),
        presented => presented,
    };
    let (storage, now) = (&app.flows.storage, app.flows.clock.now());
    let judged = match (scheme, bearer) {
        (Scheme::Dpop, Bearer::Token(token)) => {
            let uri = proof::target(&app, request.path());
            let claimed = proof::presented(request.headers(), request.method(), &uri);
            Standing::of_bound(&token, claimed, &app.dpop, &app.known, storage, now).await
        }
        (_, bearer) => {
            let standing = Standing::of(bearer, &app.known, now).await;
            standing.map(|standing| (standing, None))
        }
    };
    let nonce = match judged {
        Ok((standing, nonce)) => {
            request.extensions_mut().insert(Identified(standing));
            nonce
        }
        Err(error) => return Ok(request.error_response(ApiError::from(error))),
    };
    let mut response = next.call(request).await?.map_into_boxed_body();
    proof::put_nonce(response.headers_mut(), nonce.as_deref());
    Ok(response)
}

/// Whether the token that a request was identified by is still alive: for requests that took their time since. One without a token
/// is what it was.
pub(super) async fn still(request: &HttpRequest) -> Result<(), ApiError> {
    let live = match request.extensions().get::<Identified>() {
        Some(Identified(standing)) => standing.live_token().map(|live| live.digest.clone()),
        None => None,
    };
    let app = request.app_data::<web::Data<App>>();
    let (Some(app), Some(digest)) = (app, live) else {
        return Ok(());
    };
    let now = app.flows.clock.now();
    let found = app
        .flows
        .storage
        .read(move |c| access_tokens::find_live(c, &digest, now));
    match found.await? {
        Some(_) => Ok(()),
        None => Err(Denied::InvalidToken.into()),
    }
}

/// Whether there is a token in the query. It never counts (bar B05), and beside another one it is refused (bar B04).
fn has_query_token(query: &str) -> bool {
    query
        .split('&')
        .any(|pair| pair.split('=').next() == Some("access_token"))
}

/// How a token is presented.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Bearer,
    Dpop,
}

/// Reads the `Authorization` field (RFC 6750 section 2.1, RFC 9449 section 7.1): the scheme in any case, the token exactly.
fn presented(headers: &HeaderMap) -> (Scheme, Bearer) {
    let bearer = |bearer| (Scheme::Bearer, bearer);
    let mut fields = headers.get_all(AUTHORIZATION);
    let Some(field) = fields.next() else {
        return bearer(Bearer::Absent);
    };
    if fields.next().is_some() {
        return bearer(Bearer::Malformed);
    }
    let Ok(text) = field.to_str() else {
        return bearer(Bearer::Malformed);
    };
    let (name, token) = text.split_once(' ').unwrap_or((text, ""));
    let scheme = match name {
        _ if name.eq_ignore_ascii_case("bearer") => Scheme::Bearer,
        _ if name.eq_ignore_ascii_case("dpop") => Scheme::Dpop,
        _ => return bearer(Bearer::Absent), // RFC 6750 section 3.1: another scheme is as good as none
    };
    let token = token.trim_start_matches(' '); // RFC 9110 section 11.4: one or more spaces
    if token.is_empty() || token.contains(' ') {
        return (scheme, Bearer::Malformed);
    }
    let token = PlainToken::parse(token).map_or(Bearer::Foreign, Bearer::Token);
    (scheme, token)
}

/// Whether the `Authorization` field holds what could be a token of ours.
pub(super) fn presents_token(headers: &HeaderMap) -> bool {
    matches!(presented(headers).1, Bearer::Token(_))
}

/// A scope, as a type.
pub(super) trait Needs {
    /// Which one.
    const SCOPE: Scope;
}

macro_rules! needs {
    ($($name:ident,)+) => {
        $(#[doc = concat!("The scope `", stringify!($name), "`.")]
        pub(super) enum $name {}
        impl Needs for $name { const SCOPE: Scope = Scope::$name; })+
    };
}

needs! {
    PasswordRemind, PasswordReset, PasswordChange, PasswordVerify, SessionsCreate, UsersRead, UsersWrite, UsersResetPassword,
    ClientsWrite,
}

/// A caller whose token carries the scope `S`. Having it in its arguments is a handler's policy; a route without is public.
pub(super) struct Caller<S> {
    token: Arc<KnownToken>,
    origin: Origin,
    scope: PhantomData<S>,
}

impl<S> Caller<S> {
    /// On whose behalf the flow runs.
    pub(super) fn actor(&self) -> Actor {
        actor(&self.token.live, self.origin.clone())
    }

    /// Every scope that the token carries.
    pub(super) fn scopes(&self) -> Scopes {
        self.token.live.scopes
    }
}

fn actor(token: &LiveToken, origin: Origin) -> Actor {
    Actor {
        client_id: token.client_id.clone(),
        may_know_users: token.scopes.contains(Scope::UsersDisclose),
        jkt: token.jkt,
        origin,
    }
}

impl<S: Needs> FromRequest for Caller<S> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(standing(request, |standing| {
            let token = Arc::clone(standing.require(S::SCOPE)?);
            let (origin, scope) = (origin::of(request), PhantomData);
            Ok(Self {
                token,
                origin,
                scope,
            })
        }))
    }
}

/// A caller whose token speaks for a user.
pub(super) struct SignedIn {
    /// The user.
    pub(super) user_id: Uuid,
    /// The app that signed the user in.
    pub(super) actor: Actor,
}

impl FromRequest for SignedIn {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(standing(request, |standing| {
            let (token, user_id) = standing.subject()?;
            let actor = actor(token, origin::of(request));
            Ok(Self { user_id, actor })
        }))
    }
}

/// Either of two callers, the first one when both would do.
pub(super) enum Either<A, B> {
    /// The first.
    Left(A),
    /// The second.
    Right(B),
}

impl<B> FromRequest for Either<SignedIn, B>
where
    B: FromRequest<Error = ApiError, Future = Ready<Result<B, ApiError>>>,
{
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        match SignedIn::from_request(request, payload).into_inner() {
            Ok(user) => ready(Ok(Self::Left(user))),
            Err(_) => ready(
                B::from_request(request, payload)
                    .into_inner()
                    .map(Self::Right),
            ),
        }
    }
}

/// Asks who calls. A route that did not ask `identify` to find out has nobody.
pub(super) fn standing<T>(
    request: &HttpRequest,
    judge: impl FnOnce(&Standing) -> Result<T, Denied>,
) -> Result<T, ApiError> {
    let extensions = request.extensions();
    let Identified(standing) = extensions.get().ok_or(Denied::NoCredentials)?;
    Ok(judge(standing)?)
}
