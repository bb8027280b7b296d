//! A client for Redis: one server or a cluster.
