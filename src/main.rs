//! The `leveret` binary: the allocator and the way into `cli`.

use std::process::ExitCode;

/// Many small messages are allocated on one thread and freed on another, which mimalloc is made for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    leveret::cli::run(std::env::args_os())
}
