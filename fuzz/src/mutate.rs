//! Changes scripts by whole steps, so that what comes after a change still is what it was.

use leveret_protocol::FrameKind;

use crate::samples;
use crate::script::{Profile, Script, Step, Timed};

/// Numbers that depend on the seed alone.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    #[must_use]
    pub const fn new(seed: u32) -> Self {
        // Xorshift stays at 0 for ever.
        Self((seed as u64) << 1 | 1)
    }

    /// A number below the bound; 0 for a bound of 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap_or(0) % bound.max(1)
    }

    fn octet(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap_or(0)
    }
}

/// Changes a few things; `scramble` changes octets as the fuzzer does.
pub fn mutate(script: &mut Script, random: &mut Random, scramble: &mut dyn FnMut(&mut Vec<u8>)) {
    for _ in 0..=random.below(4) {
        change(script, random, scramble);
    }
}

fn change(script: &mut Script, random: &mut Random, scramble: &mut dyn FnMut(&mut Vec<u8>)) {
    let steps = &mut script.steps;
    let at = random.below(steps.len());
    match random.below(12) {
        0 if !steps.is_empty() => {
            steps.remove(at);
        }
        1 if !steps.is_empty() => {
            let (from, to) = (at.min(random.below(steps.len())), random.below(steps.len() + 1));
            let run: Vec<_> = steps[from..=at].iter().take(8).cloned().collect();
            steps.splice(to..to, run);
        }
        2 if !steps.is_empty() => {
            let other = random.below(steps.len());
            steps.swap(at, other);
        }
        3 | 4 => insert(steps, at, random),
        5 if !steps.is_empty() => steps[at].joined ^= true,
        6 | 7 if !steps.is_empty() => tamper(&mut steps[at].step, random, scramble),
        8 => {
            let event = Step::Event { event: random.octet(), argument: random.octet() };
            steps.insert(at, samples::step(event));
        }
        9 => {
            let answers = (0..=random.below(6)).map(|_| random.octet()).collect();
            steps.insert(at, samples::step(Step::Answers(answers)));
        }
        10 => steps.insert(at, samples::step(Step::Repeat(random.octet()))),
        _ => script.profile = Profile(script.profile.0 ^ (1 << random.below(6))),
    }
}

fn insert(steps: &mut Vec<Timed>, at: usize, random: &mut Random) {
    let channel = u8::try_from(random.below(4)).unwrap_or(0);
    let sizes = [0, 1, 50, 200, 4000];
    if random.below(4) == 0 {
        let properties = if random.below(2) == 0 { samples::telling() } else { Default::default() };
        let body = vec![b'b'; sizes[random.below(sizes.len())]];
        let run = samples::publish(channel, "q", properties, &body, 1 + random.below(3));
        steps.splice(at..at, run);
        return;
    }
    let mut methods = samples::methods(channel.max(1));
    let chosen = random.below(methods.len());
    let mut timed = methods.swap_remove(chosen);
    timed.joined = random.below(3) == 0;
    steps.insert(at, timed);
}

fn tamper(step: &mut Step, random: &mut Random, scramble: &mut dyn FnMut(&mut Vec<u8>)) {
    match step {
        Step::Raw(octets) | Step::Answers(octets) => scramble(octets),
        Step::Frame { kind, channel, payload } => match random.below(8) {
            0 => *channel = u8::try_from(random.below(5)).unwrap_or(0),
            1 => *kind = [FrameKind::Method, FrameKind::Header, FrameKind::Body][random.below(3)],
            _ => scramble(payload),
        },
        Step::Event { event, argument } => (*event, *argument) = (random.octet(), random.octet()),
        Step::Time(units) => *units = u16::from_be_bytes([random.octet() & 15, random.octet()]),
        Step::Repeat(times) => *times = random.octet(),
    }
}
