//! Names and keys with places to fill in: `orders-{queue}`, `sensor.{publisher}.{1..100}`.

use std::fmt;
use std::str::FromStr;

use leveret_protocol::ShortString;

/// The most keys that a pattern may stand for: they are all held in memory.
pub(super) const MOST: usize = 100_000;

/// A text with places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::perf) struct Pattern(Vec<Part>);

/// As it was typed.
impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.0 {
            match part {
                Part::Text(text) => formatter.write_str(text)?,
                Part::Queue => formatter.write_str("{queue}")?,
                Part::Publisher => formatter.write_str("{publisher}")?,
                Part::Range(from, to) => write!(formatter, "{{{from}..{to}}}")?,
            }
        }
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// The number of a queue, from 1.
    Queue,
    /// The number of a publisher, from 1.
    Publisher,
    /// Each number in turn, ends included.
    Range(u32, u32),
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (place, behind) = after.split_once('}').ok_or_else(|| format!("'{text}' has a {{ without a }}"))?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(self::place(place)?);
            rest = behind;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        if parts.iter().filter(|part| matches!(part, Part::Range(..))).count() > 1 {
            return Err(format!("'{text}' has more than one range; one is possible"));
        }
        Ok(Self(parts))
    }
}

fn place(text: &str) -> Result<Part, String> {
    match text {
        "queue" => return Ok(Part::Queue),
        "publisher" => return Ok(Part::Publisher),
        _ => {}
    }
    let numbers = text.split_once("..").and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    let (from, to) = numbers.ok_or_else(|| {
        format!("{{{text}}} is unknown; there are {{queue}}, {{publisher}} and ranges such as {{1..100}}")
    })?;
    if from > to || usize::try_from(to - from).is_ok_and(|count| count >= MOST) {
        return Err(format!("{{{text}}} has to go upwards, over {MOST} numbers at most"));
    }
    Ok(Part::Range(from, to))
}

impl Pattern {
    /// Whether different queues get different texts.
    pub(super) fn names_queues(&self) -> bool {
        self.0.contains(&Part::Queue)
    }

    pub(super) fn names_publishers(&self) -> bool {
        self.0.contains(&Part::Publisher)
    }

    /// Whether it stands for more than one text, a queue and a publisher given.
    pub(super) fn has_range(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Range(..)))
    }

    /// All texts for a queue and a publisher, both numbered from 1, in the order of the range.
    ///
    /// # Errors
    /// Says so when one is too long for a short string.
    pub(super) fn fill(&self, queue: usize, publisher: usize) -> Result<Vec<ShortString>, String> {
        let range =
            self.0.iter().find_map(|part| if let Part::Range(from, to) = part { Some(*from..=*to) } else { None });
        let one = |number: u32| {
            let piece = |part: &Part| match part {
                Part::Text(text) => text.clone(),
                Part::Queue => queue.to_string(),
                Part::Publisher => publisher.to_string(),
                Part::Range(..) => number.to_string(),
            };
            let text: String = self.0.iter().map(piece).collect();
            ShortString::new(&text).map_err(|error| format!("'{text}' is too long: {error}"))
        };
        range.unwrap_or(0..=0).map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(pattern: &str, queue: usize, publisher: usize) -> Vec<String> {
        let pattern: Pattern = pattern.parse().unwrap();
        pattern.fill(queue, publisher).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn places_are_filled_in() {
        assert_eq!(filled("plain", 3, 4), ["plain"]);
        assert_eq!(filled("", 3, 4), [""]);
        assert_eq!(filled("q{queue}.p{publisher}", 3, 4), ["q3.p4"]);
        assert_eq!(filled("{8..11}.x{queue}", 3, 4), ["8.x3", "9.x3", "10.x3", "11.x3"]);
    }

    #[test]
    fn wrong_patterns_say_what_there_is() {
        for (text, expected) in [
            ("a{queue", "without a }"),
            ("{consumer}", "{queue}, {publisher} and ranges such as {1..100}"),
            ("{3..1}", "upwards"),
            ("{1..100001}", "100000 numbers at most"),
            ("{1..2}{1..2}", "more than one range"),
        ] {
            let error = text.parse::<Pattern>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert!("{queue}".repeat(200).parse::<Pattern>().unwrap().fill(10, 1).unwrap_err().contains("too long"));
    }
}
