//! What callers do in the midst of a crash, each to a thing that is nobody else's: so the ledger knows what must be true of it.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::accounts::{CHANGE, NEW, USERS, WRONG, password_of, path_of};
use crate::helpers::{OLD_PASSWORD, TestClient};
use crate::recovery::{REMIND, RESET};
use crate::register::PATH as REGISTER;

/// One call.
#[derive(Debug, Clone)]
pub(super) enum Deed {
    Remind { email: String },
    Reset { email: String, link: String },
    Change { email: String, session: String },
    Guess { email: String },
    AdminSet { email: String, id: Uuid },
    AddUser { email: String },
    AddTaken { email: String, id: Uuid },
    MoveUser { email: String, id: Uuid, to: String },
    DeleteUser { email: String, id: Uuid },
    Register { name: String },
    Rotate { id: String },
    Unregister { id: String },
    Issue,
    Revoke { token: String },
}

/// What kinds of calls there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Remind,
    Reset,
    Change,
    /// A change with a wrong password, which is refused.
    Guess,
    AdminSet,
    AddUser,
    /// With an address that another user has, which is refused.
    AddTaken,
    MoveUser,
    DeleteUser,
    Register,
    /// A client goes over from keys to a secret, which the answer has.
    Rotate,
    Unregister,
    Issue,
    Revoke,
}

impl Kind {
    pub(super) const ALL: [Self; 14] = [
        Self::Remind,
        Self::Reset,
        Self::Change,
        Self::Guess,
        Self::AdminSet,
        Self::AddUser,
        Self::AddTaken,
        Self::MoveUser,
        Self::DeleteUser,
        Self::Register,
        Self::Rotate,
        Self::Unregister,
        Self::Issue,
        Self::Revoke,
    ];

    /// Whether it is always refused.
    pub(super) fn is_refused(self) -> bool {
        matches!(self, Self::Guess | Self::AddTaken)
    }
}

/// What the caller learnt of it.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// 2xx: it must be true for ever.
    Acknowledged(Value),
    /// 4xx: it must never be true.
    Refused(String),
    /// No answer, or a 5xx: it is true as a whole, or not at all.
    Unknown,
}

/// Who calls: tokens of an app, of an administrator's script, and of one that registers clients; and a client that fetches tokens.
#[derive(Clone)]
pub(super) struct Keys {
    pub(super) app: String,
    pub(super) admin: String,
    pub(super) registrar: String,
    pub(super) client: TestClient,
}

impl Deed {
    /// Its kind.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Remind { .. } => Kind::Remind,
            Self::Reset { .. } => Kind::Reset,
            Self::Change { .. } => Kind::Change,
            Self::Guess { .. } => Kind::Guess,
            Self::AdminSet { .. } => Kind::AdminSet,
            Self::AddUser { .. } => Kind::AddUser,
            Self::AddTaken { .. } => Kind::AddTaken,
            Self::MoveUser { .. } => Kind::MoveUser,
            Self::DeleteUser { .. } => Kind::DeleteUser,
            Self::Register { .. } => Kind::Register,
            Self::Rotate { .. } => Kind::Rotate,
            Self::Unregister { .. } => Kind::Unregister,
            Self::Issue => Kind::Issue,
            Self::Revoke { .. } => Kind::Revoke,
        }
    }

    /// Makes the call and waits for its answer.
    pub(super) async fn call(&self, http: &reqwest::Client, base: &str, keys: &Keys) -> Outcome {
        let send = |method: &str, path: &str, token: &str, body: Value| {
            let method = method.parse().unwrap();
            let request = http.request(method, format!("{base}{path}"));
            request.bearer_auth(token).json(&body)
        };
        let form = |path: &str, form: &[(&str, &str)]| {
            let request = http.post(format!("{base}{path}")).form(form);
            request.basic_auth(&keys.client.id, Some(&keys.client.secret))
        };
        let request = match self {
            Self::Remind { email } => send("POST", REMIND, &keys.app, json!({"email": email})),
            Self::Reset { email, link } => {
                let body = json!({"email": email, "token": link, "password": NEW});
                send("POST", RESET, &keys.app, body)
            }
            Self::Change { email, .. } => {
                let body = json!({"email": email, "old_password": OLD_PASSWORD, "password": NEW});
                send("PUT", CHANGE, &keys.app, body)
            }
            Self::Guess { email } => {
                let body = json!({"email": email, "old_password": WRONG, "password": NEW});
                send("PUT", CHANGE, &keys.app, body)
            }
            Self::AdminSet { id, .. } => {
                let body = json!({"password": NEW});
                send("PUT", &password_of(*id), &keys.admin, body)
            }
            Self::AddUser { email } | Self::AddTaken { email, .. } => {
                send("POST", USERS, &keys.admin, json!({"email": email}))
            }
            Self::MoveUser { id, to, .. } => {
                send("PATCH", &path_of(*id), &keys.admin, json!({"email": to}))
            }
            Self::DeleteUser { id, .. } => http
                .delete(format!("{base}{}", path_of(*id)))
                .bearer_auth(&keys.admin),
            Self::Register { name } => {
                let body = json!({"client_name": name, "scope": "password:reset"});
                send("POST", REGISTER, &keys.registrar, body)
            }
            Self::Rotate { id } => {
                let path = format!("{REGISTER}/{id}");
                let body = json!({"client_id": id, "client_name": "A",
                    "token_endpoint_auth_method": "client_secret_basic"});
                send("PUT", &path, &keys.registrar, body)
            }
            Self::Unregister { id } => http
                .delete(format!("{base}{REGISTER}/{id}"))
                .bearer_auth(&keys.registrar),
            Self::Issue => form("/oauth/token", &[("grant_type", "client_credentials")]),
            Self::Revoke { token } => form("/oauth/revoke", &[("token", token)]),
        };
        let Ok(response) = request.send().await else {
            return Outcome::Unknown;
        };
        let status = response.status().as_u16();
        let Ok(text) = response.text().await else {
            return Outcome::Unknown;
        };
        match status {
            200..300 => Outcome::Acknowledged(serde_json::from_str(&text).unwrap_or_default()),
            400..500 => Outcome::Refused(format!("{status} {text}")),
            _ => Outcome::Unknown,
        }
    }
}
