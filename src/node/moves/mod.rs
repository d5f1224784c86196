//! Messages of a queue looked at, thrown away or moved on behalf of operators: page by page, in threads that may wait for
//! the disk, never with a queue locked for long. Owns what is meant (`filter`), where it goes (`destination`), one page's
//! move (`step`) and the running jobs (`jobs`).

mod destination;
mod filter;
mod jobs;
mod pages;
mod step;

#[cfg(test)]
mod tests;

pub use self::destination::Destination;
pub use self::filter::Filter;
pub(super) use self::jobs::Jobs;
pub use self::jobs::{JobReport, JobState, Wanted};
pub use self::pages::Peeked;
pub(super) use self::pages::{next_page, skip};
pub(super) use self::step::Course;
