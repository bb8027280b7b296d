//! Every route of the admin interface but the metrics: the router and the document are made from this.

use super::{decide, document, health, operation::Registered};

/// All routes.
pub(super) const OPERATIONS: &[&dyn Registered] =
    &[&document::Show, &health::Show, &decide::Decide];
