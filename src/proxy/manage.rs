//! LiteLLM's management routes on the clients' port, where `listen.management_routes` is set: the admin
//! interface answers them. They are no use of a model, and leave no row.

use http::{HeaderMap, Request};
use pingora_proxy::Session;

use super::{body, context::Context, endpoints::MANAGEMENT, respond};
use crate::{config::ByteSize, error::GatewayError, gateway::management::MAX_BODY_BYTES};

/// Whether a path that is no route of this port is one of the admin interface's, and may be.
pub(super) fn is_meant(context: &Context, path: &str) -> bool {
    let is_wanted = context.snapshot.config.listen.management_routes;
    let management = context.gateway().management.get();
    is_wanted && management.is_some_and(|management| management.knows(path))
}

/// Has the admin interface answer.
///
/// # Errors
/// Those of reading the body, and `ClientGone` where the answer could not be sent.
pub(super) async fn answer(
    session: &mut Session,
    context: &mut Context,
) -> Result<(), GatewayError> {
    context.endpoint = Some(&MANAGEMENT);
    let mut listen = context.snapshot.config.listen.clone();
    listen.max_body_bytes = ByteSize(listen.max_body_bytes.0.min(MAX_BODY_BYTES));
    let body = body::read(session, &listen).await?;
    let head = session.req_header();
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::builder()
        .method(head.method.clone())
        .uri(path)
        .body(body.bytes)
        .map_err(|_| GatewayError::invalid("The path is no path.".to_owned(), None))?;
    *request.headers_mut() = HeaderMap::clone(&head.headers);
    let peer = session
        .client_addr()
        .and_then(|address| Some(address.as_inet()?.ip()));
    let Some(management) = context.gateway().management.get().cloned() else {
        return Err(GatewayError::Starting);
    };
    let answer = management.answer(request, peer).await;
    let sent = respond::whole(session, context, answer).await;
    sent.map_err(|_| GatewayError::ClientGone)
}
