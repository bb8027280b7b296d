//! Where a provider's key comes from: the terminal, where it does not show, standard input, a file or a
//! variable; never the command line, which everybody can read.

use std::{fs, path::PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use super::super::{failure::Failure, prompt};
use crate::{config::Environment, secret::Secret};

/// Where it comes from.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct SecretArguments {
    /// Read the key from a file
    #[arg(long, value_name = "FILE", group = "source")]
    key_file: Option<PathBuf>,
    /// Take the key from an environment variable
    #[arg(long, value_name = "VARIABLE", group = "source")]
    key_env: Option<String>,
    /// It asks for no key
    #[arg(long, group = "source")]
    no_key: bool,
    /// A header to send with every request, whose value is in an environment variable
    #[arg(long = "header-env", value_name = "HEADER=VARIABLE", value_parser = pair)]
    headers: Vec<(String, String)>,
}

/// A name and a value.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("takes NAME=VALUE".to_owned()),
    }
}

impl SecretArguments {
    /// What is to be held, as the admin interface takes it. The key is asked for where one is needed.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(super) fn held(&self, needs_key: bool) -> Result<Value, Failure> {
        let mut held = Map::new();
        let mut headers = Map::new();
        for (header, variable) in &self.headers {
            headers.insert(header.clone(), json!(variable_of(variable)?.expose()));
        }
        if !headers.is_empty() {
            held.insert("headers".to_owned(), Value::Object(headers));
        }
        if let Some(key) = self.key(needs_key)? {
            held.insert("api_key".to_owned(), json!(key.expose()));
        }
        Ok(Value::Object(held))
    }

    fn key(&self, is_needed: bool) -> Result<Option<Secret>, Failure> {
        if self.no_key {
            return Ok(None);
        }
        if let Some(file) = &self.key_file {
            let text =
                fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
            return Ok(Some(Secret::new(&text)));
        }
        if let Some(variable) = &self.key_env {
            return variable_of(variable).map(Some);
        }
        match is_needed || !prompt::is_possible() {
            true => {
                let question = "Its key (not shown; --no-key where it asks for none)";
                Ok(prompt::secret(question).map(Some)?)
            }
            false => Ok(None),
        }
    }
}

fn variable_of(name: &str) -> Result<Secret, Failure> {
    let environment = Environment::of_process();
    let value = environment.get(name);
    let missing = || Failure::usage(format!("the variable {name} is not set"));
    value.map(Secret::new).ok_or_else(missing)
}
