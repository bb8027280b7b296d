//! What teams, users, projects, budgets and deployments have in common here: they are made, listed, shown,
//! changed and deleted in the same way.

use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    access::Caller,
    input::Nothing,
    list::{Page, Paging},
    operation::{Call, Operation, Part, Route},
    refusal::Refusal,
};
use crate::{
    identity::virtual_key,
    store::{List, Record, Store, StoreError},
};

/// A kind of record that is administrated.
pub(super) trait Entity: Record + Sync + 'static {
    /// Where it is made, listed, shown, changed and deleted.
    const ROUTES: Routes;
    /// What is shown of it.
    type View: From<Self> + Serialize + JsonSchema + Send;
    /// What is said of a new one.
    type New: Part;
    /// What is said of a change.
    type Change: Part + Clone;
    /// Which are listed.
    type Query: Part + Paging + Sync;

    /// Under which name keys say that they belong to it.
    const KEYS: Option<&'static str>;

    /// A new one.
    fn make(new: Self::New) -> Result<Self, Refusal>;
    /// Carries a change out.
    fn change(&mut self, change: Self::Change) -> Result<(), Refusal>;
    /// Those that are asked for.
    fn filter(query: &Self::Query, list: List) -> List;
    /// Whether the caller may see it, be it bound to a team.
    fn is_seen_by(&self, caller: &Caller) -> bool {
        caller.sees_all()
    }
    /// Those that the caller may see.
    fn of_caller(list: List, _: &Caller) -> List {
        list
    }
    /// Looks at what one record cannot know, before it is written.
    fn check(_: &Store, _: &Self) -> impl Future<Output = Result<(), Refusal>> + Send {
        async { Ok(()) }
    }
}

/// Where a kind of record is administrated. The name in the paths is `id`.
pub(super) struct Routes {
    pub(super) list: Route,
    pub(super) make: Route,
    pub(super) show: Route,
    pub(super) change: Route,
    pub(super) delete: Route,
}

/// The record that the path names, if the caller may see it.
///
/// # Errors
/// 404, whether there is none or none for this caller.
pub(super) async fn seen<E: Entity>(call: &Call) -> Result<E, Refusal> {
    let id = call.path("id");
    let found = call.store()?.find::<E>(id).await?;
    found
        .filter(|record| record.is_seen_by(&call.caller))
        .ok_or_else(|| Refusal::not_found(E::WHAT, id))
}

/// Lists records.
pub(super) struct ListAll<E>(pub(super) PhantomData<E>);
/// Makes one.
pub(super) struct Make<E>(pub(super) PhantomData<E>);
/// Shows one.
pub(super) struct Show<E>(pub(super) PhantomData<E>);
/// Changes one.
pub(super) struct Change<E>(pub(super) PhantomData<E>);
/// Deletes one.
pub(super) struct Delete<E>(pub(super) PhantomData<E>);

impl<E: Entity> Operation for ListAll<E> {
    const ROUTE: Route = E::ROUTES.list;
    type Query = E::Query;
    type Body = Nothing;
    type Answer = Page<E::View>;

    async fn run(call: Call, query: E::Query, _: Nothing) -> Result<Self::Answer, Refusal> {
        let list = E::of_caller(E::filter(&query, List::default()), &call.caller);
        Page::read::<E>(&*call.store()?, list, &query).await
    }
}

impl<E: Entity> Operation for Make<E> {
    const ROUTE: Route = E::ROUTES.make;
    type Query = Nothing;
    type Body = E::New;
    type Answer = E::View;

    async fn run(call: Call, _: Nothing, new: E::New) -> Result<E::View, Refusal> {
        let (store, record) = (call.store()?, E::make(new)?);
        <E as Entity>::check(&store, &record).await?;
        Ok(store.create(record, call.by()).await?.into())
    }
}

impl<E: Entity> Operation for Show<E> {
    const ROUTE: Route = E::ROUTES.show;
    type Query = Nothing;
    type Body = Nothing;
    type Answer = E::View;

    async fn run(call: Call, _: Nothing, _: Nothing) -> Result<E::View, Refusal> {
        Ok(seen::<E>(&call).await?.into())
    }
}

impl<E: Entity> Operation for Change<E> {
    const ROUTE: Route = E::ROUTES.change;
    type Query = Nothing;
    type Body = E::Change;
    type Answer = E::View;

    async fn run(call: Call, _: Nothing, change: E::Change) -> Result<E::View, Refusal> {
        let (store, mut record) = (call.store()?, seen::<E>(&call).await?);
        let id = record.id().to_owned();
        // Looked at before: the store's transaction asks nobody.
        record.change(change.clone())?;
        <E as Entity>::check(&store, &record).await?;
        let changed = store.update::<E>(&id, call.by(), |record| {
            let refused = |_| StoreError::invalid("body", "cannot be taken");
            record.change(change).map_err(refused)
        });
        Ok(changed.await?.into())
    }
}

/// How a record is deleted.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct DeleteQuery {
    /// Whether its keys are deleted with it. Else it is not deleted while it has some: they would be free of
    /// its limits.
    with_keys: bool,
}

impl<E: Entity> Operation for Delete<E> {
    const ROUTE: Route = E::ROUTES.delete;
    type Query = DeleteQuery;
    type Body = Nothing;
    type Answer = E::View;

    async fn run(call: Call, query: DeleteQuery, _: Nothing) -> Result<E::View, Refusal> {
        let (store, record) = (call.store()?, seen::<E>(&call).await?);
        let id = record.id();
        let deleted = match E::KEYS {
            Some(column) => store.delete_owner(id, column, query.with_keys).await?.0,
            None => store.delete::<E>(id).await?,
        };
        Ok(deleted.into())
    }
}

/// The id of a new record: as asked for, or made up.
///
/// # Errors
/// Where the system gives no random numbers.
pub(super) fn new_id(start: &str, asked: Option<String>) -> Result<String, Refusal> {
    if let Some(asked) = asked {
        return Ok(asked);
    }
    let word = virtual_key::word(16).map_err(|_| {
        let why = "the system gives no random numbers".to_owned();
        StoreError::Refused(why)
    })?;
    Ok(format!("{start}_{word}"))
}
