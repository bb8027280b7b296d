//! What of the store decides who serves requests: providers, their keys, deployments. Read whole whenever
//! one of them has changed, for there are few.

use std::collections::BTreeMap;

use super::{
    Record, Store, StoreError,
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
    /// Keys for providers that are blocked or do not open.
    pub closed: Vec<Closed>,
    /// Headers of projects: the project, the provider that gets them (`*` for all), the headers.
    pub headers: Vec<(String, String, BTreeMap<String, String>)>,
    /// Deployments that are asked.
    pub models: Vec<Model>,
    /// What is wrong with others, a sentence each for the operator.
    pub problems: Vec<String>,
}

/// A credential that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Its id.
    pub id: String,
    /// The provider that it is for.
    pub provider: String,
    /// The project whose requests would use it.
    pub project_id: Option<String>,
    /// Whether only deployments would use it that name it.
    pub is_reserved: bool,
    /// Whether somebody has blocked it; it does not open otherwise.
    pub is_blocked: bool,
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
        let (providers, problems) = self.everything::<StoredProvider>().await?;
        let mut serving = Serving {
            providers,
            problems,
            ..Serving::default()
        };
        for provider in &serving.providers {
            if !provider.unknown.is_empty() {
                let (name, what) = (&provider.name, provider.unknown.join("`, `"));
                let problem = format!("`{what}` of the provider `{name}` is of a later version");
                serving.problems.push(problem);
            }
        }
        serving.models = self.part(&mut serving.problems).await?;
        serving.models.retain(|model: &Model| !model.blocked);
        let projects: Vec<Project> = self.part(&mut serving.problems).await?;
        for project in projects {
            let headers = project.terms.headers.into_iter();
            let of_project = |(provider, headers)| (project.id.clone(), provider, headers);
            serving.headers.extend(headers.map(of_project));
        }
        let credentials: Vec<Credential> = self.part(&mut serving.problems).await?;
        for credential in credentials {
            match credential.blocked {
                true => serving.closed.push(Closed::new(credential, true)),
                false => serving.open(credential, sealer),
            }
        }
        Ok(serving)
    }

    async fn part<R: Record>(&self, problems: &mut Vec<String>) -> Result<Vec<R>, StoreError> {
        let (records, unreadable) = self.everything().await?;
        problems.extend(unreadable);
        Ok(records)
    }
}

impl Closed {
    fn new(credential: Credential, is_blocked: bool) -> Self {
        Closed {
            is_blocked,
            is_reserved: credential.is_reserved(),
            id: credential.id,
            provider: credential.provider,
            project_id: credential.project_id,
        }
    }
}

impl Serving {
    fn open(&mut self, credential: Credential, sealer: &Sealer) {
        let is_reserved = credential.is_reserved();
        match credential.secrets(sealer) {
            Ok(secrets) => self.credentials.push(Opened {
                is_reserved,
                id: credential.id,
                provider: credential.provider,
                project_id: credential.project_id,
                secrets,
            }),
            Err(error) => {
                let name = credential.label.as_ref().unwrap_or(&credential.id);
                let provider = &credential.provider;
                let problem = format!("credential `{name}` of `{provider}`: {error}");
                self.problems.push(problem);
                self.closed.push(Closed::new(credential, false));
            }
        }
    }
}
