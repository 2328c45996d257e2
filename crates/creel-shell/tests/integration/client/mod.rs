//! `creel-shell-ssh`.

mod faults;
mod hostile_server;
mod load;
mod multiplexing;
mod streams;
mod trust;
