//! Every route of the admin interface but the metrics: the router and the document are made from this.

use std::marker::PhantomData;

use super::{
    cache, decide, document, encryption, entity, health, identity, keys, litellm, models, myself,
    operation::Registered, providers, providers::credentials, requests, teams, usage,
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
        &identity::Show,
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
        &keys::RevokeSeveral,
        &keys::DeleteSeveral,
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
        &providers::Try,
    ],
    &[&encryption::Show, &encryption::Reencrypt],
    &[
        &credentials::ListAll,
        &credentials::Make,
        &credentials::Show,
        &credentials::Change,
        &credentials::Rotate,
        &credentials::Delete,
    ],
    &[
        &usage::Show,
        &requests::ListAll,
        &requests::Export,
        &requests::Show,
    ],
    &[
        &litellm::keys::Generate,
        &litellm::keys::GenerateForService,
        &litellm::keys::Info,
        &litellm::keys::Update,
        &litellm::keys::Delete,
        &litellm::key_list::ListAll,
        &litellm::keys::Block,
        &litellm::keys::Unblock,
        &litellm::keys::Regenerate,
        &litellm::keys::RegenerateNamed,
        &litellm::bulk::UpdateKeys,
        &litellm::key_pages::InfoV2,
        &litellm::key_pages::Aliases,
        &litellm::key_pages::Health,
        &litellm::key_pages::ResetSpend,
    ],
    &[
        &litellm::teams::New,
        &litellm::teams::Info,
        &litellm::teams::ListAll,
        &litellm::team_pages::ListAll,
        &litellm::team_pages::Available,
        &litellm::teams::Update,
        &litellm::teams::Delete,
        &litellm::members::AddMember,
        &litellm::bulk::AddMembers,
        &litellm::members::UpdateMember,
        &litellm::members::DeleteMember,
        &litellm::team_terms::AddModels,
        &litellm::team_terms::DeleteModels,
        &litellm::team_terms::ListPermissions,
        &litellm::team_terms::UpdatePermissions,
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
        &litellm::bulk::UpdateUsers,
        &litellm::roles::Available,
        &litellm::roles::Seats,
    ],
    &[
        &litellm::budgets::New,
        &litellm::budgets::Info,
        &litellm::budgets::ListAll,
        &litellm::budgets::Settings,
        &litellm::budgets::Update,
        &litellm::budgets::Delete,
    ],
    &[
        &litellm::models::New,
        &litellm::models::Update,
        &litellm::models::Patch,
        &litellm::models::Delete,
        &litellm::models::Info,
        &litellm::models::InfoV1,
        &litellm::models::InfoV2,
        &litellm::models::Groups,
        &litellm::models::ListAll,
        &litellm::models::ListAllV1,
        &litellm::models::Show,
        &litellm::models::ShowV1,
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
        &litellm::daily::OfUsers,
        &litellm::daily::OfUsersAtOnce,
        &litellm::daily::OfTeams,
        &litellm::daily::OfTags,
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
        &litellm::activity::CacheHits,
        &litellm::activity::Exceptions,
    ],
    &[
        &litellm::health::Show,
        &litellm::health::Services,
        &litellm::health::Liveliness,
        &litellm::health::Liveness,
        &litellm::health::Readiness,
        &litellm::health::ReadinessDetails,
        &litellm::health::Test,
        &litellm::checks::Latest,
        &litellm::checks::TestConnection,
        &litellm::checks::OfReadiness,
        &litellm::checks::OfLiveliness,
        &litellm::checks::OfLiveness,
    ],
];

/// All routes.
pub(super) fn operations() -> impl Iterator<Item = &'static dyn Registered> {
    OPERATIONS.iter().copied().flatten().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::refusal::Shape;

    #[test]
    fn every_route_of_litellms_is_in_the_list_of_those_that_are_answered() {
        let documented = include_str!("../../docs/admin.md");
        for operation in operations() {
            let route = operation.route();
            let path = route.path.replace("{*", "{");
            let is_listed = documented.contains(&format!("`{path}`"))
                || documented.contains(&format!("`{} {path}`", route.verb.name()));
            assert!(is_listed || route.shape == Shape::Own, "{path}");
        }
    }
}
