//! Checks of the `store` section. Nothing of a URL or a key is shown.

use super::Check;
use crate::identity::virtual_key;

impl Check<'_> {
    pub(super) fn store(&mut self) {
        let store = &self.config.store;
        let schemes = ["postgres://", "postgresql://", "sqlite:"];
        let is_known = |url: &str| schemes.iter().any(|scheme| url.starts_with(scheme));
        if store
            .database_url
            .as_ref()
            .is_some_and(|url| !is_known(url.expose()))
        {
            let message = "is no database of the gateway's: write postgres://USER:PASSWORD@HOST/NAME or \
                           sqlite:FILE, or leave it out for a file in data_dir";
            self.problem("store.database_url", message);
        }
        let is_key = |key: &str| virtual_key::parse_hex(key.trim()).is_some();
        let keys = store.encryption_key.as_ref();
        if keys.is_some_and(|keys| !keys.expose().split(',').all(is_key)) {
            let message = "takes 32 bytes as 64 hexadecimal digits (`openssl rand -hex 32`), or several such \
                           keys with commas between, the current one first";
            self.problem("store.encryption_key", message);
        }
    }
}
