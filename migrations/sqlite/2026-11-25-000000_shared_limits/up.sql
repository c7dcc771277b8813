-- What callers have used up of their buckets of calls, which all nodes share. A row is of no use once its bucket is full again.
CREATE TABLE limits (
    digest     BLOB   NOT NULL PRIMARY KEY,        -- of the bucket's name and the client or address
    bucket     TEXT   NOT NULL,
    full_at    BIGINT NOT NULL,                    -- when nothing will be missing any more
    spent      BIGINT NOT NULL,                    -- what was added last, in microseconds of refilling
    changed_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX limits_changed_at ON limits (changed_at);
