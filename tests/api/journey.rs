//! The main job, end to end.

use serde_json::json;

use crate::both;
use crate::helpers::{APP, Backend, OLD_PASSWORD, TestApp};

both! {
    async fn a_forgotten_password_is_replaced_by_the_link_in_the_mail(app: TestApp) {
        app.user("ann@example.com").await;
        let token = app.token(APP).await;

        let reminded = app.remind(&token, "Ann@Example.com").await;
        assert_eq!(reminded.status, 200);
        assert_eq!(reminded.json(), json!({"status": "reminder_sent", "success": "An email was sent to the user."}));

        let mail = app.mails(1).await.remove(0);
        assert_eq!(mail.to, ["ann@example.com"]);
        let reset_token = mail.parse().token();

        let checked = app.check(&token, &reset_token).await;
        assert_eq!(checked.said(), "200 token_valid");

        let reset = app.reset(&token, "ann@example.com", &reset_token, "a new secret").await;
        assert_eq!(reset.status, 200);
        assert_eq!(reset.json(), json!({"status": "password_reset", "success": "The new password has been set."}));
        assert!(app.password_is("ann@example.com", "a new secret").await);
        assert!(!app.password_is("ann@example.com", OLD_PASSWORD).await);

        assert_eq!(app.check(&token, &reset_token).await.said(), "400 wrong_token");
        let notice = app.mails(2).await.remove(1);
        assert_eq!(notice.to, ["ann@example.com"]);
        assert_eq!(notice.parse().header("Subject").as_deref(), Some("Your password for Teen Quotes was changed"));
    }
}
