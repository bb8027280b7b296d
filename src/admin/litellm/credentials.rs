//! `/credentials`: keys for providers, by LiteLLM's names. They are sealed, and never shown again.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Object, models::ours, object};
use crate::{
    admin::{
        input::{Anything, Patch},
        operation::{Call, Operation, Reach, Route},
        providers::credentials::{known, sealer},
        refusal::Refusal,
    },
    secret::Secret,
    store::{
        List,
        credentials::{Credential, RESERVED, Secrets},
    },
};

/// How many a list holds.
const MAX_LISTED: i64 = 1000;

/// A credential.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(in crate::admin) struct CredentialBody {
    credential_name: String,
    #[serde(default)]
    credential_info: Object,
    #[serde(default)]
    credential_values: Option<std::collections::BTreeMap<String, Secret>>,
    #[serde(default)]
    display_name: Option<String>,
}

/// What is said of a credential that is there. What is not said stays.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(in crate::admin) struct CredentialChange {
    credential_info: Object,
    credential_values: Option<std::collections::BTreeMap<String, Secret>>,
    display_name: Patch<String>,
}

fn row(credential: &Credential) -> Object {
    let mut info = credential.details.clone();
    info.remove(RESERVED);
    info.insert(
        "custom_llm_provider".into(),
        credential.provider.clone().into(),
    );
    object(json!({
        "credential_name": credential.id, "display_name": credential.label, "credential_info": info,
        "credential_values": {"api_key": credential.masked.replace('…', "...")},
    }))
}

/// Takes a credential.
pub(in crate::admin) struct New;

impl Operation for New {
    const ROUTE: Route = Route::post(
        "/credentials",
        Reach::All,
        "Takes a key for a provider and seals it, for deployments to name.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = CredentialBody;
    type Answer = Object;

    async fn run(call: Call, _: Anything, mut body: CredentialBody) -> Result<Object, Refusal> {
        let store = call.store()?;
        let provider = body.credential_info.remove("custom_llm_provider");
        let provider = provider
            .as_ref()
            .and_then(Value::as_str)
            .unwrap_or("openai");
        let provider = ours(&provider.to_ascii_lowercase());
        known(&call, &store, &provider).await?;
        let mut credential = Credential::new(&provider);
        credential.id = body.credential_name;
        credential.label = body.display_name;
        credential.details = body.credential_info;
        credential.details.insert(RESERVED.to_owned(), true.into());
        let secrets: Secrets = body.credential_values.unwrap_or_default();
        credential.seal(&secrets, &sealer(&call)?)?;
        store.create(credential, call.by()).await?;
        Ok(object(
            json!({"success": true, "message": "Credential created successfully"}),
        ))
    }
}

/// Lists credentials.
pub(in crate::admin) struct ListAll;

impl Operation for ListAll {
    const ROUTE: Route = Route::get(
        "/credentials",
        Reach::All,
        "Lists keys for providers, without the keys.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, _: Anything, _: Anything) -> Result<Object, Refusal> {
        let list = List::default().page(MAX_LISTED, 0);
        let credentials = call.store()?.list::<Credential>(&list).await?;
        let rows: Vec<Object> = credentials.iter().map(row).collect();
        Ok(object(json!({"success": true, "credentials": rows})))
    }
}

/// Shows a credential.
pub(in crate::admin) struct Show;

impl Operation for Show {
    const ROUTE: Route = Route::get(
        "/credentials/by_name/{name}",
        Reach::All,
        "Shows what is known of a credential, without its key.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, _: Anything, _: Anything) -> Result<Object, Refusal> {
        let credential = call.store()?.get::<Credential>(call.path("name")).await?;
        Ok(row(&credential))
    }
}

/// Changes a credential.
pub(in crate::admin) struct Update;

impl Operation for Update {
    const ROUTE: Route = Route::patch(
        "/credentials/{name}",
        Reach::All,
        "Changes a credential: what it is called, what is said of it, single secrets of it.",
    )
    .of_litellm();
    type Query = Anything;
    type Body = CredentialChange;
    type Answer = Object;

    async fn run(call: Call, _: Anything, mut body: CredentialChange) -> Result<Object, Refusal> {
        let (store, sealer) = (call.store()?, sealer(&call)?);
        // What it is for is sealed into it.
        body.credential_info.remove("custom_llm_provider");
        body.credential_info.remove(RESERVED);
        let change = |credential: &mut Credential| {
            body.display_name.apply(&mut credential.label);
            credential.details.extend(body.credential_info);
            match body.credential_values {
                Some(values) if !values.is_empty() => {
                    let mut secrets = credential.secrets(&sealer)?;
                    secrets.extend(values);
                    credential.seal(&secrets, &sealer)
                }
                _ => Ok(()),
            }
        };
        let name = call.path("name");
        let changed = store.update::<Credential>(name, call.by(), change).await?;
        Ok(row(&changed))
    }
}

/// Deletes a credential.
pub(in crate::admin) struct Delete;

impl Operation for Delete {
    const ROUTE: Route =
        Route::delete("/credentials/{name}", Reach::All, "Deletes a credential.").of_litellm();
    type Query = Anything;
    type Body = Anything;
    type Answer = Object;

    async fn run(call: Call, _: Anything, _: Anything) -> Result<Object, Refusal> {
        call.store()?
            .delete::<Credential>(call.path("name"))
            .await?;
        Ok(object(
            json!({"success": true, "message": "Credential deleted successfully"}),
        ))
    }
}
