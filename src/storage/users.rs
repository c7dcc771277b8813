//! Users. An account is found by its id, or by the key of its address.

use diesel::prelude::*;
use uuid::Uuid;

use super::AnyConnection;
use super::columns::{At, Id};
use super::error::{Result, StorageError};
use super::remembered::{self, Kind};
use super::schema::users;
use crate::domain::{EmailAddress, EmailKey, Instant, PasswordHash, User};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = users)]
pub(super) struct Row {
    pub(super) id: Id,
    pub(super) email: String,
    pub(super) email_key: String,
    pub(super) password_hash: Option<String>,
    pub(super) locale: Option<String>,
    pub(super) profile: String,
    pub(super) created_at: At,
    pub(super) password_changed_at: Option<At>,
    pub(super) disabled_at: Option<At>,
    pub(super) password_must_change: bool,
}

impl From<&User> for Row {
    fn from(user: &User) -> Self {
        Self {
            id: Id(user.id),
            email: user.email.to_text(),
            email_key: user.email.key().as_str().to_owned(),
            password_hash: user.password_hash.as_ref().map(|h| h.as_str().to_owned()),
            locale: user.locale.as_ref().map(|l| l.as_str().to_owned()),
            profile: serde_json::Value::from(user.profile.clone()).to_string(),
            created_at: At(user.created_at),
            password_changed_at: user.password_changed_at.map(At),
            disabled_at: user.disabled_at.map(At),
            password_must_change: user.password_must_change,
        }
    }
}

impl TryFrom<Row> for User {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self> {
        let odd = |column: &str| StorageError::Internal(format!("users.{column} cannot be read"));
        Ok(Self {
            id: row.id.0,
            email: EmailAddress::parse(&row.email).map_err(|_| odd("email"))?,
            password_hash: row.password_hash.map(PasswordHash::from_stored),
            locale: row
                .locale
                .map(|l| l.parse().map_err(|_| odd("locale")))
                .transpose()?,
            profile: serde_json::from_str(&row.profile).map_err(|_| odd("profile"))?,
            created_at: row.created_at.0,
            password_changed_at: row.password_changed_at.map(Instant::from),
            disabled_at: row.disabled_at.map(Instant::from),
            password_must_change: row.password_must_change,
        })
    }
}

/// Stores a new user; `Exists` when the address is taken.
pub fn insert(c: &mut AnyConnection, user: &User) -> Result<()> {
    diesel::insert_into(users::table)
        .values(Row::from(user))
        .execute(c)?;
    Ok(())
}

/// Finds a user by id.
pub fn find(c: &mut AnyConnection, id: Uuid) -> Result<Option<User>> {
    let row: Option<Row> = users::table
        .find(Id(id))
        .select(Row::as_select())
        .get_result(c)
        .optional()?;
    row.map(User::try_from).transpose()
}

/// Finds the user whose address equals this one.
pub fn find_by_email(c: &mut AnyConnection, key: &EmailKey) -> Result<Option<User>> {
    find_by_key(c, key.as_str())
}

/// Finds a user by the stored text of an address key.
pub fn find_by_key(c: &mut AnyConnection, key: &str) -> Result<Option<User>> {
    let row: Option<Row> = users::table
        .filter(users::email_key.eq(key))
        .select(Row::as_select())
        .get_result(c)
        .optional()?;
    row.map(User::try_from).transpose()
}

/// Finds a user by id and lets no other transaction concern the user, or the user's address, until this one ends.
pub fn lock(c: &mut AnyConnection, id: Uuid) -> Result<Option<User>> {
    lock_with(c, id, None)
}

/// Like `lock`, and for an address that the user is to have. The id comes first, so that the address stays what it is while the
/// rest is waited for; of two addresses everybody waits for the same one first, for two users may want each other's.
pub fn lock_with(
    c: &mut AnyConnection,
    id: Uuid,
    wanted: Option<&EmailKey>,
) -> Result<Option<User>> {
    c.serialise_on(&id.to_string())?;
    let Some(user) = find(c, id)? else {
        return Ok(None);
    };
    let key = user.email.key();
    let mut keys = vec![key.as_str()];
    keys.extend(wanted.map(EmailKey::as_str));
    keys.sort_unstable();
    for key in keys {
        c.serialise_on(key)?;
    }
    find(c, id) // whoever had the address locked may have changed the password
}

/// Up to `limit` users in the order of their ids, after the given one.
pub fn page(c: &mut AnyConnection, after: Option<Uuid>, limit: i64) -> Result<Vec<User>> {
    let after = after.unwrap_or_default();
    let rows: Vec<Row> = users::table
        .filter(users::id.gt(Id(after)))
        .order(users::id)
        .limit(limit)
        .select(Row::as_select())
        .load(c)?;
    rows.into_iter().map(User::try_from).collect()
}

/// Sets an enabled user's password, and whether the user is to choose another one. Says whether there was such a user.
pub fn set_password(
    c: &mut AnyConnection,
    id: Uuid,
    hash: &PasswordHash,
    must_change: bool,
    now: Instant,
) -> Result<bool> {
    let changed = diesel::update(users::table.find(Id(id)))
        .filter(users::disabled_at.is_null())
        .set((
            users::password_hash.eq(hash.as_str()),
            users::password_changed_at.eq(At(now)),
            users::password_must_change.eq(must_change),
        ))
        .execute(c)?;
    Ok(changed == 1)
}

/// Sets any user's password in an administrator's name. Says whether there was such a user.
pub fn set_chosen_password(
    c: &mut AnyConnection,
    id: Uuid,
    hash: &PasswordHash,
    now: Instant,
) -> Result<bool> {
    let changed = diesel::update(users::table.find(Id(id)))
        .set((
            users::password_hash.eq(hash.as_str()),
            users::password_changed_at.eq(At(now)),
            users::password_must_change.eq(true),
        ))
        .execute(c)?;
    Ok(changed == 1)
}

/// Stores the same password in another form. The password has not changed, so nothing else does.
pub fn replace_hash(c: &mut AnyConnection, id: Uuid, hash: &PasswordHash) -> Result<()> {
    diesel::update(users::table.find(Id(id)))
        .set(users::password_hash.eq(hash.as_str()))
        .execute(c)?;
    Ok(())
}

/// Stores the parts of a user that a `PATCH` may change; `Exists` when the address is taken.
pub fn update(c: &mut AnyConnection, user: &User) -> Result<()> {
    let row = Row::from(user);
    diesel::update(users::table.find(row.id))
        .set((
            users::email.eq(row.email),
            users::email_key.eq(row.email_key),
            users::locale.eq(row.locale),
            users::profile.eq(row.profile),
            users::disabled_at.eq(row.disabled_at),
        ))
        .execute(c)?;
    Ok(())
}

/// Switches a user off or on.
pub fn set_disabled(c: &mut AnyConnection, id: Uuid, at: Option<Instant>) -> Result<bool> {
    remembered::change(Kind::Links);
    Ok(diesel::update(users::table.find(Id(id)))
        .set(users::disabled_at.eq(at.map(At)))
        .execute(c)?
        == 1)
}

/// Deletes a user, with all tokens and mails.
pub fn delete(c: &mut AnyConnection, id: Uuid) -> Result<bool> {
    remembered::change(Kind::Access);
    remembered::change(Kind::Links);
    Ok(diesel::delete(users::table.find(Id(id))).execute(c)? == 1)
}
