//! Every route of the admin interface but the metrics: the router and the document are made from this.

use std::marker::PhantomData;

use super::{
    decide, document, entity, health, keys, models, myself, operation::Registered, providers,
    providers::credentials, requests, teams, usage,
};
use crate::store::{budgets::Budget, models::Model, projects::Project, teams::Team, users::User};

/// The five routes of a kind of record.
macro_rules! records {
    ($kind:ty) => {
        [
            &entity::ListAll::<$kind>(PhantomData) as &dyn Registered,
            &entity::Make::<$kind>(PhantomData),
            &entity::Show::<$kind>(PhantomData),
            &entity::Change::<$kind>(PhantomData),
            &entity::Delete::<$kind>(PhantomData),
        ]
    };
}

/// All routes, a list for each subject.
pub(super) const OPERATIONS: &[&[&dyn Registered]] = &[
    &[
        &document::Show,
        &myself::Show,
        &health::Show,
        &decide::Decide,
    ],
    &[
        &keys::ListAll,
        &keys::Make,
        &keys::Show,
        &keys::Change,
        &keys::Delete,
        &keys::Block,
        &keys::Unblock,
        &keys::Revoke,
        &keys::Rotate,
    ],
    &records!(Team),
    &[&teams::ListMembers, &teams::PutMember, &teams::RemoveMember],
    &records!(User),
    &records!(Project),
    &records!(Budget),
    &records!(Model),
    &[&models::Served],
    &[
        &providers::ListAll,
        &providers::Make,
        &providers::Show,
        &providers::Change,
        &providers::Delete,
    ],
    &[
        &credentials::ListAll,
        &credentials::Make,
        &credentials::Show,
        &credentials::Change,
        &credentials::Rotate,
        &credentials::Delete,
    ],
    &[&usage::Show, &requests::ListAll, &requests::Show],
];

/// All routes.
pub(super) fn operations() -> impl Iterator<Item = &'static dyn Registered> {
    OPERATIONS.iter().copied().flatten().copied()
}
