//! Reclamation under random use, power cuts, full and failing disks, and the scripts for its one subtle ordering.

mod cuts;
mod passes;
mod refusals;
mod threads;
mod world;
