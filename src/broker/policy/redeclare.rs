//! What happens when a queue is declared again with other arguments (not in RabbitMQ).

/// The key `redeclare` of a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Redeclare {
    /// 406, as in RabbitMQ.
    #[default]
    Strict,
    /// The queue stays as it is; the declaration succeeds, and the log tells of it.
    Warn,
    /// The queue takes the new arguments, as far as a running queue can; so does the log tell of it.
    Adopt,
}

impl Redeclare {
    /// The one of that name.
    #[must_use]
    pub fn by_name(name: &[u8]) -> Option<Self> {
        match name {
            b"strict" => Some(Self::Strict),
            b"warn" => Some(Self::Warn),
            b"adopt" => Some(Self::Adopt),
            _ => None,
        }
    }
}
