//! What nothing else may run beside: an operator that restarts, is away, or is replaced.

mod away;
mod bad_neighbour;
mod enforced;
mod max_egress;
mod poisoned;
mod upgrade;
