//! What comes before a key is known: how many requests an address may send, and how many may be under way. Counted by
//! estimators (`pingora-limits`), without a lock and in a memory that does not grow.
//!
//! An estimator may count too much for an address where it collides with others in every one of its rows. It is made
//! so wide that this is rare: with `addresses` of them, each sending as much as all others, one of a million would be
//! counted for more than its own. So these limits guard the house; what is promised to clients is counted exactly.

use std::{net::IpAddr, time::Duration};

use pingora_limits::{
    inflight::{Guard, Inflight},
    rate::Rate,
};

const HASHES: usize = 4;
/// Columns for each address that is expected: a row then collides for one address of so many, and all four rows for
/// one of the fourth power of that, which is some millions.
const COLUMNS: usize = 45;
/// The most columns: 4 rows of 4 million, of 8 bytes, twice.
const MAX_COLUMNS: usize = 1 << 22;

/// What an address may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgeLimits {
    /// Requests that an address may send in a second.
    pub requests_per_second: Option<u32>,
    /// Requests of an address that may be under way.
    pub parallel_per_address: Option<u32>,
    /// Requests that may be under way in all.
    pub parallel: Option<u32>,
    /// How many addresses are expected in a second.
    pub addresses: usize,
}

impl EdgeLimits {
    /// Whether there is anything to guard.
    pub fn bounds_anything(&self) -> bool {
        self.requests_per_second.is_some()
            || self.parallel_per_address.is_some()
            || self.parallel.is_some()
    }
}

/// Guards the edge.
pub struct Edge {
    limits: EdgeLimits,
    rate: Option<Rate>,
    inflight: Option<Inflight>,
}

/// A request that was let in; dropped when it is over.
#[derive(Debug)]
pub struct Entrance {
    _address: Option<Guard>,
    _all: Option<Guard>,
}

/// Why a request was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooMany {
    /// The address sends too many a second. Wait a second.
    Requests,
    /// Too many of the address are under way.
    AtOnce,
    /// Too many are under way in all.
    AtOnceInAll,
}

impl Edge {
    /// A guard with these limits.
    pub fn new(limits: EdgeLimits) -> Self {
        let columns = (limits.addresses.saturating_mul(COLUMNS)).clamp(1024, MAX_COLUMNS);
        let rate = || Rate::new_with_estimator_config(Duration::from_secs(1), HASHES, columns);
        let counts = limits.parallel_per_address.is_some() || limits.parallel.is_some();
        Edge {
            limits,
            rate: limits.requests_per_second.map(|_| rate()),
            inflight: counts.then(Inflight::new),
        }
    }

    /// Its limits.
    pub fn limits(&self) -> &EdgeLimits {
        &self.limits
    }

    /// Lets a request in, or says why not. The address's network stands for it where that is IPv6, of which anybody
    /// has 2⁶⁴.
    ///
    /// # Errors
    /// There are too many.
    pub fn enter(&self, address: IpAddr) -> Result<Entrance, TooMany> {
        let address = network(address);
        if let (Some(rate), Some(most)) = (&self.rate, self.limits.requests_per_second)
            && rate.observe(&address, 1) > limit(most)
        {
            return Err(TooMany::Requests);
        }
        let count = |most: Option<u32>, key: u128, error| {
            let (Some(inflight), Some(most)) = (&self.inflight, most) else {
                return Ok(None);
            };
            let (guard, count) = inflight.incr(key, 1);
            match count > limit(most) {
                true => Err(error),
                false => Ok(Some(guard)),
            }
        };
        // No address is mapped to nothing: IPv4 ones begin with ffff.
        let all = count(self.limits.parallel, 0, TooMany::AtOnceInAll)?;
        let one = count(
            self.limits.parallel_per_address,
            address | 1,
            TooMany::AtOnce,
        )?;
        Ok(Entrance {
            _address: one,
            _all: all,
        })
    }
}

fn limit(most: u32) -> isize {
    isize::try_from(most).unwrap_or(isize::MAX)
}

fn network(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 1 | 0xffff << 64,
        IpAddr::V6(address) => address.to_bits() >> 64 << 64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn limits() -> EdgeLimits {
        EdgeLimits {
            requests_per_second: None,
            parallel_per_address: None,
            parallel: None,
            addresses: 20_000,
        }
    }

    #[test]
    fn no_address_is_counted_for_others() {
        let edge = Edge::new(EdgeLimits {
            requests_per_second: Some(3),
            ..limits()
        });
        let mut refused = 0;
        for _ in 0..3 {
            for number in 0..20_000 {
                let address = Ipv4Addr::from_bits(0x0a00_0000 + number);
                refused += u32::from(edge.enter(address.into()).is_err());
            }
        }
        assert_eq!(refused, 0);
    }

    #[test]
    fn an_address_that_sends_too_much_is_stopped_and_others_are_not() {
        let edge = Edge::new(EdgeLimits {
            requests_per_second: Some(5),
            ..limits()
        });
        let bad: IpAddr = Ipv4Addr::new(10, 0, 0, 1).into();
        let results: Vec<_> = (0..100).map(|_| edge.enter(bad).is_ok()).collect();
        // A second may end meanwhile.
        assert!(results.iter().filter(|is_in| **is_in).count() <= 10);
        assert!(edge.enter(Ipv4Addr::new(10, 0, 0, 2).into()).is_ok());
        let [one, other] =
            ["2001:db8::1", "2001:db8::2"].map(|text| text.parse::<Ipv6Addr>().unwrap());
        assert_eq!(network(one.into()), network(other.into()));
    }

    #[test]
    fn what_is_under_way_is_counted_until_it_is_over() {
        let edge = Edge::new(EdgeLimits {
            parallel_per_address: Some(2),
            parallel: Some(3),
            ..limits()
        });
        let [one, other]: [IpAddr; 2] = [1, 2].map(|last| Ipv4Addr::new(10, 0, 0, last).into());
        let first = edge.enter(one).unwrap();
        let _second = edge.enter(one).unwrap();
        assert_eq!(edge.enter(one).unwrap_err(), TooMany::AtOnce);
        let _third = edge.enter(other).unwrap();
        assert_eq!(edge.enter(other).unwrap_err(), TooMany::AtOnceInAll);
        drop(first);
        assert!(edge.enter(one).is_ok());
    }
}
