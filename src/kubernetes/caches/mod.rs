//! What is remembered of objects between reconciles. Memory only.

pub mod by_name;
pub mod uids;
pub mod versioned;
