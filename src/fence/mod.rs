//! The fence of a namespace: a `NetworkPolicy` without rules that selects every Pod of ours there.
//!
//! An Agent's own policies go at once when the Agent is deleted, and its Pods run on for as long as their grace period: a gateway with a
//! turn for minutes. Policies add up, so the fence changes nothing while those policies are there, and closes everything when they go. It
//! has no owner, because it has to outlive the last Agent, and no finalizer: a namespace that is deleted never waits for Creel.
//!
//! | room | does | touches |
//! |---|---|---|
//! | `build` | the policy | nothing |
//! | `fences` | makes it before the first Pod, puts it back, removes it after the last Pod | the network |

pub mod build;
pub mod fences;
