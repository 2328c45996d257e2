//! `creel-shell`: the small static binary inside the Pods. No Kubernetes, no network beyond the Pod.
//!
//! | room      | does                                                    | touches                         |
//! |-----------|---------------------------------------------------------|---------------------------------|
//! | `install` | copies the binary into a volume, for containers without it | disk                          |
//! | `keep`    | holds the claim's lock for the Pod's life               | disk, signals, an abstract socket |

pub mod install;
pub mod keep;
