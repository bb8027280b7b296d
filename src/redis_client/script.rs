//! Scripts that run inside Redis. They are sent once; from then on their digest is enough.

use std::time::{Duration, Instant};

use redis::{Cmd, Value};

use super::{Client, Error};

/// A script in Lua.
pub struct Script {
    code: &'static str,
    digest: String,
}

impl Script {
    /// The script with this code.
    pub fn new(code: &'static str) -> Self {
        let digest = redis::Script::new(code).get_hash().to_owned();
        Script { code, digest }
    }

    fn command(&self, name: &str, text: &str, keys: &[&[u8]], arguments: &[&[u8]]) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(text).arg(keys.len());
        keys.iter().chain(arguments).for_each(|one| {
            command.arg(*one);
        });
        command
    }
}

impl Client {
    /// Runs a script. `keys` are all of one slot.
    ///
    /// # Errors
    /// No answer within `deadline`, or one that is an error.
    pub async fn script(
        &self,
        script: &Script,
        keys: &[&[u8]],
        arguments: &[&[u8]],
        deadline: Duration,
    ) -> Result<Value, Error> {
        let key = keys.first().copied().unwrap_or_default();
        let began = Instant::now();
        let known = script.command("EVALSHA", &script.digest, keys, arguments);
        match self.call(key, &known, deadline).await {
            Err(Error::NoScript) => {
                let whole = script.command("EVAL", script.code, keys, arguments);
                let left = deadline.saturating_sub(began.elapsed());
                self.call(key, &whole, left).await
            }
            answer => answer,
        }
    }
}
