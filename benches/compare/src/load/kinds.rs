//! What is compared.

use crate::settings::Setting;

/// What a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Upstream,
    Bare,
    Nginx,
    Gateway(Setting),
}

impl Kind {
    /// The proxies, bare Pingora first: the others are told as ratios to it.
    pub(crate) fn proxies() -> Vec<Kind> {
        let gateways = Setting::ALL.into_iter().map(Kind::Gateway);
        [Kind::Bare, Kind::Nginx]
            .into_iter()
            .chain(gateways)
            .collect()
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Upstream => "upstream alone",
            Kind::Bare => "bare Pingora",
            Kind::Nginx => "nginx",
            Kind::Gateway(setting) => setting.name(),
        }
    }

    /// Whether its requests leave work to be done later.
    pub(crate) fn records(self) -> bool {
        matches!(self, Kind::Gateway(setting) if setting.records())
    }

    /// Whether it is sent the same request again and again.
    pub(crate) fn repeats(self) -> bool {
        self == Kind::Gateway(Setting::Hits)
    }

    /// For file names.
    pub(crate) fn slug(self) -> String {
        let letters = self.name().chars().filter(char::is_ascii_alphanumeric);
        letters.collect()
    }
}
