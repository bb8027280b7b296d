//! Costs worked by hand.
