//! Bodies that are not what they should be (bar H06, F05): each is refused with the field's name where there is one, and
//! nothing happens.

use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::both;
use crate::helpers::{APP, Backend, Reply, TestApp};

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

async fn send(
    app: &TestApp,
    token: &str,
    path: &str,
    content_type: &str,
    body: impl AsRef<[u8]>,
) -> Reply {
    let request = app
        .request("POST", path)
        .bearer_auth(token)
        .header(CONTENT_TYPE, content_type);
    Reply::of(request.body(body.as_ref().to_vec()).send().await.unwrap()).await
}

/// Asserts that the answer is 400 `invalid_request`, and names this field, or none.
fn assert_invalid(reply: &Reply, field: Option<&str>, what: &str) {
    assert_eq!(reply.said(), "400 invalid_request", "{what}");
    let json = reply.json();
    assert_eq!(
        json.get("field").and_then(Value::as_str),
        field,
        "{what}: {reply:?}"
    );
}

/// Asserts that nobody was sent anything, and that the service still reminds.
async fn assert_untouched(app: &TestApp, token: &str) {
    app.quiet().await;
    assert!(app.sink.received().is_empty(), "{:?}", app.sink.received());
    assert_eq!(
        app.remind(token, "ann@example.com").await.said(),
        "200 reminder_sent"
    );
    assert_eq!(app.mails(1).await[0].to, ["ann@example.com"]);
}

both! {
    async fn h06_what_is_not_one_json_object_is_refused(app: TestApp) {
        app.user("ann@example.com").await;
        let token = app.token(APP).await;
        let good = r#"{"email":"ann@example.com"}"#;
        let with = |extra: &str| format!(r#"{{"email":"ann@example.com","x":{extra}}}"#).into_bytes();
        let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let utf16_marked = [b"\xff\xfe".to_vec(), utf16.clone()].concat();
        let bombs = [("[", "]"), ("{\"a\":", "}")].map(|(open, close)| format!("{}1{}", open.repeat(2000), close.repeat(2000)));
        for body in [
            Vec::new(),
            b" ".to_vec(),
            b"null".to_vec(),
            b"true".to_vec(),
            b"1".to_vec(),
            b"\"ann@example.com\"".to_vec(),
            b"[]".to_vec(),
            format!("[{good}]").into_bytes(),
            br#"["email","ann@example.com"]"#.to_vec(),
            good.as_bytes()[..good.len() - 1].to_vec(),
            format!("{good}x").into_bytes(),
            format!("{good}{good}").into_bytes(),
            format!("{good},").into_bytes(),
            format!("{good}\0").into_bytes(),
            format!("\u{feff}{good}").into_bytes(),
            utf16,
            utf16_marked,
            good.replace('"', "'").into_bytes(),
            good.replace('}', ",}").into_bytes(),
            br#"{email:"ann@example.com"}"#.to_vec(),
            br#"/**/{"email":"ann@example.com"}"#.to_vec(),
            with("NaN"),
            with("Infinity"),
            with("-Infinity"),
            with("1e400"),
            with("01"),
            with("0x1"),
            with("1."),
            with(r#""\ud800""#),
            with(r#""\udc00\ud800""#),
            with(r#""\x""#),
            with("\"\t\""),
            [with("\"")[..].to_vec(), b"\xff\"}".to_vec()].concat(),
            b"{\"email\":\"ann@example.com\",\"x\":\"\xff\"}".to_vec(),
            b"{\"email\":\"ann@example.com\",\"x\":\"\xc0\xaf\"}".to_vec(),
            b"{\"email\":\"ann@example.com\",\"x\":\"\xed\xa0\x80\"}".to_vec(),
            b"{\"email\":\"ann@example.com\",\"\xff\":1}".to_vec(),
            bombs[0].clone().into_bytes(),
            bombs[1].clone().into_bytes(),
            with(&bombs[0]),
            with(&bombs[1]),
            with(&"[".repeat(10_000)),
            // A key twice: nobody may choose which one counts, at whatever depth, and whether or not it is asked for.
            with(r#"1,"x":1"#),
            with(r#"1,"\u0078":2"#),
            with(r#"{"a":1,"a":2}"#),
            with(r#"{"a":1,"\u0061":1}"#),
            with(r#"{"a":null,"b":[],"a":{}}"#),
            with(r#"[1,[{"a":{"b":1,"b":1}}]]"#),
        ] {
            let reply = send(&app, &token, "/v1/password/remind", JSON, &body).await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
            assert_invalid(&reply, None, &shown);
        }
        assert_untouched(&app, &token).await;
    }

    async fn h06_f05_a_field_that_is_repeated_or_no_text_is_named(app: TestApp) {
        app.user("ann@example.com").await;
        app.user("eve@example.com").await;
        let token = app.token(APP).await;
        for body in [
            r#"{"email":"ann@example.com","email":"eve@example.com"}"#,
            r#"{"email":"eve@example.com","email":"ann@example.com"}"#,
            r#"{"email":"ann@example.com","email":"ann@example.com"}"#,
            r#"{"email":"ann@example.com","x":1,"\u0065mail":"eve@example.com"}"#,
            r#"{"email":null,"email":"ann@example.com"}"#,
            r#"{"email":["ann@example.com"]}"#,
            r#"{"email":["ann@example.com","eve@example.com"]}"#,
            r#"{"email":{"0":"ann@example.com"}}"#,
            r#"{"email":{"$ne":null}}"#,
            r#"{"email":1}"#,
            r#"{"email":true}"#,
            r#"{"email":null}"#,
            r#"{"Email":"ann@example.com"}"#,
            r#"{"email ":"ann@example.com"}"#,
            r#"{"email[]":"ann@example.com"}"#,
            "{}",
        ] {
            assert_invalid(&send(&app, &token, "/v1/password/remind", JSON, body).await, Some("email"), body);
        }
        for body in [
            "email=ann@example.com&email=eve@example.com",
            "email=ann@example.com&%65mail=ann@example.com",
            "email[]=ann@example.com",
            "Email=ann@example.com",
            "",
        ] {
            assert_invalid(&send(&app, &token, "/v1/password/remind", FORM, body).await, Some("email"), body);
        }
        for locale in [r#"["fr"]"#, "1", "{}", "\"fr\",\"locale\":\"en\"", "\"<script>\""] {
            let body = format!(r#"{{"email":"ann@example.com","locale":{locale}}}"#);
            assert_invalid(&send(&app, &token, "/v1/password/remind", JSON, &body).await, Some("locale"), &body);
        }
        assert_untouched(&app, &token).await;
    }

    async fn h06_each_field_of_each_call_is_checked_alike(app: TestApp) {
        let token = app.token(APP).await;
        let good = json!({"email": "ann@example.com", "token": "x", "password": "a new secret"});
        for (path, fields) in [
            ("/v1/password/check", vec!["token"]),
            ("/v1/password/reset", vec!["email", "token", "password"]),
        ] {
            for field in fields {
                let mut absent = good.clone();
                absent.as_object_mut().unwrap().remove(field);
                let mut bodies = vec![absent.to_string()];
                for wrong in [json!(null), json!(1), json!(false), json!(["x"]), json!({"x": "y"})] {
                    let mut body = good.clone();
                    body[field] = wrong;
                    bodies.push(body.to_string());
                }
                let repeated = format!("{},\"{field}\":\"x\"}}", good.to_string().trim_end_matches('}'));
                bodies.push(repeated);
                for body in bodies {
                    assert_invalid(&send(&app, &token, path, JSON, &body).await, Some(field), &body);
                }
            }
        }
        for confirmation in ["1", "[\"a new secret\"]", "{}", "\"a new secret\",\"password_confirmation\":\"a new secret\""] {
            let body = format!("{},\"password_confirmation\":{confirmation}}}", good.to_string().trim_end_matches('}'));
            assert_invalid(&send(&app, &token, "/v1/password/reset", JSON, &body).await, Some("password_confirmation"), &body);
        }
    }

    async fn h06_a_form_that_cannot_be_decoded_is_refused(app: TestApp) {
        app.user("ann@example.com").await;
        let token = app.token(APP).await;
        for body in [
            b"email=ann%40example.com&x=%".as_slice(),
            b"email=ann%40example.com&x=%4",
            b"email=ann%40example.com&x=%zz",
            b"email=ann%40example.com&%zz=x",
            b"email=ann%40example.com&x=%ff",
            b"email=ann%40example.com&x=%c3%28",
            b"email=ann%40example.com&x=%ed%a0%80",
            b"email=ann%40example.com&x=\xff",
            b"\xff",
        ] {
            let shown = String::from_utf8_lossy(body).into_owned();
            assert_invalid(&send(&app, &token, "/v1/password/remind", FORM, body).await, None, &shown);
        }
        assert_untouched(&app, &token).await;
    }

    async fn unknown_fields_are_ignored_and_known_ones_read_in_any_order(app: TestApp) {
        app.user("ann@example.com").await;
        let token = app.token(APP).await;
        for (content_type, body) in [
            (JSON, r#" {"x":{"email":"eve@example.com"},"y":[1,2.5e3],"email":"ann\u0040example.com","locale":null} "#),
            (JSON, r#"{"locale":"fr","z":"\ud83d\udd11","email":"ann@example.com"}"#),
            (JSON, r#"{"email":"ann@example.com","x":[{"a":1},{"a":1}],"y":{"a":{"a":"a"},"x":1,"A":1}}"#),
            (FORM, "x=1&&email=ann%40example.com&locale=&y"),
        ] {
            assert_eq!(send(&app, &token, "/v1/password/remind", content_type, body).await.said(), "200 reminder_sent", "{body}");
        }
        assert_eq!(app.mails(1).await[0].to, ["ann@example.com"]);
    }
}
