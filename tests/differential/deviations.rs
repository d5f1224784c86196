//! Where Leveret means to answer differently from RabbitMQ. Each has its own transcript in `expected_leveret/`.

/// One scenario whose transcript differs on purpose.
#[derive(Debug)]
pub(crate) struct Deviation {
    /// `area/name` of the scenario.
    pub(crate) scenario: &'static str,
    pub(crate) reason: &'static str,
}

pub(crate) const DEVIATIONS: &[Deviation] = &[];
