//! Guesses at keys are few: each address has a budget of wrong ones, and from whoever has used it up no other
//! wrong one is answered until some of it has come back. A key that is right always passes: behind a load
//! balancer all have one address, and none of them shall keep the others out.

use std::{
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

use quick_cache::sync::Cache;

/// Wrong keys that an address may send at once.
const BURST: f64 = 10.0;
/// After how long one more is allowed.
const EACH: Duration = Duration::from_secs(6);
/// Addresses that are remembered; those that were heard of longest ago are forgotten.
const ADDRESSES: usize = 10_000;

/// The addresses that have sent wrong keys of late.
pub(in crate::admin) struct Logins {
    addresses: Cache<IpAddr, Budget>,
}

#[derive(Debug, Clone, Copy)]
struct Budget {
    left: f64,
    at: Instant,
}

impl Default for Logins {
    fn default() -> Self {
        Logins {
            addresses: Cache::new(ADDRESSES),
        }
    }
}

impl Logins {
    /// How long no guess of an address is answered; `None` where the next one is.
    pub(super) fn barred(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let budget = self.addresses.get(&network(address))?.at(now);
        let missing = 1.0 - budget.left;
        (missing > 0.0).then(|| EACH.mul_f64(missing))
    }

    /// An address has sent a wrong key.
    pub(super) fn failed(&self, address: IpAddr, now: Instant) {
        let network = network(address);
        let budget = self.addresses.get(&network);
        let budget = budget.map_or(
            Budget {
                left: BURST,
                at: now,
            },
            |budget| budget.at(now),
        );
        let left = (budget.left - 1.0).max(0.0);
        self.addresses.insert(network, Budget { left, at: now });
    }
}

impl Budget {
    fn at(self, now: Instant) -> Self {
        let since = now.saturating_duration_since(self.at);
        let left = self.left + since.as_secs_f64() / EACH.as_secs_f64();
        Budget {
            left: left.min(BURST),
            at: now,
        }
    }
}

/// Who has one address of IPv6 has the other 2⁶⁴ of its network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let bits = address.to_bits() & !u128::from(u64::MAX);
            Ipv6Addr::from_bits(bits).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_few_guesses_and_gets_them_back() {
        let (logins, start) = (Logins::default(), Instant::now());
        let address: IpAddr = "192.0.2.7".parse().unwrap();
        for _ in 0..10 {
            assert_eq!(logins.barred(address, start), None);
            logins.failed(address, start);
        }
        let wait = logins.barred(address, start).unwrap();
        assert_eq!(wait, EACH);
        assert_eq!(logins.barred(address, start + EACH), None);
        logins.failed(address, start + EACH);
        assert!(logins.barred(address, start + EACH).is_some());
        assert_eq!(logins.barred("192.0.2.8".parse().unwrap(), start), None);
    }

    #[test]
    fn a_network_of_ipv6_is_one_guesser() {
        let (logins, now) = (Logins::default(), Instant::now());
        for host in 0..10 {
            let address: IpAddr = format!("2001:db8::{host:x}").parse().unwrap();
            logins.failed(address, now);
        }
        assert!(
            logins
                .barred("2001:db8::ffff".parse().unwrap(), now)
                .is_some()
        );
        assert!(
            logins
                .barred("2001:db8:0:1::".parse().unwrap(), now)
                .is_none()
        );
        logins.failed("::ffff:192.0.2.7".parse().unwrap(), now);
        let plain: IpAddr = "192.0.2.7".parse().unwrap();
        assert!(logins.addresses.get(&plain).is_some());
    }

    #[test]
    fn no_more_addresses_are_remembered_than_there_is_room_for() {
        let (logins, now) = (Logins::default(), Instant::now());
        for number in 0..30_000_u32 {
            logins.failed(std::net::Ipv4Addr::from_bits(number).into(), now);
        }
        assert!(logins.addresses.len() <= ADDRESSES);
    }
}
