//! Checks of the `listen` section.

use super::Check;

impl Check<'_> {
    pub(super) fn listen(&mut self) {
        let listen = &self.config.listen;
        if listen.port == listen.admin_port && listen.port != 0 {
            let message = format!(
                "port {} is the client port too; choose another",
                listen.port
            );
            self.problem("listen.admin_port", message);
        }
        if listen.threads == Some(0) {
            self.problem(
                "listen.threads",
                "at least 1; leave it out for the number of cores",
            );
        }
        if listen.max_body_bytes.0 == 0 {
            self.problem(
                "listen.max_body_bytes",
                "every request would be refused; set a size",
            );
        }
        self.not_zero("listen.head_timeout_seconds", listen.head_timeout_seconds);
        self.not_zero(
            "listen.body_idle_timeout_seconds",
            listen.body_idle_timeout_seconds,
        );
        self.not_zero("listen.body_timeout_seconds", listen.body_timeout_seconds);
        self.not_zero("listen.write_timeout_seconds", listen.write_timeout_seconds);
        if let Some(tls) = &listen.tls {
            self.readable("listen.tls.certificate", &tls.certificate);
            self.readable("listen.tls.key", &tls.key);
        }
        self.open_bind();
    }

    /// A gateway that others can reach and that asks nobody for a key spends its owner's money.
    fn open_bind(&mut self) {
        let (listen, auth) = (&self.config.listen, &self.config.auth);
        let closed = !auth.keys.is_empty() || auth.master_key.is_some() || auth.dev;
        if !listen.address.is_loopback() && !closed {
            let message = format!(
                "{} can be reached from other machines, and nobody would need a key; set \
                 GATEWAY_API_KEY, list keys under auth.keys, or bind to 127.0.0.1",
                listen.address
            );
            self.problem("listen.address", message);
        }
    }
}
