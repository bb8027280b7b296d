//! Providers with their keys, whole or not at all.

use crate::{
    admin::{operation::Call, refusal::Refusal},
    store::{
        Kind, List, Record, Store, StoreError, credentials::Credential, models::Model,
        providers::StoredProvider,
    },
};

/// Makes a provider, and its first key where there is one.
///
/// # Errors
/// 409 where it is there already, 503.
pub(super) async fn make(
    call: &Call,
    mut provider: StoredProvider,
    credential: Option<Credential>,
) -> Result<StoredProvider, Refusal> {
    let mut transaction = call.store()?.begin().await?;
    transaction.insert(&mut provider, call.by()).await?;
    transaction.changed(Kind::Provider, provider.changes());
    if let Some(mut credential) = credential {
        transaction.insert(&mut credential, call.by()).await?;
        transaction.changed(Kind::Credential, credential.changes());
    }
    transaction.commit().await?;
    Ok(provider)
}

/// Deletes a provider with all its keys; of one of the configuration those that the store has.
///
/// # Errors
/// 409 where a deployment uses one of them, 503.
pub(super) async fn delete(
    store: &Store,
    name: &str,
    provider: Option<&StoredProvider>,
) -> Result<(), Refusal> {
    let of_provider = List::default().equals("provider", name);
    let credentials: Vec<Credential> = store.list(&of_provider).await?;
    for credential in &credentials {
        unused(store, &credential.id).await?;
    }
    let mut transaction = store.begin().await?;
    for credential in &credentials {
        transaction.remove(credential).await?;
        transaction.changed(Kind::Credential, credential.changes());
    }
    if let Some(provider) = provider {
        transaction.remove(provider).await?;
        transaction.changed(Kind::Provider, provider.changes());
    }
    transaction.commit().await?;
    Ok(())
}

/// Looks whether no deployment uses a credential: it would serve no longer.
///
/// # Errors
/// 400 where one does.
pub(super) async fn unused(store: &Store, id: &str) -> Result<(), Refusal> {
    let users = List::default().equals("credential_id", id).page(1, 0);
    match store.list::<Model>(&users).await?.first() {
        None => Ok(()),
        Some(model) => {
            let (name, id) = (&model.name, &model.id);
            let why = format!("is used by the model `{name}` ({id}); delete that first");
            Err(StoreError::invalid("credential", why).into())
        }
    }
}
