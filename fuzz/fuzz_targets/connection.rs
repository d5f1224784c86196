//! A connection against any script of what its peer and its node do: it never panics, what it wants done is right (see
//! `checks`) and in proportion to what it was sent, and so is the memory it holds.
#![no_main]

use leveret_fuzz::mutate::{Random, mutate};
use leveret_fuzz::script::Script;
use leveret_fuzz::{heap, node};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

#[global_allocator]
static HEAP: heap::Counting = heap::Counting;

/// What a step may grow by at once.
const GROWTH: usize = 64;

fuzz_target!(|data: &[u8]| node::run(&Script::decode(data)));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut random = Random::new(seed);
    if random.below(4) == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    let mut script = Script::decode(&data[..size]);
    mutate(&mut script, &mut random, &mut |octets| {
        let length = octets.len();
        octets.resize(length + GROWTH, 0);
        let length = fuzzer_mutate(octets, length, length + GROWTH);
        octets.truncate(length);
    });
    let encoded = script.encode();
    if encoded.len() > max_size {
        return fuzzer_mutate(data, size, max_size);
    }
    data[..encoded.len()].copy_from_slice(&encoded);
    encoded.len()
});
