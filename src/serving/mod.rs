//! What every front door needs: listening sockets, and tasks that shutdown can wait for. Knows no protocol.

mod listen;
mod tasks;

pub use self::listen::listen;
pub use self::tasks::Tasks;
