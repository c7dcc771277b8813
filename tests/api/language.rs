//! Answers in the caller's language, by `Accept-Language`.

use serde_json::json;
use unforget::config::LimitSettings;

use crate::both;
use crate::helpers::{APP, Backend, TestApp};
use crate::http_headers::sent;

both! {
    async fn answers_are_in_the_callers_language_and_the_status_word_never_changes(app: TestApp) {
        app.user("ann@example.com").await;
        let token = app.token(APP).await;
        let (ann, short) = ("ann@example.com", "short");
        let cases = [
            (
                ("/v1/password/remind", token.as_str(), json!({"email": ann})),
                "200 reminder_sent",
                "An email was sent to the user.",
                "Un e-mail a été envoyé à l'utilisateur.",
            ),
            (
                ("/v1/password/remind", &token, json!({"email": "x"})),
                "400 wrong_user",
                "The email address doesn't match a user.",
                "L'adresse e-mail ne correspond à aucun utilisateur.",
            ),
            (
                ("/v1/password/check", &token, json!({"token": "x"})),
                "400 wrong_token",
                "The reset token is invalid.",
                "Le jeton de réinitialisation n'est pas valide.",
            ),
            (
                ("/v1/password/reset", &token, json!({"email": ann, "token": "x", "password": short})),
                "400 wrong_password",
                "The password is wrong.",
                "Le mot de passe n'est pas valide.",
            ),
            (
                ("/v1/password/remind", "x", json!({})),
                "401 invalid_token",
                "The access token is invalid, expired or revoked.",
                "Le jeton d'accès est invalide, expiré ou révoqué.",
            ),
            (
                ("/nothing", "", json!({})),
                "404 not_found",
                "There is nothing at this path.",
                "Il n'y a rien à cette adresse.",
            ),
        ];
        for ((path, token, body), said, english, french) in cases {
            for (language, expected) in [
                ("", english),
                ("fr", french),
                ("FR-ca, en;q=0.8", french),
                ("de, en;q=0.3, fr;q=0.5", french),
                ("en, fr;q=0.9", english),
                ("fr;q=0", english),
                ("de", english),
            ] {
                let request = app.request("POST", path).bearer_auth(token).header("accept-language", language);
                let reply = sent(request.json(&body)).await;
                assert_eq!(reply.said(), said, "{path} {language}");
                let json = reply.json();
                let text = json.get("success").or(json.get("error")).unwrap();
                assert_eq!(text, expected, "{path} {language}");
            }
        }
    }
}

both! {
    async fn h03_a_limited_answer_is_french_too(backend: Backend) {
        let one = LimitSettings { token_per_minute: 1, token_burst: 1, api_per_minute: 1, api_burst: 1, page_per_minute: 1, page_burst: 1 };
        let app = TestApp::start_with(backend, |settings| settings.limits = Some(one)).await;
        let ask = || sent(app.request("POST", "/v1/password/check").header("accept-language", "fr"));
        assert_eq!(ask().await.json()["error"], "Un jeton d'accès est nécessaire.");
        assert_eq!(ask().await.json()["error"], "Trop de requêtes ; revenez plus tard.");
    }
}
