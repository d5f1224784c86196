//! What a user's and an operator's policy come to together: per key of the operator's, by one of a few rules.

use leveret_protocol::{FieldTable, FieldValue};

use super::keys;

/// How two values of a key come together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Merge {
    /// The smaller number.
    Least,
    /// The greater number.
    Greatest,
    /// The smaller number; but a negative one is no limit, so the greater where either is negative.
    LeastDeliveries,
    /// The operator's.
    Operators,
}

impl Merge {
    fn chooses_operators(self, user: &FieldValue, operator: &FieldValue) -> bool {
        let (Some(user), Some(operator)) = (user.as_integer(), operator.as_integer()) else { return true };
        match self {
            Self::Least => operator < user,
            Self::Greatest => operator > user,
            Self::LeastDeliveries if user < 0 || operator < 0 => operator > user,
            Self::LeastDeliveries => operator < user,
            Self::Operators => true,
        }
    }
}

/// Both definitions as one, sorted by key.
pub(super) fn merged(user: &FieldTable, operator: &FieldTable) -> FieldTable {
    let mut merged = user.clone();
    for (name, value) in operator.iter() {
        let merge = keys::by_name(name).and_then(|key| key.merge).unwrap_or(Merge::Operators);
        let key = name.to_str_lossy();
        if merged.get(&key).is_none_or(|users| merge.chooses_operators(users, value)) {
            merged.insert(&key, value.clone());
        }
    }
    sorted(&merged)
}

/// The entries by name, as RabbitMQ shows them.
pub(super) fn sorted(table: &FieldTable) -> FieldTable {
    let mut entries: Vec<_> = table.iter().cloned().collect();
    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    entries.into_iter().collect()
}
