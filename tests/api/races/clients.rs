//! Races of clients: for a new secret, and with one signed message that works once.

use std::process::Stdio;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use unforget::domain::{AuthMethod, JwkSet};
use unforget::flows::By;
use unforget::flows::clients::NewClient;

use super::arena::{CALLERS, Race, races};
use super::together::Call;
use crate::assertion::{ISSUER, TYPE};
use crate::both;
use crate::dpop::header;
use crate::helpers::{APP, Backend};
use crate::keys::{Key, base64};
use crate::recovery::CHECK;
use crate::register::PATH as REGISTER;

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

/// A client that signs with this key.
async fn signer(race: &Race<'_>, key: &Key) -> String {
    let mut new = NewClient::new("Signer".parse().unwrap(), APP.parse().unwrap());
    new.auth_method = AuthMethod::PrivateKeyJwt;
    new.jwks = Some(JwkSet::parse(&key.set("a")).unwrap());
    let made = race.arena.site.flows.add_client(By::Operator, new).await;
    made.unwrap().0.id.to_string()
}

/// Claims of a message that is made now, with an id of its own.
fn claims(race: &Race<'_>) -> Value {
    let now = race.arena.site.flows.clock.now();
    let jti = unforget::entropy::id(now).to_string();
    json!({"iat": now.timestamp(), "jti": jti})
}

/// A proof of a key for a call, with this token if any.
fn proof(race: &Race<'_>, key: &Key, path: &str, token: Option<&str>) -> String {
    let mut claims = claims(race);
    claims["htm"] = json!("POST");
    claims["htu"] = json!(format!("{ISSUER}{path}"));
    if let Some(token) = token {
        claims["ath"] = json!(base64(Sha256::digest(token)));
    }
    key.message(&header(key).to_string(), &claims.to_string())
}

async fn tokens_of(race: &Race<'_>, id: &str) -> i64 {
    let count = format!("SELECT COUNT(*) AS n FROM access_tokens WHERE client_id = '{id}'");
    race.arena.site.count(count).await
}

async fn secrets_of(race: &Race<'_>, id: &str) -> i64 {
    let count = format!("SELECT COUNT(*) AS n FROM client_secrets WHERE client_id = '{id}'");
    race.arena.site.count(count).await
}

both! {
    async fn o18_of_those_who_give_a_client_a_secret_together_one_is_told_one(backend: Backend) {
        races(backend, async |race: Race<'_>| {
            let body = json!({"client_name": "A", "scope": "password:reset",
                "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [Key::es256().jwk()]}});
            let made = race.run(&[Call::json("POST", REGISTER, &race.arena.registrar, &body)]).await;
            let id = made[0].json()["client_id"].as_str().unwrap().to_owned();
            let body = json!({"client_id": id, "client_name": "A", "token_endpoint_auth_method": "client_secret_basic"});
            let call = Call::json("PUT", &format!("{REGISTER}/{id}"), &race.arena.registrar, &body);
            let replies = race.run(&vec![call; CALLERS]).await;
            assert!(replies.iter().all(|reply| reply.status == 200), "{replies:?}");
            let told: Vec<_> = replies.iter().filter_map(|reply| reply.json()["client_secret"].as_str().map(ToOwned::to_owned)).collect();
            assert_eq!(told.len(), 1, "{replies:?}");
            assert_eq!(secrets_of(&race, &id).await, 1);
            let form = [GRANT, ("client_id", &id), ("client_secret", &told[0])];
            assert_eq!(race.run(&[Call::form("/oauth/token", &form)]).await[0].status, 200);
        }).await;
    }

    /// At the command line, as several processes: two secrets of one name could not be told apart.
    async fn o18_of_rotations_together_with_one_label_one_is_done(backend: Backend) {
        races(backend, async |race: Race<'_>| {
            let site = &race.arena.site;
            let client = site.client(APP).await;
            let arguments = ["client", "rotate", &client.id, "--label", "new", "--json"];
            let running: Vec<_> = (0..3).map(|_| {
                let mut command = site.program.command(&arguments);
                command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
            }).collect();
            let ended: Vec<_> = running.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
            let won: Vec<_> = ended.iter().filter(|output| output.status.success()).collect();
            assert_eq!(won.len(), 1, "{ended:?}");
            assert_eq!(secrets_of(&race, &client.id).await, 2);
            let told: Value = serde_json::from_slice(&won[0].stdout).unwrap();
            let secret = told["client_secret"].as_str().unwrap();
            let form = [GRANT, ("client_id", &client.id), ("client_secret", secret)];
            assert_eq!(race.run(&[Call::form("/oauth/token", &form)]).await[0].status, 200);
        }).await;
    }

    async fn x06_of_requests_released_together_with_one_assertion_one_wins(backend: Backend) {
        races(backend, async |race: Race<'_>| {
            let key = Key::es256();
            let id = signer(&race, &key).await;
            let mut claims = claims(&race);
            (claims["iss"], claims["sub"], claims["aud"]) = (json!(id), json!(id), json!(ISSUER));
            claims["exp"] = json!(claims["iat"].as_i64().unwrap() + 60);
            let head = json!({"alg": key.alg(), "kid": "a"});
            let assertion = key.message(&head.to_string(), &claims.to_string());
            let form = [GRANT, ("client_assertion_type", TYPE), ("client_assertion", &assertion)];
            let replies = race.run(&vec![Call::form("/oauth/token", &form); CALLERS]).await;
            let won = replies.iter().filter(|reply| reply.status == 200).count();
            assert_eq!(won, 1, "{replies:?}");
            let lost = replies.iter().filter(|reply| reply.said() == "401 invalid_client").count();
            assert_eq!(lost, CALLERS - 1, "{replies:?}");
            assert_eq!(tokens_of(&race, &id).await, 1);
        }).await;
    }

    async fn x08_of_requests_released_together_with_one_proof_one_wins(backend: Backend) {
        races(backend, async |race: Race<'_>| {
            let key = Key::es256();
            let client = race.arena.site.client(APP).await;
            let once = proof(&race, &key, "/oauth/token", None);
            let ask = Call::form("/oauth/token", &[GRANT]).by(&client).with("DPoP", &once);
            let replies = race.run(&vec![ask; CALLERS]).await;
            let won: Vec<_> = replies.iter().filter(|reply| reply.status == 200).collect();
            assert_eq!(won.len(), 1, "{replies:?}");
            let lost = replies.iter().filter(|reply| reply.said() == "400 invalid_dpop_proof").count();
            assert_eq!(lost, CALLERS - 1, "{replies:?}");
            assert_eq!(tokens_of(&race, &client.id).await, 1);

            // And with the token that it got.
            let told = won[0].json();
            let token = told["access_token"].as_str().unwrap();
            let once = proof(&race, &key, CHECK, Some(token));
            let check = Call::json("POST", CHECK, token, &json!({"token": "x"})).proving(&once);
            let lost = [("401 invalid_dpop_proof", CALLERS - 1)];
            race.one_wins(&vec![check; CALLERS], "400 wrong_token", &lost).await;
        }).await;
    }
}
