//! The Sandbox controller: a Sandbox is a template; counts the Pods that Agents have from it.
//!
//! | room | does | touches |
//! |---|---|---|
//! | `driver` | names the steps of a reconcile | the network, through the steps |
//! | `context` | what all reconciles share | nothing |
//! | `gather` | reads what it names, and who names it | the network |
//! | `status` | the sandboxes made from it → its status | nothing |

pub mod context;
pub mod driver;
pub mod gather;
pub mod status;
