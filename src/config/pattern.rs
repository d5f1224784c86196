//! Names of keys that stand for many: a segment in capitals (`listeners.tcp.NAME`) is any one segment, a last `*` is
//! any rest (`ssl_options.*`).

/// The segments of a key as written; `\.` is a dot inside a segment (RabbitMQ's rule).
pub(super) fn segments(key: &str) -> Vec<String> {
    let mut done = Vec::new();
    let mut segment = String::new();
    let mut letters = key.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if letters.peek() == Some(&'.') => segment.extend(letters.next()),
            '.' => done.push(std::mem::take(&mut segment)),
            other => segment.push(other),
        }
    }
    done.push(segment);
    done
}

fn is_variable(segment: &str) -> bool {
    segment.chars().all(|letter| letter.is_ascii_uppercase())
}

/// Whether `written` is one of the keys that `pattern` stands for.
pub(super) fn matches(pattern: &str, written: &[String]) -> bool {
    let mut rest = written.iter();
    for segment in pattern.split('.') {
        let Some(part) = rest.next() else { return false };
        if segment == "*" {
            return true;
        }
        if part.is_empty() || (part != segment && !is_variable(segment)) {
            return false;
        }
    }
    rest.next().is_none()
}

/// The key of `pattern` that looks most like `written`: variable segments are taken from there.
pub(super) fn filled(pattern: &str, written: &[String]) -> String {
    let fill = |(index, segment): (usize, &str)| match written.get(index) {
        Some(part) if is_variable(segment) || segment == "*" => part.clone(),
        Some(_) | None => segment.to_owned(),
    };
    pattern.split('.').enumerate().map(fill).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_in_capitals_stands_for_any_one_segment() {
        assert!(matches("listeners.tcp.NAME", &segments("listeners.tcp.default")));
        assert!(!matches("listeners.tcp.NAME", &segments("listeners.tcp")));
        assert!(!matches("listeners.tcp.NAME", &segments("listeners.tcp.a.b")));
        assert!(!matches("listeners.tcp.NAME", &segments("listeners.tcp.")));
        assert!(matches("loopback_users.NAME", &segments(r"loopback_users.john\.doe")));
    }

    #[test]
    fn a_star_stands_for_any_rest() {
        assert!(matches("ssl_options.*", &segments("ssl_options.versions.1")));
        assert!(!matches("ssl_options.*", &segments("ssl_options")));
    }
}
