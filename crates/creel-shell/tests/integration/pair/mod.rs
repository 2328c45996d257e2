//! `creel-shell-ssh` and `creel-shell serve` together.

mod calls;
mod faults;
mod load;
