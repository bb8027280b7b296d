//! Variables that Kubernetes puts into every pod for each service of the namespace. For a service
//! called `gateway` they begin with `GATEWAY_`, and one of them is `GATEWAY_PORT`.

/// Whether a variable by its name belongs to a service called `gateway`, such as
/// `GATEWAY_SERVICE_HOST` and `GATEWAY_PORT_4080_TCP_ADDR`.
pub(super) fn is_service_link(name: &str) -> bool {
    let digit = |rest: &str| rest.starts_with(|first: char| first.is_ascii_digit());
    name == "GATEWAY_SERVICE_HOST"
        || name.starts_with("GATEWAY_SERVICE_PORT")
        || name.strip_prefix("GATEWAY_PORT_").is_some_and(digit)
}

/// Whether the value of `GATEWAY_PORT` is such a service's address and not a port.
pub(super) fn is_service_address(value: &str) -> bool {
    ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| value.starts_with(scheme))
}
