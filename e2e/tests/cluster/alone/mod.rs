//! What nothing else may run beside: an operator that restarts, is away, or is replaced; a browser, which takes all of the machine.

mod away;
mod bad_neighbour;
mod browser;
mod enforced;
mod let_in;
mod max_egress;
mod poisoned;
mod upgrade;
