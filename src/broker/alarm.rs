//! Alarms: what the node is short of. While one is on, whoever publishes is not read from. Owns the words for it; who
//! measures, and when an alarm comes and goes, is `node`'s.

/// Something that the node is short of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// Memory.
    Memory,
    /// Room on the disk.
    Disk,
}

/// The alarms that are on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alarms {
    /// Memory is short.
    pub memory: bool,
    /// The disk is nearly full.
    pub disk: bool,
}

impl Alarms {
    /// None is on.
    pub const NONE: Self = Self { memory: false, disk: false };

    /// These, with one turned on or off.
    #[must_use]
    pub const fn with(self, alarm: Alarm, on: bool) -> Self {
        match alarm {
            Alarm::Memory => Self { memory: on, ..self },
            Alarm::Disk => Self { disk: on, ..self },
        }
    }

    /// The reason in connection.blocked; none when nothing is wrong. RabbitMQ: text must match.
    #[must_use]
    pub const fn reason(self) -> Option<&'static str> {
        match (self.memory, self.disk) {
            (false, false) => None,
            (true, false) => Some("low on memory"),
            (false, true) => Some("low on disk"),
            (true, true) => Some("low on memory & disk"),
        }
    }
}
