//! What the operator tells of itself: health and metrics over HTTP, logs.

pub mod health;
pub mod logs;
pub mod metrics;
