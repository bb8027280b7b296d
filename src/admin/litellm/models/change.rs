//! Deployments by LiteLLM's fields: made, changed and deleted, each with the key that came with it.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::{
    super::Object,
    Deployment, object,
    said::{ModelBody, Said},
};
use crate::{
    admin::{
        entity::new_id,
        input::Anything,
        models::{fits, no_credential},
        operation::{Call, Operation, Reach, Route},
        providers::credentials::sealer,
        refusal::Refusal,
    },
    store::{
        Kind, Record, StoreError, Transaction,
        credentials::{Credential, RESERVED, Secrets},
        models::Model,
    },
};

/// Puts what was said into a deployment and its secrets into a credential of its own, all in one transaction.
async fn put(
    call: &Call,
    transaction: &mut Transaction,
    model: &mut Model,
    mut said: Said,
) -> Result<(), Refusal> {
    let (secrets, is_named) = (std::mem::take(&mut said.secrets), said.credential.is_some());
    said.apply(model);
    if !secrets.is_empty() {
        let credential = seal(call, transaction, model, secrets).await?;
        model.credential_id = Some(credential.id.clone());
        return fits("litellm_params", model, &credential);
    }
    let Some(id) = &model.credential_id else {
        return Ok(());
    };
    match transaction.hold::<Credential>(id).await {
        Ok(credential) => fits("litellm_params", model, &credential),
        Err(StoreError::NotFound { .. }) if is_named => {
            Err(no_credential("litellm_credential_name", id))
        }
        // It was deleted meanwhile: the deployment is not asked, and may be changed.
        Err(StoreError::NotFound { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Seals a deployment's secrets in a credential of its own.
async fn seal(
    call: &Call,
    transaction: &mut Transaction,
    model: &Model,
    secrets: Secrets,
) -> Result<Credential, Refusal> {
    let (sealer, own) = (sealer(call)?, own_credential(&model.id));
    match transaction.hold::<Credential>(&own).await {
        Ok(mut credential) => {
            // What one provider was asked with is not for the next.
            let mut all = match credential.provider == model.provider {
                true => credential.secrets(&sealer)?,
                false => Secrets::new(),
            };
            all.extend(secrets);
            credential.provider.clone_from(&model.provider);
            credential.seal(&all, &sealer)?;
            transaction.write(&mut credential, call.by()).await?;
            transaction.changed(Kind::Credential, credential.changes());
            Ok(credential)
        }
        Err(StoreError::NotFound { .. }) => {
            let mut credential = Credential::new(&model.provider);
            credential.label = Some(format!("of the model {}", model.id));
            credential.id = own;
            credential.details.insert(RESERVED.to_owned(), true.into());
            credential.seal(&secrets, &sealer)?;
            transaction.insert(&mut credential, call.by()).await?;
            transaction.changed(Kind::Credential, credential.changes());
            Ok(credential)
        }
        Err(error) => Err(error.into()),
    }
}

fn own_credential(model: &str) -> String {
    format!("of_{model}")
}

fn row(model: &Model, call: &Call) -> Object {
    let mut row = Deployment::stored(model).row(&call.snapshot);
    row.insert("model_id".into(), model.id.clone().into());
    row
}

/// Makes a deployment.
pub(in crate::admin) struct New;

impl Operation for New {
    const ROUTE: Route = Route::post(
        "/model/new",
        Reach::All,
        "Makes a deployment, by LiteLLM's fields. Its key is sealed.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = ModelBody;
    type Answer = Object;

    async fn run(call: Call, _: Anything, body: ModelBody) -> Result<Object, Refusal> {
        let store = call.store()?;
        let wants = |field: &str| {
            let message = format!("`{field}` is needed.");
            Refusal::invalid(Some(field), message)
        };
        if body.model_name.is_none() {
            return Err(wants("model_name"));
        }
        let params = body.litellm_params.as_ref();
        if params.is_none_or(|params| params.model.is_none()) {
            return Err(wants("litellm_params.model"));
        }
        let id = body
            .model_info
            .as_ref()
            .and_then(|info| info.get("id")?.as_str());
        let mut model = Model {
            id: new_id("model", id.map(str::to_owned))?,
            ..Model::default()
        };
        let said = Said::read(&call, &store, body).await?;
        let mut transaction = store.begin().await?;
        put(&call, &mut transaction, &mut model, said).await?;
        transaction.insert(&mut model, call.by()).await?;
        transaction.changed(Kind::Model, model.changes());
        transaction.commit().await?;
        Ok(row(&model, &call))
    }
}

/// Changes a deployment.
pub(in crate::admin) struct Update;

impl Operation for Update {
    const ROUTE: Route = Route::post(
        "/model/update",
        Reach::All,
        "Changes a deployment, by LiteLLM's fields. What is not said stays.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = ModelBody;
    type Answer = Object;

    async fn run(call: Call, _: Anything, mut body: ModelBody) -> Result<Object, Refusal> {
        let in_info = |info: &Object| info.get("id")?.as_str().map(str::to_owned);
        let id = body
            .id
            .take()
            .or(body.model_info.as_ref().and_then(in_info));
        let Some(id) = id else {
            return Err(Refusal::invalid(
                Some("model_info"),
                "`model_info.id` is needed.",
            ));
        };
        update(&call, &id, body).await
    }
}

/// Changes the deployment that the path names.
pub(in crate::admin) struct Patch;

impl Operation for Patch {
    const ROUTE: Route = Route::patch(
        "/model/{id}/update",
        Reach::All,
        "Changes a deployment, by LiteLLM's fields. What is not said stays.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = ModelBody;
    type Answer = Object;

    async fn run(call: Call, _: Anything, body: ModelBody) -> Result<Object, Refusal> {
        let id = call.path("id").to_owned();
        update(&call, &id, body).await
    }
}

async fn update(call: &Call, id: &str, body: ModelBody) -> Result<Object, Refusal> {
    let store = call.store()?;
    let said = Said::read(call, &store, body).await?;
    let mut transaction = store.begin().await?;
    let mut model: Model = transaction.hold(id).await?;
    put(call, &mut transaction, &mut model, said).await?;
    transaction.write(&mut model, call.by()).await?;
    transaction.changed(Kind::Model, model.changes());
    transaction.commit().await?;
    Ok(row(&model, call))
}

/// Which deployment.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(in crate::admin) struct One {
    id: String,
}

/// Deletes a deployment.
pub(in crate::admin) struct Delete;

impl Operation for Delete {
    const ROUTE: Route = Route::post(
        "/model/delete",
        Reach::All,
        "Deletes a deployment, and the key that came with it.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = One;
    type Answer = Object;

    async fn run(call: Call, _: Anything, body: One) -> Result<Object, Refusal> {
        let store = call.store()?;
        let mut transaction = store.begin().await?;
        let model: Model = transaction.hold(&body.id).await?;
        transaction.remove(&model).await?;
        let own = own_credential(&model.id);
        if model.credential_id.as_ref() == Some(&own) {
            match transaction.hold::<Credential>(&own).await {
                Ok(credential) => {
                    transaction.remove(&credential).await?;
                    transaction.changed(Kind::Credential, credential.changes());
                }
                Err(StoreError::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        transaction.changed(Kind::Model, model.changes());
        transaction.commit().await?;
        let message = format!("Model: {} deleted successfully", body.id);
        Ok(object(json!({ "message": message })))
    }
}
