//! What of the store decides who serves requests: providers, their keys, deployments. Read whole whenever
//! one of them has changed, for there are few.

use std::collections::BTreeMap;

use super::{
    List, Store, StoreError,
    credentials::{Credential, Secrets, seal::Sealer},
    models::Model,
    projects::Project,
    providers::StoredProvider,
};

/// Who serves requests, by the store.
#[derive(Debug, Clone, Default)]
pub struct Serving {
    /// Providers, in the order in which they were made.
    pub providers: Vec<StoredProvider>,
    /// Keys for providers, opened. Those that are blocked are not among them.
    pub credentials: Vec<Opened>,
    /// Headers of projects: the project, the provider that gets them (`*` for all), the headers.
    pub headers: Vec<(String, String, BTreeMap<String, String>)>,
    /// Deployments that are asked.
    pub models: Vec<Model>,
    /// What is wrong with others, a sentence each for the operator.
    pub problems: Vec<String>,
}

/// A credential, and what it holds.
#[derive(Debug, Clone)]
pub struct Opened {
    /// Its id.
    pub id: String,
    /// The provider that it is for.
    pub provider: String,
    /// The project whose requests use it.
    pub project_id: Option<String>,
    /// Whether only deployments use it that name it.
    pub is_reserved: bool,
    /// What it holds.
    pub secrets: Secrets,
}

impl Store {
    /// Reads who serves requests.
    ///
    /// # Errors
    /// `Away` and `Unreadable`. A credential that does not open is a problem of its own and no error.
    pub async fn serving(&self, sealer: &Sealer) -> Result<Serving, StoreError> {
        let oldest_first = List::default().sorted("created_at", false);
        let mut serving = Serving {
            providers: self.list::<StoredProvider>(&oldest_first).await?,
            models: self
                .list::<Model>(&oldest_first.clone().equals("blocked", false))
                .await?,
            ..Serving::default()
        };
        let credentials: Vec<Credential> = self
            .list(&oldest_first.clone().equals("blocked", false))
            .await?;
        let projects: Vec<Project> = self.list(&oldest_first).await?;
        for project in projects {
            let headers = project.terms.headers.into_iter();
            let of_project = |(provider, headers)| (project.id.clone(), provider, headers);
            serving.headers.extend(headers.map(of_project));
        }
        for credential in credentials {
            match credential.secrets(sealer) {
                Ok(secrets) => serving.credentials.push(Opened {
                    is_reserved: credential.is_reserved(),
                    id: credential.id,
                    provider: credential.provider,
                    project_id: credential.project_id,
                    secrets,
                }),
                Err(error) => {
                    let name = credential.label.unwrap_or(credential.id);
                    let provider = credential.provider;
                    serving
                        .problems
                        .push(format!("credential `{name}` of `{provider}`: {error}"));
                }
            }
        }
        Ok(serving)
    }
}
