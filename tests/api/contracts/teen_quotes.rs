//! The Teen Quotes document (`POST /v1/password/reset`), line by line. It is the native API.

use crate::both;
use crate::helpers::{APP, Backend, Reply, TestApp};

use super::{compact, garbage};

const PATH: &str = "/v1/password/reset";
/// The address, the token and the password of the document's example request.
const EMAIL: &str = "testuser@teen-quotes.com";
const TOKEN: &str = "lt5hrb0s5pz2_qcc4wl4k3f00000gp";
const PASSWORD: &str = "azerty";

/// `curl --header "Authorization: Bearer .." --data "email=..&token=..&password=.."`
async fn curl(app: &TestApp, token: &str, data: String) -> Reply {
    let form = "application/x-www-form-urlencoded";
    app.send_typed("POST", PATH, token, Some(form), data).await
}

fn data(token: &str) -> String {
    format!("email={EMAIL}&token={token}&password={PASSWORD}")
}

/// The body without `request_id`, which we add at its end.
fn documented(reply: &Reply) -> String {
    let own = format!(",\"request_id\":\"{}\"", reply.header("x-request-id"));
    assert!(reply.text.contains(&own), "{reply:?}");
    reply.text.replace(&own, "")
}

both! {
    async fn teen_quotes_example_request_gets_the_example_success(app: TestApp) {
        app.user(EMAIL).await;
        let token = app.token(APP).await;
        let link = app.mailed_token(&token, EMAIL).await;
        let reply = curl(&app, &token, data(&link)).await;
        assert_eq!((reply.status, reply.header("content-type")), (200, "application/json"));
        let expected = compact(
            r#"{
               "status":"password_reset",
               "success":"The new password has been set."
            }"#,
        );
        assert_eq!(reply.text, expected);
        assert!(app.password_is(EMAIL, PASSWORD).await);
    }

    async fn teen_quotes_example_error_is_byte_for_byte_that_of_the_document(app: TestApp) {
        let disclosing = app.token("password:reset users:disclose").await;
        let reply = curl(&app, &disclosing, data(TOKEN)).await;
        assert_eq!((reply.status, reply.header("content-type")), (400, "application/json"));
        let expected = compact(
            r#"{
               "status":"wrong_user",
               "error":"The email address doesn't match a user."
            }"#,
        );
        assert_eq!(documented(&reply), expected);
    }

    async fn teen_quotes_error_messages_are_those_of_the_document(app: TestApp) {
        app.user(EMAIL).await;
        let token = app.token("password:reset users:disclose").await;
        for (body, status, text) in [
            (data(TOKEN), "wrong_token", "The reset token is invalid."),
            (data(&garbage()), "wrong_token", "The reset token is invalid."),
            (data(TOKEN).replace(EMAIL, "nobody@teen-quotes.com"), "wrong_user", "The email address doesn't match a user."),
            (data(TOKEN).replace(EMAIL, "no address"), "wrong_user", "The email address doesn't match a user."),
            (data(TOKEN).replace(PASSWORD, "azert"), "wrong_password", "The password is wrong."),
        ] {
            let reply = curl(&app, &token, body).await;
            assert_eq!(reply.status, 400, "{reply:?}");
            let begins = format!(r#"{{"status":"{status}","error":"{text}""#);
            assert!(reply.text.starts_with(&begins), "{reply:?}");
        }
    }

    async fn teen_quotes_all_parameters_are_required(app: TestApp) {
        let token = app.token(APP).await;
        for name in ["email", "token", "password"] {
            let left: Vec<_> = data(TOKEN).split('&').filter(|pair| !pair.starts_with(name)).map(str::to_owned).collect();
            let reply = curl(&app, &token, left.join("&")).await;
            assert_eq!((reply.status, reply.json()["field"].as_str()), (400, Some(name)));
        }
    }

    async fn teen_quotes_app_token_goes_in_the_header_and_nowhere_else(app: TestApp) {
        // The first curl line of the document has no data: it is a GET of a path that is for POST.
        let token = app.token(APP).await;
        let reply = Reply::of(app.request("GET", PATH).bearer_auth(&token).send().await.unwrap()).await;
        assert_eq!((reply.status, reply.header("allow")), (405, "POST"));
        // Its `access_token` parameter is refused beside the header, and is no credential by itself (bar B04, B05).
        let with = format!("{}&access_token={token}", data(TOKEN));
        assert_eq!(curl(&app, &token, with.clone()).await.said(), "400 invalid_request");
        let form = "application/x-www-form-urlencoded";
        let bare = app.request("POST", PATH).header("content-type", form).body(with);
        assert_eq!(Reply::of(bare.send().await.unwrap()).await.said(), "401 unauthorized");
        let bare = app.request("POST", &format!("{PATH}?access_token={token}")).header("content-type", form);
        assert_eq!(Reply::of(bare.body(data(TOKEN)).send().await.unwrap()).await.said(), "401 unauthorized");
    }
}
