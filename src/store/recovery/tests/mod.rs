//! Recovery against power cuts at every operation, damage at every byte, and a naive list of what was appended.

mod any_bytes;
mod check;
mod crash;
mod damage;
mod failures;
mod replay;
mod script;
