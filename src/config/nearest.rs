//! The known key that a mistyped one most likely meant.

use super::{keys::KEYS, pattern, rabbitmq};

/// The known key with the fewest letters to change, if at most a third of the letters differ.
pub(super) fn nearest(written: &str) -> Option<String> {
    let segments = pattern::segments(written);
    KEYS.iter()
        .map(|key| key.name)
        .chain(rabbitmq::NOT_YET.iter().copied())
        .chain(rabbitmq::NOT_ANY_MORE.iter().map(|(name, _)| *name))
        .map(|name| pattern::filled(name, &segments))
        .map(|name| (distance(written, &name), name))
        .filter(|(distance, _)| *distance <= (written.chars().count() / 3).max(2))
        .min()
        .map(|(_, name)| name)
}

/// Levenshtein's distance: letters to add, drop or change.
fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.chars().count()).collect();
    for (line, letter) in left.chars().enumerate() {
        let mut diagonal = line;
        let mut before = line + 1;
        let mut next = vec![before];
        for (above, other) in row.iter().skip(1).zip(right.chars()) {
            before = (diagonal + usize::from(letter != other)).min(above + 1).min(before + 1);
            diagonal = *above;
            next.push(before);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_letters_to_change() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn finds_the_key_that_was_meant() {
        assert_eq!(nearest("hartbeat"), Some("heartbeat".to_owned()));
        assert_eq!(nearest("listener.tcp.default"), Some("listeners.tcp.default".to_owned()));
        assert_eq!(nearest("consumer_timeuot"), Some("consumer_timeout".to_owned()));
        assert_eq!(nearest("xyzzy"), None);
    }
}
