//! The form of an input: a profile and steps. Any octets are a script, so that a fuzzer may do with them what it likes.

use bytes::BytesMut;
use leveret_protocol::{FrameKind, frame};

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The peer sends these octets.
    Raw(Vec<u8>),
    /// The peer sends a frame with this payload.
    Frame { kind: FrameKind, channel: u8, payload: Vec<u8> },
    /// Something happens on the node.
    Event { event: u8, argument: u8 },
    /// How the node will answer what it is asked, one octet for each question.
    Answers(Vec<u8>),
    /// Time passes, in units of 16 ms.
    Time(u16),
    /// The step before happens again, so many times.
    Repeat(u8),
}

/// A step, and whether what the peer sends is read together with what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed {
    pub step: Step,
    pub joined: bool,
}

/// A whole input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    pub profile: Profile,
    pub steps: Vec<Timed>,
}

/// What is set before anything happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Profile(pub u8);

impl Profile {
    /// Begins behind a finished handshake.
    pub const OPEN: u8 = 1;
    /// Small limits in the node's settings.
    pub const TIGHT: u8 = 2;
    /// No limits in the node's settings.
    pub const BOUNDLESS: u8 = 4;
    /// basic.qos acts on running consumers.
    pub const DYNAMIC: u8 = 8;
    /// What is published is delivered at once to the newest consumer.
    pub const ECHO: u8 = 16;
    /// The node says yes to everything and does nothing by itself; the peer's octets are handled twice, once frame
    /// by frame, and both times must lead to the same.
    pub const TWICE: u8 = 32;

    #[must_use]
    pub const fn has(self, flag: u8) -> bool {
        self.0 & flag == flag
    }
}

const JOINED: u8 = 0x80;

impl Script {
    /// Reads a script. What is cut off at the end counts as far as it goes.
    #[must_use]
    pub fn decode(input: &[u8]) -> Self {
        let mut reader = Reader(input);
        let profile = Profile(reader.octet().unwrap_or(0));
        let mut steps = Vec::new();
        while let Some(code) = reader.octet() {
            let step = reader.step(code & 7);
            steps.push(Timed { step, joined: code & JOINED != 0 });
        }
        Self { profile, steps }
    }

    /// The octets that read as this script.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![self.profile.0];
        for Timed { step, joined } in &self.steps {
            out.push(step.code() | if *joined { JOINED } else { 0 });
            step.encode(&mut out);
        }
        out
    }
}

impl Step {
    const fn code(&self) -> u8 {
        match self {
            Self::Raw(_) => 0,
            Self::Frame { kind: FrameKind::Header, .. } => 2,
            Self::Frame { kind: FrameKind::Body, .. } => 3,
            Self::Frame { .. } => 1,
            Self::Event { .. } => 4,
            Self::Answers(_) => 5,
            Self::Time(_) => 6,
            Self::Repeat(_) => 7,
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Raw(octets) => put_long(out, octets),
            Self::Frame { channel, payload, .. } => {
                out.push(*channel);
                put_long(out, payload);
            }
            Self::Event { event, argument } => out.extend_from_slice(&[*event, *argument]),
            Self::Answers(answers) => {
                let length = u8::try_from(answers.len()).unwrap_or(u8::MAX);
                out.push(length);
                out.extend_from_slice(&answers[..usize::from(length)]);
            }
            Self::Time(units) => out.extend_from_slice(&units.to_be_bytes()),
            Self::Repeat(times) => out.push(*times),
        }
    }

    /// What the peer sends in this step.
    pub fn write(&self, out: &mut BytesMut) {
        match self {
            Self::Raw(octets) => out.extend_from_slice(octets),
            Self::Frame { kind, channel, payload } => {
                frame::write_frame(out, *kind, u16::from(*channel), |out| out.extend_from_slice(payload));
            }
            Self::Event { .. } | Self::Answers(_) | Self::Time(_) | Self::Repeat(_) => {}
        }
    }
}

fn put_long(out: &mut Vec<u8>, octets: &[u8]) {
    let length = u16::try_from(octets.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&octets[..usize::from(length)]);
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn octet(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn short(&mut self) -> u8 {
        self.octet().unwrap_or(0)
    }

    fn long(&mut self) -> u16 {
        u16::from_be_bytes([self.short(), self.short()])
    }

    fn octets(&mut self, length: usize) -> Vec<u8> {
        let (octets, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        octets.to_vec()
    }

    fn step(&mut self, code: u8) -> Step {
        match code {
            0 => {
                let length = self.long();
                Step::Raw(self.octets(length.into()))
            }
            1 => self.frame(FrameKind::Method),
            2 => self.frame(FrameKind::Header),
            3 => self.frame(FrameKind::Body),
            4 => Step::Event { event: self.short(), argument: self.short() },
            5 => {
                let length = self.short();
                Step::Answers(self.octets(length.into()))
            }
            6 => Step::Time(self.long()),
            _ => Step::Repeat(self.short()),
        }
    }

    fn frame(&mut self, kind: FrameKind) -> Step {
        let channel = self.short();
        let length = self.long();
        Step::Frame { kind, channel, payload: self.octets(length.into()) }
    }
}
