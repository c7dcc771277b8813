//! What an application may do, as an enum and never as a loose string.

use std::fmt;
use std::str::FromStr;

macro_rules! scopes {
    ($(#[doc = $about:literal] $variant:ident = $name:literal,)+) => {
        /// One permission of an application token (RFC 6749 section 3.3: case-sensitive).
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Scope { $(#[doc = $about] $variant,)+ }

        impl Scope {
            /// Every scope there is, in the order in which they are shown.
            pub const ALL: &'static [Scope] = &[$(Scope::$variant,)+];

            /// The name on the wire.
            pub fn name(self) -> &'static str {
                match self { $(Scope::$variant => $name,)+ }
            }

            /// What it lets an application do.
            pub fn about(self) -> &'static str {
                match self { $(Scope::$variant => $about.trim_ascii(),)+ }
            }
        }
    };
}

scopes! {
    /// Ask for a reset mail.
    PasswordRemind = "password:remind",
    /// Check and use a reset token.
    PasswordReset = "password:reset",
    /// Change a password that the user still knows.
    PasswordChange = "password:change",
    /// Verify a password.
    PasswordVerify = "password:verify",
    /// Sign a user in.
    SessionsCreate = "sessions:create",
    /// Read users.
    UsersRead = "users:read",
    /// Create, change and delete users.
    UsersWrite = "users:write",
    /// Set any user's password.
    UsersResetPassword = "users:resetPassword",
    /// Learn that an account does not exist.
    UsersDisclose = "users:disclose",
    /// Introspect the tokens of every client.
    TokensIntrospect = "tokens:introspect",
    /// Register clients.
    ClientsWrite = "clients:write",
}

/// A set of scopes. The order of writing means nothing (RFC 6749 section 3.3).
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u16);

/// A scope that does not exist. The text is not repeated: errors never echo their input (bar O15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown scope; known are: password:remind password:reset password:change password:verify sessions:create users:read users:write users:resetPassword users:disclose tokens:introspect clients:write"
)]
pub struct UnknownScope;

impl Scopes {
    /// The set that holds every scope.
    pub fn all() -> Self {
        Scope::ALL.iter().copied().collect()
    }

    /// One bit for each scope that there is.
    pub fn bits(self) -> u16 {
        self.0
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the set holds this scope.
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u16) != 0
    }

    /// Whether every scope of `self` is in `other`.
    pub fn is_within(self, other: Scopes) -> bool {
        self.0 & !other.0 == 0
    }

    /// The scopes that both sets hold.
    pub fn intersection(self, other: Scopes) -> Scopes {
        Scopes(self.0 & other.0)
    }

    /// The scopes of the set, in their fixed order.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL
            .iter()
            .copied()
            .filter(move |s| self.contains(*s))
    }

    /// The names of the set, in their fixed order.
    pub fn names(self) -> Vec<&'static str> {
        self.iter().map(Scope::name).collect()
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(iter: I) -> Self {
        Scopes(
            iter.into_iter()
                .fold(0, |set, scope| set | 1 << scope as u16),
        )
    }
}

impl FromStr for Scopes {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        let find = |name: &str| Scope::ALL.iter().copied().find(|s| s.name() == name);
        let words = text.split(' ').filter(|word| !word.is_empty());
        words.map(|word| find(word).ok_or(UnknownScope)).collect()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join(" "))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scopes({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Storage compares the texts of scopes: whatever is new goes to the end, or every app with both would be refused.
    #[test]
    fn scopes_are_written_in_the_order_in_which_they_came_into_being() {
        let all: Scopes = Scope::ALL.iter().copied().collect();
        assert_eq!(
            all.to_string(),
            "password:remind password:reset password:change password:verify sessions:create users:read users:write \
             users:resetPassword users:disclose tokens:introspect clients:write"
        );
    }

    #[test]
    fn order_and_repetition_mean_nothing_and_case_does() {
        let a: Scopes = "password:reset password:remind".parse().unwrap_or_default();
        let b: Scopes = "password:remind  password:reset password:reset"
            .parse()
            .unwrap_or_default();
        assert_eq!(a, b);
        assert_eq!(a.to_string(), "password:remind password:reset");
        assert_eq!("Password:reset".parse::<Scopes>(), Err(UnknownScope));
        assert!(a.is_within(Scopes::all()) && !Scopes::all().is_within(a));
    }

    #[test]
    fn the_error_names_every_scope() {
        let text = UnknownScope.to_string();
        assert!(Scope::ALL.iter().all(|s| text.contains(s.name())));
    }
}
