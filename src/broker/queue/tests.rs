//! What this folder promises.
