//! Why a key may not be used. For the operator's log; clients hear the same words for every reason.

use std::sync::Arc;

/// Why a key may not be used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyFault {
    /// The reason.
    pub fault: Fault,
    /// What logs call the key, where it is known.
    pub key: Option<Arc<str>>,
}

/// The reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nobody knows it.
    #[default]
    Unknown,
    /// It looks like one of ours, and its checksum does not hold.
    Mistyped,
    /// It was one of ours once: its checksum holds, and its record was deleted. Or it is another
    /// gateway's.
    Gone,
    /// It is blocked.
    Blocked,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
    /// It was rotated, and its grace is over.
    Rotated,
    /// Its team, project or user is blocked.
    GroupBlocked,
}

impl Fault {
    /// The word for logs.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Unknown => "unknown",
            Fault::Mistyped => "mistyped",
            Fault::Gone => "not_issued_here_or_deleted",
            Fault::Blocked => "blocked",
            Fault::Expired => "expired",
            Fault::Revoked => "revoked",
            Fault::Rotated => "rotated",
            Fault::GroupBlocked => "team_project_or_user_blocked",
        }
    }
}
