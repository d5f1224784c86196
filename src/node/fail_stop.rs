//! The end of a node whose disk failed. Owns the rule: nothing is tried again and nobody is answered any more, since
//! nothing is known of what is on the disk; the next start finds the last whole state.

use std::error::Error;

/// The process's exit code after an error of the disk (`EX_IOERR` of sysexits.h).
const EXIT_CODE: i32 = 74;

/// Says why, and ends the process.
pub(super) fn fail_stop(error: &dyn Error) -> ! {
    tracing::error!("{error}");
    std::process::exit(EXIT_CODE)
}
