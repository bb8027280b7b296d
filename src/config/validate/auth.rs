//! Checks of the `auth` section. Keys are compared and never shown.

use super::Check;

impl Check<'_> {
    pub(super) fn auth(&mut self) {
        let auth = &self.config.auth;
        for (index, key) in auth.keys.iter().enumerate() {
            let path = format!("auth.keys.{index}");
            let before = auth.keys.get(..index).unwrap_or_default();
            if key.name.trim().is_empty() {
                self.problem(
                    &format!("{path}.name"),
                    "is empty; logs need a name for the key",
                );
            }
            if before.iter().any(|other| other.name == key.name) {
                let message = format!("another key is called `{}` too", key.name);
                self.problem(&format!("{path}.name"), message);
            }
            if key.key.is_empty() {
                self.problem(&format!("{path}.key"), "is empty");
            } else if let Some(other) = before.iter().find(|other| other.key == key.key) {
                let message = format!("the same key as `{}`", other.name);
                self.problem(&format!("{path}.key"), message);
            }
            self.globs(&format!("{path}.models"), &key.models);
        }
        if auth.master_key.as_ref().is_some_and(|key| key.is_empty()) {
            self.problem(
                "auth.master_key",
                "is empty; leave it out for an admin port that \
                          answers to loopback only",
            );
        }
    }
}
