//! Which database, as the operator writes it.

use std::path::PathBuf;
use std::str::FromStr;

/// Which database, as the URL's scheme says.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// The path of a file.
    Sqlite(PathBuf),
    /// What libpq takes, with the password in it.
    Postgres(String),
}

/// Not a database URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must begin with sqlite:// (then a path) or postgres://")]
pub struct UnknownScheme;

impl FromStr for DatabaseUrl {
    type Err = UnknownScheme;

    fn from_str(text: &str) -> Result<Self, UnknownScheme> {
        match text.split_once("://") {
            Some(("sqlite", path)) if !path.is_empty() && !path.contains('?') => {
                Ok(Self::Sqlite(path.into()))
            }
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(text.to_owned())),
            _ => Err(UnknownScheme),
        }
    }
}

impl DatabaseUrl {
    /// The URL without its password.
    pub fn masked(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite://{}", path.display()),
            Self::Postgres(text) => match url::Url::parse(text) {
                Ok(mut url) => {
                    if url.password().is_some() && url.set_password(Some("***")).is_err() {
                        return "postgres://***".to_owned();
                    }
                    let hide = |(key, value): (_, _)| {
                        if key == "password" || key == "sslpassword" {
                            (key, "***".into())
                        } else {
                            (key, value)
                        }
                    };
                    if url.query().is_some() {
                        let pairs: Vec<(String, String)> =
                            url.query_pairs().into_owned().map(hide).collect();
                        url.query_pairs_mut().clear().extend_pairs(pairs);
                    }
                    url.into()
                }
                Err(_) => "postgres://***".to_owned(),
            },
        }
    }

    /// The URL without its password, for tools that take that from elsewhere.
    pub fn without_password(&self) -> String {
        let masked = self.masked();
        match url::Url::parse(&masked) {
            Ok(mut url) if matches!(self, Self::Postgres(_)) => {
                let _none = url.set_password(None);
                let kept: Vec<(String, String)> = url
                    .query_pairs()
                    .into_owned()
                    .filter(|(key, _)| key != "password" && key != "sslpassword")
                    .collect();
                url.set_query(None);
                if !kept.is_empty() {
                    url.query_pairs_mut().extend_pairs(kept);
                }
                url.into()
            }
            _ => masked,
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
            masked("postgresql:///db?host=/run&password=geheim").as_deref(),
            Ok("postgresql:///db?host=%2Frun&password=***")
        );
        // Several servers are beyond the grammar of URLs.
        assert_eq!(
            masked("postgres://u:geheim@a:5432,b:5432/db").as_deref(),
            Ok("postgres://***")
        );
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
            assert_eq!(masked(bad), Err(UnknownScheme), "{bad}");
        }
    }
}
