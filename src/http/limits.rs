//! How often one may call: a bucket for each address at the token endpoint and at the page, for each client at the API. The library
//! counts; the ledger beside it knows what other nodes have let through.

mod ledger;
mod sharing;

use std::sync::Arc;
use std::time::Duration;

use actix_governor::governor::NotUntil;
use actix_governor::governor::clock::{Clock as _, DefaultClock, QuantaInstant};
use actix_governor::governor::middleware::StateInformationMiddleware;
use actix_governor::{Governor, GovernorConfig, GovernorConfigBuilder, KeyExtractor};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{HttpServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::{Condition, Next, from_fn};
use actix_web::{
    Error, HttpMessage, HttpResponse, HttpResponseBuilder, Resource, ResponseError, Route,
};
use chrono::TimeDelta;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use ipnet::IpNet;
use sha2::{Digest, Sha256};

use super::auth::{self, Identified};
use super::error::ApiError;
use super::oauth::OauthError;
use super::peer;
use crate::app::{App, LimitRules, Rate};
use crate::clock;
use crate::domain::Instant;
use crate::telemetry::metrics::Metrics;
use ledger::{Key, Ledger};

/// The buckets. Made once: each actix worker would otherwise count for itself.
#[derive(Clone)]
pub struct Limits {
    enabled: bool,
    token: Arc<Bucket>,
    api: Arc<Bucket>,
    page: Arc<Bucket>,
}

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
pub(super) const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

type Refuse = fn(ApiError) -> HttpResponse;

/// The buckets of one kind, one for each caller.
struct Bucket {
    name: &'static str,
    refill: Duration,
    burst: u32,
    trusted: Arc<Vec<IpNet>>,
    refuse: Refuse,
    config: GovernorConfig<Extractor, StateInformationMiddleware>,
    ledger: Ledger,
    metrics: Arc<Metrics>,
}

/// Takes the key that `Bucket::count` has put on the request.
#[derive(Clone)]
struct Extractor(Refuse);

/// Whose call it is; on the request.
#[derive(Clone, Copy)]
struct Counted(Key);

/// How long a bucket takes to get one call back; on the request, for `add_reset`.
struct Refill(Duration);

/// On an answer: the bucket here was empty.
struct Refused;

impl KeyExtractor for Extractor {
    type Key = Key;
    type KeyExtractionError = ApiError;

    fn extract(&self, request: &ServiceRequest) -> Result<Key, ApiError> {
        let counted = request.extensions().get::<Counted>().copied();
        counted.map_or(Err(ApiError::Internal), |Counted(key)| Ok(key))
    }

    /// The library rounds the waiting time down; coming back then would be refused again.
    fn exceed_rate_limit_response(
        &self,
        negative: &NotUntil<QuantaInstant>,
        _: HttpResponseBuilder,
    ) -> HttpResponse {
        let wait = negative.wait_time_from(DefaultClock::default().now());
        let mut response = refused(self.0, wait, negative.quota().burst_size().get());
        response.extensions_mut().insert(Refused);
        response
    }
}

fn refused(refuse: Refuse, wait: Duration, burst: u32) -> HttpResponse {
    let wait = TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX);
    let mut response = refuse(ApiError::TooMany(wait));
    let headers = response.headers_mut();
    headers.insert(LIMIT, HeaderValue::from(burst));
    headers.insert(REMAINING, HeaderValue::from(0));
    response
}

impl Bucket {
    fn new(name: &'static str, rate: Rate, app: &App, refuse: Refuse) -> Arc<Self> {
        let refill = Duration::from_secs(60) / rate.per_minute.max(1);
        let burst = rate.burst.max(1);
        let config = GovernorConfigBuilder::default()
            .key_extractor(Extractor(refuse))
            .period(refill)
            .burst_size(burst)
            .use_headers()
            .finish();
        #[expect(
            clippy::expect_used,
            reason = "only a zero period or burst is refused, and there is none"
        )]
        Arc::new(Self {
            name,
            refill,
            burst,
            trusted: Arc::clone(&app.trusted_proxies),
            refuse,
            config: config.expect("neither the period nor the burst is zero"),
            ledger: Ledger::new(refill, burst),
            metrics: Arc::clone(&app.flows.metrics),
        })
    }

    /// The key of a request: its client when it has shown a live token, its address otherwise.
    fn key(&self, request: &ServiceRequest) -> Key {
        let digest = Sha256::new().chain_update(self.name);
        let extensions = request.extensions();
        let client = extensions.get::<Identified>().and_then(Identified::client);
        let digest = match client {
            Some(client) => digest
                .chain_update(" client ")
                .chain_update(client.as_str()),
            None => {
                let address = peer::counted(request, &self.trusted);
                digest
                    .chain_update(" address ")
                    .chain_update(address.to_string())
            }
        };
        digest.finalize().into()
    }

    /// Refuses who has used up what all nodes give together; the library's own layer, further in, knows of this one only.
    async fn count<B: MessageBody + 'static>(
        self: Arc<Self>,
        request: ServiceRequest,
        next: Next<B>,
    ) -> Result<ServiceResponse<BoxBody>, Error> {
        let key = self.key(&request);
        request.extensions_mut().insert(Refill(self.refill));
        request.extensions_mut().insert(Counted(key));
        if let Err(wait) = self.ledger.spend(key, clock::monotonic()) {
            self.metrics.limited.count(self.name);
            return Ok(request.into_response(refused(self.refuse, wait, self.burst)));
        }
        let response = next.call(request).await?.map_into_boxed_body();
        if response.response().extensions().get::<Refused>().is_some() {
            self.metrics.limited.count(self.name);
            self.ledger.unspend(key);
        }
        Ok(response)
    }
}

/// The layer that a bucket puts around the library's.
fn counted<B: MessageBody + 'static>(
    bucket: &Arc<Bucket>,
) -> impl Fn(ServiceRequest, Next<B>) -> LocalBoxFuture<'static, Result<ServiceResponse<BoxBody>, Error>>
+ use<B> {
    let bucket = Arc::clone(bucket);
    move |request, next| Arc::clone(&bucket).count(request, next).boxed_local()
}

/// Adds `X-RateLimit-Reset` to a counted answer: when the bucket will be full again, in seconds since 1970. Says how long that is
/// from now.
pub(super) fn add_reset<B>(response: &mut ServiceResponse<B>, now: Instant) -> Option<TimeDelta> {
    let number = |name| {
        response
            .headers()
            .get(name)?
            .to_str()
            .ok()?
            .parse::<u32>()
            .ok()
    };
    let refill = response
        .request()
        .extensions()
        .get::<Refill>()
        .map(|refill| refill.0);
    let (limit, remaining, refill) = (number(LIMIT)?, number(REMAINING)?, refill?);
    let missing = TimeDelta::from_std(refill * limit.saturating_sub(remaining)).unwrap_or_default();
    let full = now + missing + TimeDelta::milliseconds(999);
    response
        .headers_mut()
        .insert(RESET, HeaderValue::from(full.timestamp()));
    Some(missing)
}

impl Limits {
    /// Buckets by the app's rules.
    pub fn new(app: &App) -> Self {
        let one = Rate {
            per_minute: 1,
            burst: 1,
        };
        let rules = app.limits.unwrap_or(LimitRules {
            token: one,
            api: one,
            page: one,
        });
        let of_oauth: Refuse = |error| OauthError::from(error).error_response();
        let of_api: Refuse = |error| error.error_response();
        Self {
            enabled: app.limits.is_some(),
            token: Bucket::new("token", rules.token, app, of_oauth),
            api: Bucket::new("api", rules.api, app, of_api),
            page: Bucket::new("page", rules.page, app, of_api),
        }
    }

    /// Counts calls by their address.
    pub(super) fn by_address(&self, resource: Resource) -> impl HttpServiceFactory + use<> {
        let bucket = &self.token;
        resource
            .wrap(Condition::new(self.enabled, Governor::new(&bucket.config)))
            .wrap(Condition::new(self.enabled, from_fn(counted(bucket))))
    }

    /// Counts what the page sends by its address. One method of a path only: the page itself is not counted.
    pub(super) fn by_visitor(&self, route: Route) -> Route {
        let bucket = &self.page;
        route
            .wrap(Condition::new(self.enabled, Governor::new(&bucket.config)))
            .wrap(Condition::new(self.enabled, from_fn(counted(bucket))))
    }

    /// Finds out who calls, then counts by client: the last layer wrapped runs first.
    pub(super) fn by_client(&self, resource: Resource) -> impl HttpServiceFactory + use<> {
        let bucket = &self.api;
        resource
            .wrap(Condition::new(self.enabled, Governor::new(&bucket.config)))
            .wrap(Condition::new(self.enabled, from_fn(counted(bucket))))
            .wrap(from_fn(auth::identify))
    }

    /// Forgets the keys whose buckets are full again: the library never does.
    pub fn forget_idle(&self) {
        for bucket in [&self.token, &self.api, &self.page] {
            bucket.config.limiter().retain_recent();
            bucket.config.limiter().shrink_to_fit();
        }
    }
}
