//! What the gateway's parts log, where they work for a command: warnings, to standard error.

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::cli::failure::warn;

struct Console;

/// Prints from now on what the gateway's own parts warn of.
pub(super) fn listen() {
    if log::set_logger(&Console).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}

impl Log for Console {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn && metadata.target().starts_with("ai_gateway")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            warn(&record.args().to_string());
        }
    }

    fn flush(&self) {}
}
