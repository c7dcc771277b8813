//! How often one may call: a bucket for each address at the token endpoint and at the page, for each client at the API.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_governor::governor::NotUntil;
use actix_governor::governor::clock::{Clock as _, DefaultClock, QuantaInstant};
use actix_governor::governor::middleware::StateInformationMiddleware;
use actix_governor::{Governor, GovernorConfig, GovernorConfigBuilder, KeyExtractor};
use actix_web::dev::{HttpServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::{Condition, from_fn};
use actix_web::{HttpMessage, HttpResponse, HttpResponseBuilder, Resource, ResponseError, Route};
use chrono::TimeDelta;
use ipnet::IpNet;

use super::auth::{self, Identified};
use super::error::ApiError;
use super::oauth::OauthError;
use super::peer;
use crate::app::{App, LimitRules, Rate};
use crate::domain::{ClientId, Instant};

/// The buckets. Made once: each actix worker would otherwise count for itself.
#[derive(Clone)]
pub struct Limits {
    enabled: bool,
    token: Arc<Config>,
    api: Arc<Config>,
    page: Arc<Config>,
}

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
pub(super) const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

type Config = GovernorConfig<Extractor, StateInformationMiddleware>;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Client(ClientId),
    Address(IpAddr),
}

/// Finds the key of a request: its client when it has shown a live token, its address otherwise.
#[derive(Clone)]
struct Extractor {
    trusted: Arc<Vec<IpNet>>,
    refill: Duration,
    refuse: fn(ApiError) -> HttpResponse,
}

/// How long a bucket takes to get one call back; on the request, for `add_reset`.
struct Refill(Duration);

impl KeyExtractor for Extractor {
    type Key = Key;
    type KeyExtractionError = ApiError;

    fn extract(&self, request: &ServiceRequest) -> Result<Key, ApiError> {
        request.extensions_mut().insert(Refill(self.refill));
        let client = request
            .extensions()
            .get::<Identified>()
            .and_then(|caller| caller.client().cloned());
        Ok(client.map_or_else(
            || Key::Address(peer::counted(request, &self.trusted)),
            Key::Client,
        ))
    }

    /// The library rounds the waiting time down; coming back then would be refused again.
    fn exceed_rate_limit_response(
        &self,
        negative: &NotUntil<QuantaInstant>,
        _: HttpResponseBuilder,
    ) -> HttpResponse {
        let wait = negative.wait_time_from(DefaultClock::default().now());
        let wait = TimeDelta::from_std(wait).unwrap_or(TimeDelta::MAX);
        let mut response = (self.refuse)(ApiError::TooMany(wait));
        response.headers_mut().insert(
            LIMIT,
            HeaderValue::from(negative.quota().burst_size().get()),
        );
        response
            .headers_mut()
            .insert(REMAINING, HeaderValue::from(0));
        response
    }
}

fn bucket(
    rate: Rate,
    trusted: &Arc<Vec<IpNet>>,
    refuse: fn(ApiError) -> HttpResponse,
) -> Arc<Config> {
    let refill = Duration::from_secs(60) / rate.per_minute.max(1);
    let trusted = Arc::clone(trusted);
    let config = GovernorConfigBuilder::default()
        .key_extractor(Extractor {
            trusted,
            refill,
            refuse,
        })
        .period(refill)
        .burst_size(rate.burst.max(1))
        .use_headers()
        .finish();
    #[expect(
        clippy::expect_used,
        reason = "only a zero period or burst is refused, and there is none"
    )]
    Arc::new(config.expect("neither the period nor the burst is zero"))
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
        Self {
            enabled: app.limits.is_some(),
            token: bucket(rules.token, &app.trusted_proxies, |error| {
                OauthError::from(error).error_response()
            }),
            api: bucket(rules.api, &app.trusted_proxies, |error| {
                error.error_response()
            }),
            page: bucket(rules.page, &app.trusted_proxies, |error| {
                error.error_response()
            }),
        }
    }

    /// Counts calls by their address.
    pub(super) fn by_address(&self, resource: Resource) -> impl HttpServiceFactory + use<> {
        resource.wrap(Condition::new(self.enabled, Governor::new(&self.token)))
    }

    /// Counts what the page sends by its address. One method of a path only: the page itself is not counted.
    pub(super) fn by_visitor(&self, route: Route) -> Route {
        route.wrap(Condition::new(self.enabled, Governor::new(&self.page)))
    }

    /// Finds out who calls, then counts by client: the last layer wrapped runs first.
    pub(super) fn by_client(&self, resource: Resource) -> impl HttpServiceFactory + use<> {
        resource
            .wrap(Condition::new(self.enabled, Governor::new(&self.api)))
            .wrap(from_fn(auth::identify))
    }

    /// Forgets the keys whose buckets are full again: the library never does.
    pub fn forget_idle(&self) {
        for bucket in [&self.token, &self.api, &self.page] {
            bucket.limiter().retain_recent();
            bucket.limiter().shrink_to_fit();
        }
    }
}
