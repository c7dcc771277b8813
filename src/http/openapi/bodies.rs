//! The shapes of error bodies: each contract has its own.

use serde_json::json;
use utoipa::openapi::schema::Type;

use super::errors::{Family, REQUEST_ID};
use super::shape::{Shape, field, list, nested, object, text};
use crate::domain::Refusal;

impl Family {
    /// The schema of every body.
    pub(super) fn shape(self) -> Shape {
        match self {
            Self::Native => native(),
            Self::Oauth => object([
                text(
                    "error",
                    "For programs (RFC 6749 section 5.2).",
                    "invalid_client",
                ),
                text(
                    "error_description",
                    "For people, in English.",
                    "client authentication failed",
                ),
            ]),
            Self::Unleash => object([
                text("id", "This error's own name.", REQUEST_ID),
                text("name", "For programs: the kind of error.", "BadDataError"),
                text("message", "What went wrong.", "Token was not valid"),
                field(
                    "details",
                    Type::Array,
                    "What is wrong with the data.",
                    json!([{"message": "The `token` property must not be empty."}]),
                )
                .omissible(),
            ]),
            Self::Swift => object([
                field("code", Type::Integer, "The status.", json!(401)),
                nested(
                    "message",
                    [
                        text(
                            "RESPONSE_TEXT",
                            "For people.",
                            "Oups! Il semblerait que vos identifiants soient incorrect",
                        ),
                        text(
                            "RESPONSE_CODE",
                            "For programs.",
                            "BAD_AUTH_COMBINATION_MESSAGE",
                        ),
                    ],
                ),
            ]),
            Self::Interslice => object([
                field(
                    "errors",
                    Type::Object,
                    "What is wrong with each field.",
                    json!({"reset_password_token": ["is invalid"]}),
                )
                .omissible(),
                text("error", "Any other error.", "Not Found").omissible(),
                field("status", Type::Integer, "Its status.", json!(404)).omissible(),
            ]),
            Self::Ocariot => object([
                field("code", Type::Integer, "The status.", json!(400)),
                text(
                    "message",
                    "What is wrong.",
                    "Required fields were not provided...",
                ),
                text("description", "More on it.", "new_password is required!"),
            ]),
        }
    }
}

fn native() -> Shape {
    let names: Vec<_> = Refusal::ALL.iter().map(|reason| reason.name()).collect();
    let reasons = list("reasons", "Why the password is refused.", &names);
    object([
        text("status", "For programs. Never changes.", "invalid_request"),
        text(
            "error",
            "For people, in the language of `Accept-Language`.",
            "The request is not valid.",
        ),
        text(
            "field",
            "The field that is missing, repeated or wrong.",
            "email",
        )
        .omissible(),
        reasons.omissible(),
        field(
            "min_length",
            Type::Integer,
            "The fewest characters that a password may have.",
            json!(6),
        )
        .omissible(),
        text(
            "request_id",
            "What `X-Request-Id` says too: the request's name in the logs.",
            REQUEST_ID,
        ),
    ])
}
