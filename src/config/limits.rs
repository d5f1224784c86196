//! The limits that alarms go by, as they are set: a size, or in terms of the memory there is. In a configuration file, and
//! by whoever changes them while the node runs.

use super::values::{self, Expected, Share, Times};

/// How much space has to be free on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskFreeLimit {
    /// Bytes. Key `disk_free_limit.absolute`.
    pub absolute: u64,
    /// Times the machine's memory, instead of `absolute`. Key `disk_free_limit.relative`.
    pub relative: Option<Times>,
}

impl Default for DiskFreeLimit {
    /// More than RabbitMQ's 50 MB: the log has to write before it can free anything.
    fn default() -> Self {
        Self { absolute: 1 << 30, relative: None }
    }
}

impl DiskFreeLimit {
    /// The limit in bytes where there is so much memory.
    #[must_use]
    pub fn bytes_of(self, memory: u64) -> u64 {
        self.relative.map_or(self.absolute, |times| {
            let bytes = u128::from(memory) * u128::from(times.thousandths) / 1000;
            u64::try_from(bytes).unwrap_or(u64::MAX)
        })
    }

    /// A limit as it is written: in times of the memory, or as a size.
    ///
    /// # Errors
    /// What would be right.
    pub fn parse(text: &str, relative: bool) -> Result<Self, Expected> {
        if relative {
            return Ok(Self { relative: Some(values::times(text)?), ..Self::default() });
        }
        Ok(Self { absolute: values::size(text)?, relative: None })
    }
}

/// How much memory the process may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryLimit {
    /// A part of what there is. Key `vm_memory_high_watermark.relative`.
    Relative(Share),
    /// Bytes. Key `vm_memory_high_watermark.absolute`.
    Absolute(u64),
}

impl Default for MemoryLimit {
    fn default() -> Self {
        Self::Relative(Share { billionths: 600_000_000 })
    }
}

impl MemoryLimit {
    /// The limit in bytes where there is so much memory: never more than that.
    #[must_use]
    pub fn bytes_of(self, memory: u64) -> u64 {
        match self {
            Self::Absolute(bytes) => bytes.min(memory),
            Self::Relative(share) => {
                let bytes = u128::from(memory) * u128::from(share.billionths) / 1_000_000_000;
                u64::try_from(bytes).unwrap_or(memory)
            }
        }
    }

    /// A limit as it is written: as a part of the memory, or as a size.
    ///
    /// # Errors
    /// What would be right.
    pub fn parse(text: &str, relative: bool) -> Result<Self, Expected> {
        if relative { values::share(text).map(Self::Relative) } else { values::size(text).map(Self::Absolute) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_the_disk_is_in_bytes_or_in_times_of_the_memory() {
        assert_eq!(DiskFreeLimit::parse("7", false).unwrap().bytes_of(1000), 7);
        assert_eq!(DiskFreeLimit::parse("1.5", true).unwrap().bytes_of(1000), 1500);
        let huge = DiskFreeLimit { absolute: 7, relative: Some(Times { thousandths: u64::MAX }) };
        assert_eq!(huge.bytes_of(u64::MAX), u64::MAX);
    }

    #[test]
    fn a_limit_of_memory_is_a_part_of_it_or_in_bytes() {
        let bytes =
            |text: &str, relative| MemoryLimit::parse(text, relative).map(|limit| limit.bytes_of(1_000_000_000));
        assert_eq!([bytes("0.4", true), bytes("1", true)], [Ok(400_000_000), Ok(1_000_000_000)]);
        assert_eq!([bytes("0", true), bytes("0.000000001", true)], [Ok(0), Ok(1)]);
        assert_eq!([bytes("512MB", false), bytes("2GB", false)], [Ok(512_000_000), Ok(1_000_000_000)]);
        for text in ["1.1", "-0.1", "", ".5", "2", "0.0000000001", "40%"] {
            assert!(bytes(text, true).unwrap_err().contains("from 0 to 1"), "{text}");
        }
    }
}
