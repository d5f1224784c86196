//! The three permissions of a user in a vhost, as regular expressions over resource names (RabbitMQ extension).

use regex::bytes::{Regex, RegexBuilder};
use thiserror::Error;

/// Bytes that a compiled expression may take, and as much again for what is found out while it runs. It runs in time linear
/// in the name.
const COMPILED: usize = 1 << 20;

/// What a permission allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Create and delete.
    Configure,
    /// Publish to, bind as a destination.
    Write,
    /// Consume, get, purge, bind as a source.
    Read,
}

impl Permission {
    /// The word in reply texts.
    #[must_use]
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Configure => "configure",
            Self::Write => "write",
            Self::Read => "read",
        }
    }
}

/// A permission that is no regular expression.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("'{pattern}' is no regular expression: {reason}")]
pub struct InvalidPattern {
    /// The text.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

#[derive(Clone, Debug)]
enum Pattern {
    Everything,
    Nothing,
    Matching(Regex),
}

impl Pattern {
    fn parse(pattern: &str) -> Result<Self, InvalidPattern> {
        match pattern {
            ".*" => Ok(Self::Everything),
            // An empty expression means "nothing" in RabbitMQ, where it would match all names as a regex.
            "" | "^$" => Ok(Self::Nothing),
            other => {
                let built = RegexBuilder::new(other).size_limit(COMPILED).dfa_size_limit(COMPILED).build();
                built
                    .map(Self::Matching)
                    .map_err(|error| InvalidPattern { pattern: other.to_owned(), reason: reason(&error) })
            }
        }
    }

    fn matches(&self, name: &[u8]) -> bool {
        match self {
            Self::Everything => true,
            Self::Nothing => name.is_empty(),
            Self::Matching(regex) => regex.is_match(name),
        }
    }
}

fn reason(error: &regex::Error) -> String {
    if let regex::Error::CompiledTooBig(limit) = error {
        return format!("it becomes larger than {limit} bytes");
    }
    error.to_string()
}

/// What a user may do in one vhost. Patterns match anywhere in the name unless anchored.
#[derive(Clone, Debug)]
pub struct Permissions {
    configure: Pattern,
    write: Pattern,
    read: Pattern,
}

impl Permissions {
    /// Compiles the three patterns.
    ///
    /// # Errors
    /// When one of them is no regular expression.
    pub fn parse(configure: &str, write: &str, read: &str) -> Result<Self, InvalidPattern> {
        Ok(Self { configure: Pattern::parse(configure)?, write: Pattern::parse(write)?, read: Pattern::parse(read)? })
    }

    /// Nothing at all.
    #[must_use]
    pub const fn none() -> Self {
        Self { configure: Pattern::Nothing, write: Pattern::Nothing, read: Pattern::Nothing }
    }

    /// Whether the permission covers a resource of that name.
    #[must_use]
    pub fn cover(&self, permission: Permission, name: &[u8]) -> bool {
        match permission {
            Permission::Configure => self.configure.matches(name),
            Permission::Write => self.write.matches(name),
            Permission::Read => self.read.matches(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_anywhere_in_the_name_unless_anchored() {
        let permissions = Permissions::parse("job", "^job$", "").unwrap();
        assert!(permissions.cover(Permission::Configure, b"my-jobs"));
        assert!(!permissions.cover(Permission::Write, b"my-jobs"));
        assert!(permissions.cover(Permission::Write, b"job"));
        assert!(!permissions.cover(Permission::Read, b"job"), "an empty pattern covers nothing");
    }

    #[test]
    fn names_the_pattern_that_is_no_regular_expression() {
        let error = Permissions::parse(".*", "(", ".*").unwrap_err();
        assert_eq!(error.pattern, "(");
    }

    #[test]
    fn a_pattern_that_becomes_too_large_is_refused_with_the_reason() {
        let pattern = r"(?:\w{200}){200}";
        let error = Permissions::parse(".*", ".*", pattern).unwrap_err();
        let expected = format!("'{pattern}' is no regular expression: it becomes larger than 1048576 bytes");
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn a_pattern_that_would_step_back_for_ever_is_done_at_once() {
        let permissions = Permissions::parse("^(a+)+(a|aa)+(a*)*b$", "", "").unwrap();
        assert!(!permissions.cover(Permission::Configure, &[b'a'; 255]));
        assert!(permissions.cover(Permission::Configure, b"aaab"));
    }
}
