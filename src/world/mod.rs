//! What Creel sees and concludes.
//!
//! | room | does | touches |
//! |---|---|---|
//! | `stores` | one watch per kind, and whom each event triggers | the network (watches) |
//! | `triggers` | whom a change concerns | nothing |
//! | `gateways` | the gateways that answer, and which agents they confirmed | memory |
//! | `sandbox_states` | what the reconciles of sandboxes found | memory |
//! | `schedules` | what the reconciles of gateways' jobs found | memory |
//! | `unparsable` | objects of our kinds that do not parse | memory |

pub mod gateways;
pub mod sandbox_states;
pub mod schedules;
pub mod stores;
pub mod triggers;
pub mod unparsable;
