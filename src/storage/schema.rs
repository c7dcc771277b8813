//! The tables, as both databases have them. A test compares this with each database's own catalogue.

diesel::table! {
    use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};
    use crate::storage::columns::InstantSql;

    clients (id) {
        id -> Text,
        name -> Text,
        scopes -> Text,
        reset_url -> Nullable<Text>,
        locale -> Nullable<Text>,
        token_lifetime -> Nullable<BigInt>,
        created_at -> InstantSql,
        disabled_at -> Nullable<InstantSql>,
        auth_method -> Text,
        jwks -> Nullable<Text>,
        require_dpop -> Bool,
        registration_digest -> Nullable<Binary>,
        registered_by -> Nullable<Text>,
        tokens_from -> Nullable<InstantSql>,
        scopes_from -> Nullable<InstantSql>,
    }
}

diesel::table! {
    use diesel::sql_types::{Binary, Nullable, Text};
    use crate::storage::columns::{InstantSql, UuidSql};

    client_secrets (id) {
        id -> UuidSql,
        client_id -> Text,
        digest -> Binary,
        created_at -> InstantSql,
        expires_at -> Nullable<InstantSql>,
        label -> Nullable<Text>,
        not_before -> Nullable<InstantSql>,
        last_used_at -> Nullable<InstantSql>,
    }
}

diesel::table! {
    use diesel::sql_types::{Bool, Nullable, Text};
    use crate::storage::columns::{InstantSql, UuidSql};

    users (id) {
        id -> UuidSql,
        email -> Text,
        email_key -> Text,
        password_hash -> Nullable<Text>,
        locale -> Nullable<Text>,
        profile -> Text,
        created_at -> InstantSql,
        password_changed_at -> Nullable<InstantSql>,
        disabled_at -> Nullable<InstantSql>,
        password_must_change -> Bool,
    }
}

diesel::table! {
    use diesel::sql_types::{Binary, Nullable, Text};
    use crate::storage::columns::{InstantSql, UuidSql};

    access_tokens (digest) {
        digest -> Binary,
        client_id -> Text,
        subject -> Nullable<UuidSql>,
        scopes -> Text,
        created_at -> InstantSql,
        expires_at -> InstantSql,
        jkt -> Nullable<Binary>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Nullable, Text};
    use crate::storage::columns::{InstantSql, UuidSql};

    mails (id) {
        id -> UuidSql,
        kind -> Text,
        address_key -> Nullable<Text>,
        user_id -> Nullable<UuidSql>,
        client_id -> Nullable<Text>,
        locale -> Nullable<Text>,
        state -> Text,
        created_at -> InstantSql,
        expires_at -> InstantSql,
        due_at -> Nullable<InstantSql>,
        lease -> Nullable<UuidSql>,
        attempts -> BigInt,
        failure -> Nullable<Text>,
        finished_at -> Nullable<InstantSql>,
        recipient -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::{Binary, Nullable};
    use crate::storage::columns::{InstantSql, UuidSql};

    reset_tokens (digest) {
        digest -> Binary,
        user_id -> UuidSql,
        mail_id -> UuidSql,
        requested_at -> InstantSql,
        expires_at -> InstantSql,
        used_at -> Nullable<InstantSql>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Text};
    use crate::storage::columns::InstantSql;

    guesses (address_key) {
        address_key -> Text,
        failures -> BigInt,
        last_at -> InstantSql,
        free_at -> InstantSql,
    }
}

diesel::table! {
    use diesel::sql_types::Binary;
    use crate::storage::columns::InstantSql;

    jtis (digest) {
        digest -> Binary,
        expires_at -> InstantSql,
    }
}

diesel::table! {
    use diesel::sql_types::{Binary, Text};

    own_keys (name) {
        name -> Text,
        key -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::{Nullable, Text};
    use crate::storage::columns::{InstantSql, UuidSql};

    audit (id) {
        id -> UuidSql,
        at -> InstantSql,
        act -> Text,
        refusal -> Nullable<Text>,
        client_id -> Nullable<Text>,
        subject_client -> Nullable<Text>,
        subject_user -> Nullable<UuidSql>,
        request_id -> Nullable<Text>,
        address -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Binary, Text};
    use crate::storage::columns::InstantSql;

    limits (digest) {
        digest -> Binary,
        bucket -> Text,
        full_at -> InstantSql,
        spent -> BigInt,
        changed_at -> InstantSql,
    }
}

/// Every table of ours, for whoever looks whether each can be used.
pub(super) const TABLES: [&str; 11] = [
    "clients",
    "client_secrets",
    "users",
    "access_tokens",
    "mails",
    "reset_tokens",
    "guesses",
    "jtis",
    "own_keys",
    "audit",
    "limits",
];

diesel::joinable!(client_secrets -> clients (client_id));
diesel::joinable!(access_tokens -> clients (client_id));
diesel::joinable!(reset_tokens -> users (user_id));
diesel::allow_tables_to_appear_in_same_query!(
    clients,
    client_secrets,
    users,
    access_tokens,
    mails,
    reset_tokens,
    guesses,
    jtis,
    own_keys,
    audit,
    limits
);
