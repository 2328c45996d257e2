//! What only people with a browser and a gateway without Creel may be beside: an operator that restarts, is away, or is replaced, and
//! one that has much to do.

mod away;
mod bad_neighbour;
mod enforced;
mod max_egress;
mod poisoned;
mod upgrade;
