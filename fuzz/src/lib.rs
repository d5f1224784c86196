//! What the fuzz target `connection` is made of: a script of what the peer and the node do, a node that follows it and
//! checks what the connection wants done, and the scripts to begin with.

pub mod checks;
pub mod heap;
pub mod mutate;
pub mod node;
pub mod samples;
pub mod script;
pub mod seeds;
