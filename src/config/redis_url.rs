//! Where Redis is, as one text: `redis://user:password@host:6379/0`, with TLS as `rediss://`, a cluster as
//! `redis+cluster://one:6379,two:6379`.

use percent_encoding::percent_decode_str;

use crate::secret::Secret;

const PORT: u16 = 6379;

/// One Redis server, or some members of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisServers {
    /// Host and port; several only for a cluster.
    pub hosts: Vec<(String, u16)>,
    /// Whether they are a cluster.
    pub is_cluster: bool,
    /// Whether they speak TLS.
    pub has_tls: bool,
    /// Who the gateway is there.
    pub user: Option<String>,
    /// And its password.
    pub password: Option<Secret>,
    /// The number of the database.
    pub database: u32,
}

impl RedisServers {
    /// Reads what an operator wrote. Several hosts, separated by commas, are members of a cluster.
    ///
    /// # Errors
    /// What is wrong with it, in words that show none of it: there may be a password in it.
    pub fn parse(url: &str) -> Result<Self, String> {
        const FORMS: &str = "write redis://host:6379/0, rediss:// for TLS, or redis+cluster://host:6379 for a \
                             cluster";
        let (scheme, rest) = url.trim().split_once("://").ok_or(FORMS)?;
        let (has_tls, is_cluster) = match scheme.to_ascii_lowercase().as_str() {
            "redis" | "valkey" => (false, false),
            "rediss" | "valkeys" => (true, false),
            "redis+cluster" | "redis-cluster" => (false, true),
            "rediss+cluster" | "rediss-cluster" => (true, true),
            _ => return Err(format!("has an unknown scheme; {FORMS}")),
        };
        if rest.contains(['?', '#']) {
            return Err("has parameters behind `?` or `#`, which nothing reads".to_owned());
        }
        let (credentials, rest) = match rest.rsplit_once('@') {
            Some((credentials, rest)) => (Some(credentials), rest),
            None => (None, rest),
        };
        let (hosts, database) = rest.split_once('/').unwrap_or((rest, ""));
        let hosts = hosts
            .split(',')
            .map(|host| self::host(host.trim()))
            .collect::<Result<Vec<_>, _>>()?;
        let is_cluster = is_cluster || hosts.len() > 1;
        let database = match database.trim_end_matches('/') {
            "" => 0,
            number => number
                .parse()
                .map_err(|_| "has a database that is no number")?,
        };
        if is_cluster && database != 0 {
            return Err("is a cluster, which has no database but 0".to_owned());
        }
        let (user, password) = credentials.map_or((None, None), self::credentials);
        Ok(RedisServers {
            hosts,
            is_cluster,
            has_tls,
            user,
            password,
            database,
        })
    }
}

fn host(text: &str) -> Result<(String, u16), String> {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once(']').ok_or("has a `[` without its `]`")?;
            (address, rest.strip_prefix(':'))
        }
        None => match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        },
    };
    if name.is_empty() {
        return Err("names no host".to_owned());
    }
    let port = match port {
        None => PORT,
        Some(port) => port.parse().map_err(|_| "has a port that is no number")?,
    };
    Ok((name.to_owned(), port))
}

/// `user:password`, `:password` and, as Redis' own tools take it, a password alone.
fn credentials(text: &str) -> (Option<String>, Option<Secret>) {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (user, password) = text.split_once(':').unwrap_or(("", text));
    let user = (!user.is_empty()).then(|| decoded(user));
    let password = (!password.is_empty()).then(|| Secret::new(&decoded(password)));
    (user, password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_with_everything() {
        let servers = RedisServers::parse("rediss://ada:p%40ss%3A@redis.example:7000/3").unwrap();
        assert_eq!(servers.hosts, [("redis.example".to_owned(), 7000)]);
        assert_eq!(servers.user.as_deref(), Some("ada"));
        assert_eq!(servers.password.unwrap().expose(), "p@ss:");
        assert_eq!((servers.has_tls, servers.is_cluster), (true, false));
        assert_eq!(servers.database, 3);
    }

    #[test]
    fn what_is_left_out_has_its_usual_value() {
        let servers = RedisServers::parse("redis://:secret@[::1]").unwrap();
        assert_eq!(servers.hosts, [("::1".to_owned(), 6379)]);
        assert_eq!((servers.user, servers.database), (None, 0));
        assert_eq!(servers.password.unwrap().expose(), "secret");
    }

    #[test]
    fn several_hosts_are_a_cluster() {
        for url in ["redis+cluster://a:1,b:2", "redis://a:1, b:2/0"] {
            let servers = RedisServers::parse(url).unwrap();
            assert!(servers.is_cluster);
            assert_eq!(servers.hosts, [("a".to_owned(), 1), ("b".to_owned(), 2)]);
        }
    }

    #[test]
    fn a_wrong_url_is_refused_without_showing_its_password() {
        for url in [
            "localhost:6379",
            "http://canary@h",
            "redis://:canary@",
            "redis://:canary@h:port",
            "redis://:canary@h/db",
            "redis://:canary@h?protocol=resp3",
            "redis+cluster://:canary@h/1",
        ] {
            let problem = RedisServers::parse(url).unwrap_err();
            assert!(!problem.contains("canary"), "{problem}");
        }
    }
}
