//! What is fired: texts, values, bodies and header fields that some parser, database, mail program or terminal acts on.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

/// An ordinary value of a field, by its name.
pub(super) fn ordinary(name: &str) -> Value {
    match name {
        "email" => json!("ann@example.com"),
        "locale" => json!("fr"),
        "profile" => json!({"plan": "gold"}),
        "grant_type" => json!("client_credentials"),
        "scope" => json!("password:remind"),
        "client_name" => json!("Quotes"),
        name if name.to_lowercase().contains("old") => json!("not the password"),
        name if name.to_lowercase().contains("password") => json!("a new secret"),
        _ => json!("x"),
    }
}

/// Texts that somebody's parser, database, mail program or terminal acts on.
pub(super) fn texts() -> Vec<String> {
    [
        "",
        " ",
        "\0",
        "canary\0canary",
        "canary\r\nBcc: eve@evil.example",
        "canary\u{1b}[2J",
        "canary\u{2028}\u{85}",
        "canary' OR '1'='1' --",
        "canary\";DROP TABLE users;--",
        "{{7*7}}canary",
        "${canary}",
        "%00%0d%0acanary",
        "../../../canary",
        "<script>canary</script>",
        "canary\u{202e}\u{feff}\u{10ffff}",
        "e\u{301}\u{fdfa}",
        "canary@x.example,eve@evil.example",
        "-1",
        "99999999999999999999",
        "true",
        "uf_rt_0000000000000000000000000000000000000000000000000",
        "00000000-0000-0000-0000-000000000000",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([
        "canary".repeat(2000),
        "\u{fdfa}".repeat(1024),
        "a".repeat(64) + "@" + &"b.".repeat(95),
    ])
    .collect()
}

/// Values of other types.
pub(super) fn values() -> Vec<Value> {
    let deep = |depth| (0..depth).fold(json!("canary"), |inner, _| json!([inner]));
    vec![
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1e308),
        json!(u64::MAX),
        json!([]),
        json!({}),
        json!(["ann@example.com", "eve@example.com"]),
        json!({"$ne": null, "canary": "\0"}),
        json!({"password": "canary"}),
        deep(100),
    ]
}

/// Bodies that are no JSON object, or a strange one, around a good one.
pub(super) fn json_bodies(good: &str) -> Vec<Vec<u8>> {
    let inner = good.trim_start_matches('{').trim_end_matches('}');
    let with = |extra: &[u8]| {
        [
            b"{".as_slice(),
            inner.as_bytes(),
            if inner.is_empty() { b"" } else { b"," },
            extra,
            b"}",
        ]
        .concat()
    };
    let first = |extra: &str| format!("{{{extra},{inner}}}").into_bytes();
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let many: String = (0..1500).map(|n| format!("\"x{n}\":1,")).collect();
    vec![
        b"".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"\"canary\"".to_vec(),
        b"{".to_vec(),
        b"\0".to_vec(),
        vec![0xff; 100],
        good.as_bytes().to_vec(),
        format!("{good}{good}").into_bytes(),
        format!("{good}canary").into_bytes(),
        format!("\u{feff}{good}").into_bytes(),
        [b"\xfe\xff".to_vec(), utf16.clone()].concat(),
        utf16,
        with(b"\"x\":1e400"),
        with(b"\"x\":NaN"),
        with(br#""x":"\ud800""#),
        with(b"\"x\":\"\xff\""),
        with(b"\"x\":\"\xc0\xaf\""),
        with(format!("\"x\":{}{}", "[".repeat(5000), "]".repeat(5000)).as_bytes()),
        with("{\"x\":".repeat(2500).as_bytes()),
        with(format!("{many}\"canary\":1").as_bytes()),
        with(br#""canary":1,"canary":2"#),
        with(br#""":"","\u0000":"\u0000""#),
        first(r#""__proto__":{"canary":1},"constructor":null"#),
    ]
}

/// Forms that cannot be decoded, or strangely.
pub(super) fn form_bodies(good: &str) -> Vec<Vec<u8>> {
    let many: String = (0..3000).map(|n| format!("&{n}=")).collect();
    [
        "%",
        "%zz",
        "%00=%00",
        "x=%ff",
        "x=%ed%a0%80",
        "x=\u{0}",
        "x[]=canary&x[canary]=y",
        "&&&==&",
        "+=+",
        &many,
    ]
    .iter()
    .map(|extra| format!("{good}&{extra}").into_bytes())
    .chain([
        b"".to_vec(),
        b"\xff\xfe".to_vec(),
        format!("{good}&{good}").into_bytes(),
        "canary=".repeat(2000).into_bytes(),
    ])
    .collect()
}

/// Header fields that are read by somebody here, with what nobody expects in them.
pub(super) fn odd_headers() -> Vec<(&'static str, Vec<u8>)> {
    let basic = |bytes: &[u8]| format!("Basic {}", STANDARD.encode(bytes)).into_bytes();
    let long = "canary".repeat(1500).into_bytes();
    let mut fields = vec![
        ("authorization", b"Basic".to_vec()),
        ("authorization", b"Basic canary!".to_vec()),
        ("authorization", basic(b"canary")),
        ("authorization", basic(b":")),
        ("authorization", basic(b"can\0ary:\xff\xfe")),
        ("authorization", basic(&[b'a'; 6000])),
        ("authorization", b"Bearer \xffcanary".to_vec()),
        ("authorization", b"Bearer a b".to_vec()),
        ("authorization", b"DPoP canary".to_vec()),
        ("authorization", b"Negotiate canary".to_vec()),
        (
            "authorization",
            [b"Bearer ".to_vec(), long.clone()].concat(),
        ),
        ("dpop", b"a.b.c".to_vec()),
        ("dpop", b"e30.e30.".to_vec()),
        ("dpop", vec![0xff; 200]),
        ("content-type", b"application/json;charset=utf-7".to_vec()),
        ("content-type", b"\xff/x".to_vec()),
        ("content-encoding", b"gzip".to_vec()),
        ("content-encoding", b"canary".to_vec()),
        ("range", b"bytes=0-18446744073709551615,-1".to_vec()),
        ("if-none-match", b"\"canary\", W/*".to_vec()),
        ("if-modified-since", b"canary".to_vec()),
        ("origin", b"https://canary.example".to_vec()),
        ("cookie", b"canary=\xff; =".to_vec()),
        ("x-http-method-override", b"DELETE".to_vec()),
        ("forwarded", b"for=\"canary".to_vec()),
        ("accept", b"*/*;q=1e400, canary".to_vec()),
        ("accept-encoding", b"canary;q=9, gzip;q=".to_vec()),
    ];
    for name in [
        "accept-language",
        "x-request-id",
        "x-forwarded-for",
        "user-agent",
        "referer",
    ] {
        fields.push((
            name,
            b"canary\x80\xff{{7*7}}%0d%0a;q=NaN, fr;q=1e400".to_vec(),
        ));
        fields.push((name, long.clone()));
    }
    fields
}
