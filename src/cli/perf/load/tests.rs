//! Options against each other, and what they come to.
