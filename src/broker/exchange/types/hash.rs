//! The hash by which messages are spread. The same in every process and version, or a restart would send messages with
//! the same key elsewhere; good enough that even similar keys are spread evenly, not meant to resist somebody who looks
//! for collisions.

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// Hashes octets (FNV-1a, whose bits are then mixed).
pub(in crate::broker) fn hash(octets: &[u8]) -> u64 {
    mixed(octets.iter().fold(FNV_OFFSET, |hash, octet| (hash ^ u64::from(*octet)).wrapping_mul(FNV_PRIME)))
}

/// Every bit of the result depends on every bit of the number (the finalizer of `SplitMix64`).
pub(in crate::broker) const fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Computed by another implementation.
    #[test]
    fn never_changes() {
        assert_eq!(hash(b""), 0xf52a_15e9_a9b5_e89b);
        assert_eq!(hash(b"order-17"), 0xa2b1_3ff1_a62e_905e);
    }
}
