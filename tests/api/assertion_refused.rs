//! Assertions that are wrong in one place (bar X06): each is refused like every other, and none is a defect.

use serde_json::{Value, json};

use crate::assertion::{ISSUER, claims, present, signer};
use crate::both;
use crate::helpers::{APP, Backend, Reply, TestApp};
use crate::keys::{Key, base64};
use crate::token::refused;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What every bad assertion is answered: the same status, and the same bytes.
fn assert_refused(case: &str, reply: &Reply) {
    assert_eq!(refused(reply), "401 invalid_client", "{case}");
    let same = "the client assertion was refused: iss and sub are the client_id, aud is the issuer alone, exp at most 5 minutes ahead, \
                jti new, signed with a registered key";
    let same = json!({"error": "invalid_client", "error_description": same});
    assert_eq!(reply.text, same.to_string(), "{case}");
}

fn with(mut claims: Value, name: &str, value: Value) -> String {
    claims[name] = value;
    claims.to_string()
}

both! {
    async fn x06_an_assertion_with_one_wrong_claim_is_refused(app: TestApp) {
        let key = Key::es256();
        let client = signer(&app, &key.set("a")).await;
        let header = json!({"alg": "ES256", "kid": "a"}).to_string();
        let now = app.clock.now().timestamp();
        let good = || claims(&app, &client.id);
        assert_eq!(present(&app.base, &key.message(&header, &good().to_string())).await.status, 200);

        for claim in ["iss", "sub", "aud", "exp", "jti"] {
            let mut claims = good();
            claims.as_object_mut().unwrap().remove(claim);
            let reply = present(&app.base, &key.message(&header, &claims.to_string())).await;
            assert_refused(&format!("without {claim}"), &reply);
        }
        let odd = [json!(null), json!(true), json!(7), json!([]), json!({}), json!(""), json!([client.id])];
        for claim in ["iss", "sub", "aud", "jti"] {
            for value in odd.clone() {
                let case = format!("{claim} = {value}");
                assert_refused(&case, &present(&app.base, &key.message(&header, &with(good(), claim, value))).await);
            }
        }
        for (claim, value) in [
            ("iss", json!("another")),
            ("sub", json!("another")),
            ("sub", json!("' OR 1=1 --")),
            ("sub", json!("a\u{0}b")),
            ("aud", json!(format!("{ISSUER}/"))),
            ("aud", json!(format!("{ISSUER}/oauth/token"))),
            ("aud", json!("https://another.example")),
            ("aud", json!(app.base)),
            ("aud", json!([ISSUER])),
            ("aud", json!([ISSUER, "https://another.example"])),
            ("exp", json!(now - 11)),
            ("exp", json!(now - 3600)),
            ("exp", json!(now + 330)),
            ("exp", json!(now + 3600)),
            ("exp", json!(1e300)),
            ("exp", json!(-1)),
            ("exp", json!(u64::MAX)),
            ("exp", json!(now.to_string())),
            ("exp", json!(null)),
            ("exp", json!([now + 60])),
            ("nbf", json!(now + 90)),
            ("nbf", json!("now")),
            ("nbf", json!(null)),
            ("iat", json!(now + 90)),
            ("iat", json!(now - 330)),
            ("iat", json!({})),
            ("jti", json!("j".repeat(256))),
        ] {
            let case = format!("{claim} = {value}");
            assert_refused(&case, &present(&app.base, &key.message(&header, &with(good(), claim, value))).await);
        }
        // Clocks that differ a little, and fractions of a second, are nobody's fault.
        for (claim, value) in [
            ("exp", json!(now - 5)), ("exp", json!(now + 300)), ("exp", json!(now as f64 + 30.5)), ("nbf", json!(now + 30)), ("iat", json!(now + 30)),
        ] {
            let reply = present(&app.base, &key.message(&header, &with(good(), claim, value.clone()))).await;
            assert_eq!(reply.status, 200, "{claim} = {value}: {reply:?}");
        }
        for claim in ["nbf", "iat"] {
            let mut claims = good();
            claims.as_object_mut().unwrap().remove(claim);
            assert_eq!(present(&app.base, &key.message(&header, &claims.to_string())).await.status, 200, "{claim} need not be there");
        }
    }

    async fn x06_an_assertion_with_a_wrong_header_is_refused(app: TestApp) {
        let (key, own) = (Key::es256(), Key::es256());
        let client = signer(&app, &key.set("a")).await;
        let good = json!({"alg": "ES256", "kid": "a"});
        for (member, value) in [
            ("alg", json!("none")), ("alg", json!("None")), ("alg", json!("")), ("alg", json!(null)), ("alg", json!(["ES256"])),
            ("alg", json!("ES384")), ("alg", json!("RS256")), ("alg", json!("EdDSA")), ("alg", json!("HS256")), ("alg", json!("es256")),
            ("kid", json!("b")), ("kid", json!("")), ("kid", json!(7)), ("kid", json!(null)), ("kid", json!("../../../../etc/passwd")),
            ("kid", json!("a' OR '1'='1")), ("kid", json!("a\u{0}")),
            ("crit", json!(["exp"])), ("crit", json!([])), ("typ", json!("dpop+jwt")), ("typ", json!(7)),
        ] {
            let mut header = good.clone();
            header[member] = value.clone();
            let message = key.message(&header.to_string(), &claims(&app, &client.id).to_string());
            assert_refused(&format!("{member} = {value}"), &present(&app.base, &message).await);
        }
        let mut headless = good.clone();
        headless.as_object_mut().unwrap().remove("alg");
        assert_refused("no alg", &present(&app.base, &key.message(&headless.to_string(), &claims(&app, &client.id).to_string())).await);

        // A key that the header brings along or points to is not looked at, whether it is the right one or not.
        for (member, value) in [
            ("jwk", own.jwk()), ("jku", json!(format!("{}/keys.json", app.base))), ("x5u", json!("https://evil.example/c.pem")),
            ("x5c", json!(["MIIB"])),
        ] {
            let mut header = good.clone();
            header[member] = value;
            let forged = own.message(&header.to_string(), &claims(&app, &client.id).to_string());
            assert_refused(&format!("forged with {member}"), &present(&app.base, &forged).await);
            let right = key.message(&header.to_string(), &claims(&app, &client.id).to_string());
            assert_eq!(present(&app.base, &right).await.status, 200, "{member} is ignored");
        }
        for typ in ["JWT", "jwt", "application/jwt", "client-authentication+jwt"] {
            let mut header = good.clone();
            header["typ"] = json!(typ);
            let right = key.message(&header.to_string(), &claims(&app, &client.id).to_string());
            assert_eq!(present(&app.base, &right).await.status, 200, "{typ}");
        }
    }

    async fn x06_a_forged_signature_is_refused_and_burns_nothing(app: TestApp) {
        for key in Key::every_kind() {
            let client = signer(&app, &key.set("a")).await;
            let header = json!({"alg": key.alg(), "kid": "a"}).to_string();
            let claims = claims(&app, &client.id).to_string();
            let good = key.message(&header, &claims);
            let (text, signature) = good.rsplit_once('.').unwrap();
            let hs256 = |secret: &[u8]| {
                let text = format!("{}.{}", base64(r#"{"alg":"HS256","kid":"a"}"#), base64(&claims));
                let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
                mac.update(text.as_bytes());
                format!("{text}.{}", base64(mac.finalize().into_bytes()))
            };
            let changed = claims.replace(ISSUER, "https://unforget.example ");
            for (case, forged) in [
                ("no signature", format!("{text}.")),
                ("none", format!("{}.{}.", base64(r#"{"alg":"none"}"#), base64(&claims))),
                ("none with a signature", format!("{}.{}.{signature}", base64(r#"{"alg":"none"}"#), base64(&claims))),
                ("HS256 with the public key", hs256(key.jwk().to_string().as_bytes())),
                ("HS256 with the set", hs256(key.set("a").as_bytes())),
                ("another's key", Key::es256().message(&header, &claims)),
                ("other claims", format!("{}.{}.{signature}", base64(&header), base64(changed))),
                ("a short signature", format!("{text}.{}", &signature[..signature.len() - 8])),
                ("a long signature", format!("{text}.{signature}AAAA")),
                ("zeros", format!("{text}.{}", base64([0; 64]))),
                ("no base64", format!("{text}.{}", "*".repeat(86))),
                ("padded", format!("{good}==")),
                ("in front", format!(" {good}")),
                ("four parts", format!("{good}.AAAA")),
                ("two parts", text.to_owned()),
                ("one part", "x".to_owned()),
                ("dots", "..".to_owned()),
            ] {
                assert_refused(&format!("{}: {case}", key.alg()), &present(&app.base, &forged).await);
            }
            assert_eq!(present(&app.base, &good).await.status, 200, "{}: the real one still works", key.alg());
        }
    }

    async fn x06_a_key_of_another_client_is_no_key(app: TestApp) {
        let (key, others) = (Key::es256(), Key::es256());
        let client = signer(&app, &key.set("a")).await;
        let other = signer(&app, &others.set("a")).await;
        let header = json!({"alg": "ES256", "kid": "a"}).to_string();
        let crossed = others.message(&header, &claims(&app, &client.id).to_string());
        assert_refused("another client's key", &present(&app.base, &crossed).await);
        let own = others.message(&header, &claims(&app, &other.id).to_string());
        assert_eq!(present(&app.base, &own).await.status, 200);
    }

    async fn x07_whoever_cannot_sign_is_answered_like_a_stranger(app: TestApp) {
        let key = Key::es256();
        let header = json!({"alg": "ES256", "kid": "a"}).to_string();
        let with_secret = app.client(APP).await;
        for id in ["nobody", &with_secret.id] {
            let message = key.message(&header, &claims(&app, id).to_string());
            assert_refused(id, &present(&app.base, &message).await);
        }
        // Keys beside a secret: it is registered for its secret, so a signature is not its way.
        let jwks = key.set("a").parse_set();
        let both = app.client_with(APP, |new| new.jwks = Some(jwks)).await;
        let message = key.message(&header, &claims(&app, &both.id).to_string());
        assert_refused("registered for a secret", &present(&app.base, &message).await);
        assert_eq!(app.token_request(&both, &[("grant_type", "client_credentials")]).await.status, 200);
    }

    async fn x06_what_is_no_assertion_at_all_is_refused_without_a_defect(app: TestApp) {
        let key = Key::es256();
        let client = signer(&app, &key.set("a")).await;
        let header = json!({"alg": "ES256", "kid": "a"}).to_string();
        let good = claims(&app, &client.id).to_string();
        let deep = format!("{}1{}", "[".repeat(2000), "]".repeat(2000));
        let inserted = |text: &str| good.replacen('{', &format!("{{{text},"), 1);
        for (case, header, claims) in [
            ("deep claims", header.as_str(), inserted(&format!("\"x\":{deep}"))),
            ("a name twice", &header, inserted("\"iss\":\"another\"")),
            ("a name twice, deep", &header, inserted("\"x\":{\"a\":1,\"a\":2}")),
            ("a number too large", &header, inserted("\"x\":1e999")),
            ("not a number", &header, good.replace("\"exp\":", "\"exp\":NaN,\"y\":")),
            ("an array", &header, format!("[{good}]")),
            ("a text", &header, "\"claims\"".to_owned()),
            ("nothing", &header, String::new()),
            ("no JSON", &header, "{".to_owned()),
            ("two values", &header, format!("{good}{good}")),
            ("a header with a name twice", r#"{"alg":"ES256","alg":"none"}"#, good.clone()),
            ("a header that is no object", "[]", good.clone()),
            ("a header that is empty", "", good.clone()),
            ("too long", &header, inserted(&format!("\"x\":\"{}\"", "x".repeat(7000)))),
        ] {
            assert_refused(case, &present(&app.base, &key.message(header, &claims)).await);
        }
        let bytes = format!("{}.{}.{}", base64(&header), base64(b"{\"iss\":\"\xff\"}"), base64([1; 64]));
        assert_refused("no UTF-8", &present(&app.base, &bytes).await);
        let huge = present(&app.base, &"x".repeat(17_000)).await;
        assert_eq!(huge.status, 413, "{huge:?}");
    }
}

trait ParseSet {
    fn parse_set(&self) -> unforget::domain::JwkSet;
}

impl ParseSet for String {
    fn parse_set(&self) -> unforget::domain::JwkSet {
        unforget::domain::JwkSet::parse(self).unwrap()
    }
}
