//! What the gateway says about itself: metrics and logs.

pub mod logging;
pub mod metrics;
