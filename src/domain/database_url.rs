//! Which database, as the operator writes it.

use std::path::PathBuf;
use std::str::FromStr;

use super::postgres_url::PostgresUrl;

/// Which database, as the URL's scheme says.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// The path of a file.
    Sqlite(PathBuf),
    /// What libpq takes, with the password in it.
    Postgres(String),
}

/// Why a database URL is not usable. Nothing of the URL is said: there may be a password in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedDatabaseUrl {
    /// Neither database.
    #[error("must begin with sqlite:// (then a path) or postgres://")]
    Scheme,
    /// A part of it may be a piece of the password.
    #[error(
        "must be postgres://user:password@host:port/database, its port a number, and within a part @ : / ? are written %40 %3A %2F %3F"
    )]
    Parts,
}

impl FromStr for DatabaseUrl {
    type Err = MalformedDatabaseUrl;

    fn from_str(text: &str) -> Result<Self, MalformedDatabaseUrl> {
        match text.split_once("://") {
            Some(("sqlite", path)) if !path.is_empty() && !path.contains('?') => {
                Ok(Self::Sqlite(path.into()))
            }
            Some(("postgres" | "postgresql", _)) => PostgresUrl::read(text)
                .map(|_| Self::Postgres(text.to_owned()))
                .ok_or(MalformedDatabaseUrl::Parts),
            _ => Err(MalformedDatabaseUrl::Scheme),
        }
    }
}

impl DatabaseUrl {
    /// The URL without its password.
    pub fn masked(&self) -> String {
        self.shown(|url| url.masked())
    }

    /// The URL without its password, for tools that take that from elsewhere.
    pub fn without_password(&self) -> String {
        self.shown(|url| url.without_password())
    }

    fn shown(&self, show: impl Fn(&PostgresUrl<'_>) -> String) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite://{}", path.display()),
            Self::Postgres(text) => PostgresUrl::read(text)
                .as_ref()
                .map_or_else(|| "postgres://***".to_owned(), show),
        }
    }

    /// The kind of database, for people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.masked())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_chooses_and_passwords_are_masked() {
        let masked = |text: &str| text.parse::<DatabaseUrl>().map(|u| u.masked());
        assert_eq!(
            masked("sqlite://data/x.db").as_deref(),
            Ok("sqlite://data/x.db")
        );
        assert_eq!(
            masked("postgres://u:geheim@h/db").as_deref(),
            Ok("postgres://u:***@h/db")
        );
        assert_eq!(
            masked("postgres://u:geheim@a:5432,b:5432/db?password=geheim").as_deref(),
            Ok("postgres://u:***@a:5432,b:5432/db?password=***")
        );
        assert_eq!(
            masked("postgres://u:ge@heim@h/db"),
            Err(MalformedDatabaseUrl::Parts)
        );
        let unread = DatabaseUrl::Postgres("postgres://u:ge@heim@h/db".to_owned());
        assert_eq!(unread.masked(), "postgres://***");
        let without = |text: &str| text.parse::<DatabaseUrl>().map(|u| u.without_password());
        assert_eq!(
            without("postgres://u:geheim@h/db?sslmode=require&password=geheim").as_deref(),
            Ok("postgres://u@h/db?sslmode=require")
        );
        assert_eq!(
            without("sqlite://data/x.db").as_deref(),
            Ok("sqlite://data/x.db")
        );
        for bad in [
            "",
            "data/x.db",
            "sqlite:x.db",
            "sqlite://",
            "mysql://h/db",
            "host=h dbname=d",
        ] {
            assert_eq!(masked(bad), Err(MalformedDatabaseUrl::Scheme), "{bad}");
        }
    }
}
