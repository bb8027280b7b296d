//! Every route of the admin interface but the metrics: the router and the document are made from this.

use std::marker::PhantomData;

use super::{
    cache, decide, document, entity, health, keys, litellm, models, myself, operation::Registered,
    providers, providers::credentials, requests, teams, usage,
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
    &[&cache::Show, &cache::Purge],
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
    &[
        &litellm::keys::Generate,
        &litellm::keys::GenerateForService,
        &litellm::keys::Info,
        &litellm::keys::Update,
        &litellm::keys::Delete,
        &litellm::keys::ListAll,
        &litellm::keys::Block,
        &litellm::keys::Unblock,
        &litellm::keys::Regenerate,
        &litellm::keys::RegenerateNamed,
    ],
    &[
        &litellm::teams::New,
        &litellm::teams::Info,
        &litellm::teams::ListAll,
        &litellm::team_pages::ListAll,
        &litellm::team_pages::Available,
        &litellm::teams::Update,
        &litellm::teams::Delete,
        &litellm::teams::AddMember,
        &litellm::teams::UpdateMember,
        &litellm::teams::DeleteMember,
        &litellm::teams::Block,
        &litellm::teams::Unblock,
    ],
    &[
        &litellm::users::New,
        &litellm::users::Info,
        &litellm::users::InfoAlone,
        &litellm::users::ListAll,
        &litellm::users::Update,
        &litellm::users::Delete,
    ],
    &[
        &litellm::budgets::New,
        &litellm::budgets::Info,
        &litellm::budgets::ListAll,
        &litellm::budgets::Update,
        &litellm::budgets::Delete,
    ],
    &[
        &litellm::models::New,
        &litellm::models::Update,
        &litellm::models::Delete,
        &litellm::models::Info,
        &litellm::models::InfoV1,
        &litellm::models::InfoV2,
        &litellm::models::Groups,
        &litellm::models::ListAll,
        &litellm::models::ListAllV1,
    ],
    &[
        &litellm::credentials::New,
        &litellm::credentials::ListAll,
        &litellm::credentials::Show,
        &litellm::credentials::Update,
        &litellm::credentials::Delete,
    ],
    &[
        &litellm::spend::Keys,
        &litellm::spend::Users,
        &litellm::spend::Tags,
        &litellm::spend::Models,
        &litellm::spend::Calculate,
        &litellm::logs::Show,
        &litellm::activity::OfUsers,
        &litellm::activity::OfUsersAtOnce,
        &litellm::activity::OfTeams,
        &litellm::activity::OfTags,
    ],
    &[
        &litellm::global::Spend,
        &litellm::global::Logs,
        &litellm::global::Keys,
        &litellm::global::Models,
        &litellm::global::Teams,
        &litellm::global::EndUsers,
        &litellm::global::Providers,
        &litellm::global::Tags,
        &litellm::global::TagNames,
        &litellm::global::Report,
        &litellm::global::Reset,
        &litellm::global::Activity,
        &litellm::global::ActivityByModel,
    ],
    &[
        &litellm::health::Show,
        &litellm::health::Services,
        &litellm::health::Liveliness,
        &litellm::health::Liveness,
        &litellm::health::Readiness,
    ],
];

/// All routes.
pub(super) fn operations() -> impl Iterator<Item = &'static dyn Registered> {
    OPERATIONS.iter().copied().flatten().copied()
}
