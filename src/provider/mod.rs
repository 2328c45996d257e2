//! The Provider controller: says whether a Provider can be used, and by how many Agents it is.
//!
//! | room | does | touches |
//! |---|---|---|
//! | `driver` | names the steps of a reconcile | the network, through the steps |
//! | `gather` | reads which keys the named Secrets have | the network |
//! | `status` | what was gathered → conditions | nothing |

pub mod driver;
pub mod gather;
pub mod status;
