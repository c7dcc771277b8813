//! What callers have used up of their buckets of calls, added up over all nodes (bar H12). Counting itself is each node's own;
//! here they tell each other.

use chrono::TimeDelta;
use diesel::dsl::sql;
use diesel::prelude::*;

use super::AnyConnection;
use super::columns::{At, InstantSql};
use super::error::{Result, StorageError};
use super::schema::limits;
use crate::domain::Instant;

/// What one node has let somebody use up.
#[derive(Debug, Clone)]
pub struct Spent {
    /// Of the bucket's name and the client or address.
    pub digest: [u8; 32],
    /// The bucket's name.
    pub bucket: &'static str,
    /// When the first of these calls was.
    pub since: Instant,
    /// How long the bucket takes to get them back.
    pub cost: TimeDelta,
}

/// What all nodes together know of a bucket.
#[derive(Debug, Clone)]
pub struct Shared {
    /// Of the bucket's name and the client or address.
    pub digest: [u8; 32],
    /// The bucket's name.
    pub bucket: String,
    /// When nothing will be missing any more.
    pub full_at: Instant,
    /// Where it is in the order of changes.
    pub mark: Mark,
}

/// How far the clocks of nodes may be apart.
pub const CLOCKS_DIFFER: TimeDelta = TimeDelta::seconds(10);

/// A place in the order of changes: when, and of which bucket.
pub type Mark = (Instant, [u8; 32]);

/// Adds what one node has let through to what is known already: with one statement on PostgreSQL. What was written by a clock that is
/// ahead by more than clocks may differ is not known, but wrong.
pub fn add(c: &mut AnyConnection, mut spent: Vec<Spent>, now: Instant) -> Result<()> {
    // In one order, so that nodes that write the same rows wait for each other and never in a circle.
    spent.sort_by_key(|spent| spent.digest);
    let mut rows = spent.iter().map(|spent| {
        (
            limits::digest.eq(spent.digest.as_slice()),
            limits::bucket.eq(spent.bucket),
            limits::full_at.eq(At(spent.since + spent.cost)),
            limits::spent.eq(spent.cost.num_microseconds().unwrap_or_default()),
            limits::changed_at.eq(At(now)),
        )
    });
    let latest = now + CLOCKS_DIFFER;
    match c {
        AnyConnection::Postgres(c) => diesel::insert_into(limits::table)
            .values(rows.collect::<Vec<_>>())
            .on_conflict(limits::digest)
            .do_update()
            .set((
                limits::full_at.eq(sql::<InstantSql>("CASE WHEN limits.changed_at > ")
                    .bind::<InstantSql, _>(At(latest))
                    .sql(
                        " THEN excluded.full_at \
                         ELSE GREATEST(limits.full_at + excluded.spent * INTERVAL '1 microsecond', excluded.full_at) END",
                    )),
                limits::changed_at.eq(At(now)),
            ))
            .execute(c)
            .map(drop),
        AnyConnection::Sqlite(c) => rows.try_for_each(|row| {
            diesel::insert_into(limits::table)
                .values(row)
                .on_conflict(limits::digest)
                .do_update()
                .set((
                    limits::full_at.eq(sql::<InstantSql>("CASE WHEN limits.changed_at > ")
                        .bind::<InstantSql, _>(At(latest))
                        .sql(
                            " THEN excluded.full_at \
                             ELSE MAX(limits.full_at + excluded.spent, excluded.full_at) END",
                        )),
                    limits::changed_at.eq(At(now)),
                ))
                .execute(c)
                .map(drop)
        }),
    }
    .map_err(StorageError::from)
}

/// Up to `limit` buckets that are not full and come after this place in the order of changes, the oldest change first: whoever goes on
/// from the last one misses none.
pub fn changed(
    c: &mut AnyConnection,
    after: Mark,
    now: Instant,
    limit: i64,
) -> Result<Vec<Shared>> {
    let later = limits::changed_at
        .gt(At(after.0))
        .or(limits::digest.gt(after.1.as_slice()));
    let rows: Vec<(Vec<u8>, String, At, At)> = limits::table
        .filter(limits::changed_at.ge(At(after.0)))
        .filter(later)
        .filter(limits::full_at.gt(At(now)))
        .order((limits::changed_at, limits::digest))
        .limit(limit)
        .select((
            limits::digest,
            limits::bucket,
            limits::full_at,
            limits::changed_at,
        ))
        .load(c)?;
    let odd = |_| StorageError::Internal("limits.digest cannot be read".to_owned());
    let shared = |(digest, bucket, full_at, changed_at): (Vec<u8>, String, At, At)| {
        let digest = digest.try_into().map_err(odd)?;
        Ok(Shared {
            digest,
            bucket,
            full_at: full_at.0,
            mark: (changed_at.0, digest),
        })
    };
    rows.into_iter().map(shared).collect()
}

/// Deletes up to `limit` rows of buckets that are full again. Those that changed first are looked at first, so that few are looked at in
/// vain: an index on the end would have to be written with every call that counts.
pub fn purge(c: &mut AnyConnection, now: Instant, limit: i64) -> Result<usize> {
    let full: Vec<Vec<u8>> = limits::table
        .filter(limits::changed_at.le(At(now + CLOCKS_DIFFER)))
        .filter(limits::full_at.le(At(now)))
        .order(limits::changed_at)
        .select(limits::digest)
        .limit(limit)
        .load(c)?;
    // Somebody may have called again meanwhile.
    let full = limits::table
        .filter(limits::digest.eq_any(full))
        .filter(limits::full_at.le(At(now)));
    Ok(diesel::delete(full).execute(c)?)
}
