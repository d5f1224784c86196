//! The pattern of a policy: a regular expression that matches anywhere in a name. Owns its bounds: what an operator
//! writes is run over the name of every queue.

use thiserror::Error;

/// Bytes that a pattern may have (RabbitMQ's bound).
pub(super) const MAX_BYTES: usize = 1024;
/// Bytes that a compiled pattern may take.
const COMPILED: usize = 1 << 20;
/// Steps back that looking around may cost for one name; where they do not do, the name does not match.
const BACKTRACKS: usize = 10_000;

/// A text that is no regular expression, or one that becomes too large.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{0}")]
pub struct InvalidPattern(String);

/// A regular expression over names.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    program: Program,
}

#[derive(Clone, Debug)]
enum Program {
    /// Runs in time linear in the name.
    Linear(regex::bytes::Regex),
    /// Looks around: `^(?!amq\.)`, which RabbitMQ's own examples use, can be said in no other way.
    Backtracking(Box<fancy_regex::Regex>),
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// When it is no regular expression, or takes more memory than a policy is worth.
    pub fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let plain = regex::bytes::RegexBuilder::new(text).size_limit(COMPILED).dfa_size_limit(COMPILED).build();
        let program = match plain {
            Ok(regex) => Program::Linear(regex),
            Err(regex::Error::CompiledTooBig(_)) => return Err(InvalidPattern("it becomes too large".to_owned())),
            Err(_) => Program::Backtracking(Box::new(looking_around(text)?)),
        };
        Ok(Self { text: text.to_owned(), program })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it matches somewhere in the name.
    #[must_use]
    pub fn matches(&self, name: &[u8]) -> bool {
        match &self.program {
            Program::Linear(regex) => regex.is_match(name),
            Program::Backtracking(regex) => regex.is_match(&*String::from_utf8_lossy(name)).unwrap_or(false),
        }
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

fn looking_around(text: &str) -> Result<fancy_regex::Regex, InvalidPattern> {
    fancy_regex::RegexBuilder::new(text)
        .backtrack_limit(BACKTRACKS)
        .delegate_size_limit(COMPILED)
        .delegate_dfa_size_limit(COMPILED)
        .max_prog_size(COMPILED)
        .build()
        .map_err(|error| InvalidPattern(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &[u8]) -> bool {
        Pattern::parse(pattern).unwrap().matches(name)
    }

    #[test]
    fn matches_anywhere_unless_anchored() {
        assert!(matches("job", b"my-jobs"));
        assert!(!matches("^job$", b"my-jobs"));
        assert!(matches("", b"anything"), "an empty pattern is for every name");
        assert!(matches("^a", b"a\xFF"), "names need not be text");
    }

    #[test]
    fn can_look_around() {
        assert!(matches(r"^(?!amq\.).*", b"jobs"));
        assert!(!matches(r"^(?!amq\.).*", b"amq.gen-1"));
        assert!(matches("(?<=a)b", b"ab"));
        assert!(matches(r"^(.)\1$", b"aa"));
    }

    #[test]
    fn what_is_no_regular_expression_is_refused() {
        for pattern in ["(", "[", "*", "(?!", r"\"] {
            assert!(Pattern::parse(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn what_becomes_too_large_is_refused() {
        assert!(Pattern::parse(r"(?:\w{200}){200}").is_err());
        assert!(Pattern::parse(r"(?!x)(?:\w{200}){200}").is_err());
    }

    #[test]
    fn what_steps_back_for_too_long_does_not_match() {
        let name = [b'a'; 255];
        assert!(!matches(r"^(?=(a+)+\1+\1+b)(a+)+$", &name));
    }
}
