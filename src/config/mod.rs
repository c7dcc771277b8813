//! The settings. Defaults, then `unforget.toml`, then the environment; the doc of a field is its manual. Everything that is
//! wrong is named at once, not only the first.

mod reader;
mod values;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::TimeDelta;
use ipnet::IpNet;

use crate::domain::collector::CollectorHeaders;
use crate::domain::recovery::RecoveryRules;
use crate::domain::{
    AddressForm, ClientId, Collector, DatabaseUrl, MailUrl, PasswordPolicy, Sender,
};
use reader::Reader;
use values::{
    address_form, address_key, boolean, client_id, collector_url, duration, fraction, list,
    network, number, origin, other_listener, public_url,
};

/// The effective configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `listen`: where the service listens.
    pub listen: SocketAddr,
    /// `public_url`: what the outside calls us: the issuer, and the base of links. Never the Host header (bar F19).
    pub public_url: String,
    /// `database_url`: `sqlite://PATH` or `postgres://..`. `DATABASE_URL` is read too.
    pub database_url: DatabaseUrl,
    /// `database_parallel`: reads side by side on SQLite, connections on PostgreSQL.
    pub database_parallel: u32,
    /// `mail.*`
    pub mail: MailSettings,
    /// `token.lifetime`: how long application tokens live.
    pub token_lifetime: TimeDelta,
    /// `dpop.require_nonce`: whether every proof of possession needs a nonce of ours, and not only one whose time cannot be believed.
    pub dpop_nonce: bool,
    /// `session.lifetime`: how long user tokens live.
    pub session_lifetime: TimeDelta,
    /// `contracts.interslice_client`: the client on whose behalf calls of that contract run that carry no token.
    pub interslice_client: Option<ClientId>,
    /// `reset.lifetime`, `reset.cooldown`, `reset.per_hour`
    pub recovery: RecoveryRules,
    /// `password.min_length`, `password.max_length`, `password.policy`
    pub policy: PasswordPolicy,
    /// `password.breached`: a file of SHA-1 digests of passwords that others have lost; none by default.
    pub breached: Option<PathBuf>,
    /// `password.bcrypt_cost`: binary logarithm of bcrypt's rounds.
    pub bcrypt_cost: u32,
    /// `limits.*`; none when `limits.enabled` is false.
    pub limits: Option<LimitSettings>,
    /// `http.trusted_proxies`: addresses or networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// `http.drain`: how long calls are still taken after SIGTERM, while `/health/ready` tells a load balancer to send them elsewhere.
    pub drain: Duration,
    /// `http.cors_origins`: web origins whose scripts may call; `*` for all.
    pub cors_origins: Vec<String>,
    /// `page.client`: the client on whose behalf `/forgot` asks for mails; without one there is no such page.
    pub page_client: Option<ClientId>,
    /// `audit.*`
    pub audit: AuditSettings,
    /// `metrics_listen`: where `GET /metrics` answers, and nothing else does; none: nowhere.
    pub metrics_listen: Option<SocketAddr>,
    /// `otlp.*`: where spans go; none when `otlp.url` is empty.
    pub collector: Option<Collector>,
    /// `auto_migrate`: whether a database that is not up to date is brought up to date.
    pub auto_migrate: bool,
    /// `workers`: threads that answer requests.
    pub workers: usize,
    /// Every key with its effective value, secrets masked.
    pub shown: Vec<(String, String)>,
}

/// How mail goes out.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// `mail.url`
    pub url: MailUrl,
    /// `mail.from`
    pub from: Sender,
    /// `mail.timeout`: the time limit of one attempt.
    pub timeout: Duration,
    /// `mail.parallel`: attempts side by side.
    pub parallel: usize,
    /// `mail.max_queued`: how many may wait before `remind` answers 503.
    pub max_queued: i64,
}

/// What the audit keeps.
#[derive(Debug, Clone, Default)]
pub struct AuditSettings {
    /// `audit.address`, and `audit.address_key`: how callers' addresses are written down, in the logs too.
    pub address: AddressForm,
    /// `audit.retention`: how long entries are kept; none: for ever.
    pub retention: Option<TimeDelta>,
}

/// How often one may call: a long-run rate and a burst for each kind of caller.
#[derive(Debug, Clone, Copy)]
pub struct LimitSettings {
    /// `limits.token_per_minute`: for each address, on `/oauth/token`.
    pub token_per_minute: u32,
    /// `limits.token_burst`
    pub token_burst: u32,
    /// `limits.api_per_minute`: for each client, on the API.
    pub api_per_minute: u32,
    /// `limits.api_burst`
    pub api_burst: u32,
    /// `limits.page_per_minute`: for each address, on what the page sends.
    pub page_per_minute: u32,
    /// `limits.page_burst`
    pub page_burst: u32,
}

/// What is wrong with the configuration: everything, in one line.
#[derive(Debug, thiserror::Error)]
#[error("configuration: {}", .0.join("; "))]
pub struct ConfigError(pub Vec<String>);

impl Settings {
    /// Reads the configuration. `file` was named by the operator; without one, `unforget.toml` is read when it exists.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let default = PathBuf::from("unforget.toml");
        let file = file.or_else(|| default.exists().then_some(default.as_path()));
        Self::read(Reader::new(file, std::env::vars_os(), &[]))
    }

    /// The settings of `serve --dev`: data and mail below `folder`, the rest by default or from the environment. A file is not read: it
    /// may be that of a real service. Says too whether `public_url` is stated: else it is for the caller to say where it listens.
    pub fn load_dev(folder: &Path) -> Result<(Self, bool), ConfigError> {
        let forced = [
            (
                "database_url",
                format!("sqlite://{}", folder.join("unforget.db").display()),
            ),
            (
                "mail.url",
                format!("file:{}", folder.join("mail").display()),
            ),
        ];
        let reader = Reader::new(None, std::env::vars_os(), &forced);
        let has_url = reader.states("public_url");
        Ok((Self::read(reader)?, has_url))
    }

    fn read(mut r: Reader) -> Result<Self, ConfigError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let listen = r.take("listen", "127.0.0.1:8080", |t| {
            t.parse().map_err(|_| "must be ADDRESS:PORT")
        });
        let public_url = r.take("public_url", "http://127.0.0.1:8080", public_url);
        let database_url = r.take_masked(
            "database_url",
            "sqlite://data/unforget.db",
            str::parse::<DatabaseUrl>,
            DatabaseUrl::masked,
        );
        let database_parallel = r.take("database_parallel", "8", number(1, 1000));
        let mail_url = r.take_masked(
            "mail.url",
            "file:data/mail",
            str::parse::<MailUrl>,
            MailUrl::to_string,
        );
        let mail_from = r.take(
            "mail.from",
            "Unforget <no-reply@localhost>",
            str::parse::<Sender>,
        );
        let mail_timeout = r.take("mail.timeout", "30s", duration(1, 600));
        let mail_parallel = r.take("mail.parallel", "8", number(1, 200));
        let mail_max_queued = r.take("mail.max_queued", "100000", number(1, u32::MAX));
        let token_lifetime = r.take("token.lifetime", "1h", duration(1, 30 * DAY));
        let dpop_nonce = r.take("dpop.require_nonce", "false", boolean);
        let session_lifetime = r.take("session.lifetime", "12h", duration(1, 30 * DAY));
        let interslice_client = r.take("contracts.interslice_client", "", client_id);
        let reset_lifetime = r.take("reset.lifetime", "1h", duration(60, DAY));
        let reset_cooldown = r.take("reset.cooldown", "60s", duration(0, DAY));
        let reset_per_hour = r.take("reset.per_hour", "5", number(1, 1000));
        let nist = r.take("password.policy", "contract", |t| match t {
            "contract" => Ok(false),
            "nist" => Ok(true),
            _ => Err("must be contract or nist"),
        });
        let least = if nist == Some(true) { "15" } else { "6" };
        let min_length = r.take("password.min_length", least, number(1, 1024));
        let max_length = r.take("password.max_length", "1024", number(64, 1024));
        let breached = r.take("password.breached", "", |text| {
            Ok::<_, &str>((!text.is_empty()).then(|| PathBuf::from(text)))
        });
        let bcrypt_cost = r.take("password.bcrypt_cost", "12", number(10, 16));
        let limits_enabled = r.take("limits.enabled", "true", boolean);
        let token_per_minute = r.take("limits.token_per_minute", "60", number(1, 1_000_000));
        let token_burst = r.take("limits.token_burst", "30", number(1, 1_000_000));
        let api_per_minute = r.take("limits.api_per_minute", "600", number(1, 1_000_000));
        let api_burst = r.take("limits.api_burst", "100", number(1, 1_000_000));
        let page_per_minute = r.take("limits.page_per_minute", "30", number(1, 1_000_000));
        let page_burst = r.take("limits.page_burst", "20", number(1, 1_000_000));
        let trusted_proxies = r.take("http.trusted_proxies", "", list(network));
        let drain = r.take("http.drain", "0s", duration(0, 300));
        let cors_origins = r.take("http.cors_origins", "", list(origin));
        let page_client = r.take("page.client", "", client_id);
        let address_key = r.take_masked("audit.address_key", "", address_key, |key| {
            key.as_ref().map_or("", |_| "***").to_owned()
        });
        let address = r.take("audit.address", "prefix", |text| {
            address_form(text, address_key.clone().flatten())
        });
        let retention = r.take("audit.retention", "365d", duration(0, 36_500 * DAY));
        let metrics_listen = r.take("metrics_listen", "", other_listener);
        let otlp_headers = r.take_masked(
            "otlp.headers",
            "",
            str::parse::<CollectorHeaders>,
            CollectorHeaders::to_string,
        );
        let has_headers = otlp_headers.as_ref().is_some_and(|h| !h.is_empty());
        let otlp_url = r.take("otlp.url", "", |text| collector_url(text, has_headers));
        let otlp_sample = r.take("otlp.sample", "1", fraction);
        let auto_migrate = r.take("auto_migrate", "true", boolean);
        let workers = r.take("workers", &cores.to_string(), number(1, 1024));
        let (mut problems, shown) = r.finish();
        if min_length
            .zip(max_length)
            .is_some_and(|(least, most): (usize, usize)| least > most)
        {
            problems
                .push("password.min_length must not be more than password.max_length".to_owned());
        }

        let read = || {
            Some(Self {
                listen: listen?,
                public_url: public_url?,
                database_url: database_url?,
                database_parallel: database_parallel?,
                mail: MailSettings {
                    url: mail_url?,
                    from: mail_from?,
                    timeout: mail_timeout?.to_std().ok()?,
                    parallel: mail_parallel?,
                    max_queued: mail_max_queued?,
                },
                token_lifetime: token_lifetime?,
                dpop_nonce: dpop_nonce?,
                session_lifetime: session_lifetime?,
                interslice_client: interslice_client?,
                recovery: RecoveryRules {
                    lifetime: reset_lifetime?,
                    cooldown: reset_cooldown?,
                    per_hour: reset_per_hour?,
                },
                policy: PasswordPolicy {
                    min_length: min_length?,
                    max_length: max_length?,
                    blocklist: nist?,
                },
                breached: breached?,
                bcrypt_cost: bcrypt_cost?,
                limits: limits_enabled?.then_some(LimitSettings {
                    token_per_minute: token_per_minute?,
                    token_burst: token_burst?,
                    api_per_minute: api_per_minute?,
                    api_burst: api_burst?,
                    page_per_minute: page_per_minute?,
                    page_burst: page_burst?,
                }),
                trusted_proxies: trusted_proxies?,
                drain: drain?.to_std().ok()?,
                cors_origins: cors_origins?,
                page_client: page_client?,
                audit: AuditSettings {
                    address: address?,
                    retention: retention.filter(|kept| !kept.is_zero()),
                },
                metrics_listen: metrics_listen?,
                collector: match otlp_url? {
                    Some(url) => Some(Collector {
                        url,
                        headers: otlp_headers?,
                        sample: otlp_sample?,
                    }),
                    None => None,
                },
                auto_migrate: auto_migrate?,
                workers: workers?,
                shown,
            })
        };
        if problems.is_empty() {
            read().ok_or_else(|| ConfigError(Vec::new()))
        } else {
            Err(ConfigError(problems))
        }
    }
}

const DAY: i64 = 24 * 3600;
