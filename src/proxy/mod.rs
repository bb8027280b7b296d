//! The client port: the only `impl ProxyHttp`, and the table of contents of a request. Each
//! phase is a few lines that call one module.
//!
//! ```text
//! connection             cap per address, deadline for the head      connection
//! early_request_filter   whose clock, whose child                    connection, delegate
//! request_filter         route · key · body · candidates             endpoints, auth, body, routing
//!                        was it answered before? is it being?        caching, follow
//!                        do its limits let it in?                    admission, subjects, refused
//!                        perhaps a copy of it goes elsewhere         shadow
//! request_cache_filter … an answer that was found                    replay
//! upstream_peer          the next candidate's address                attempt
//! upstream_request_filter, request_body_filter    its head and body  headers, attempt
//! upstream_response_filter                        judge its answer   attempt
//! response_filter, response_body_filter           pass it on         headers, answer
//!                        and keep it                                 recording
//!                        its row, before its last piece leaves       receipt
//! fail_to_connect, error_while_proxy              who next?          attempt
//! fail_to_proxy          nobody: an error, or the end of a stream    respond
//! logging                metrics, one line                           usage
//! ```

mod admission;
mod answer;
mod attempt;
mod body;
mod caching;
mod close;
pub mod connection;
mod context;
mod delegate;
mod endpoints;
mod failure;
mod follow;
mod gather;
mod guarded;
mod headers;
mod heartbeat;
mod hedge;
mod local;
mod manage;
mod next;
mod prepare;
mod receipt;
mod recording;
mod refused;
mod relay;
mod replay;
mod respond;
mod rewritten;
mod settle;
mod shadow;
mod subjects;
mod tally;
mod watchdog;
mod written;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use pingora::{
    Error, ErrorType, Result,
    http::{RequestHeader, ResponseHeader},
    modules::http::HttpModules,
    protocols::Digest,
    upstreams::peer::HttpPeer,
};
use pingora_cache::CacheKey;
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};

use crate::{auth, cache, error::GatewayError, gateway::Gateway, routing::wishes};
use answer::Answer;
use caching::{Caching, Entered};
use context::{Context, Role};
use endpoints::{Found, Kind};

/// The proxy on the client port.
pub struct Proxy {
    gateway: Arc<Gateway>,
}

impl Proxy {
    /// A proxy that serves by the gateway's snapshots.
    pub fn new(gateway: Arc<Gateway>) -> Self {
        Proxy { gateway }
    }

    /// Route, key, body, candidates. `true` where the answer has been given. What is rare is boxed,
    /// so that the future of an ordinary request stays small.
    async fn accept(
        &self,
        session: &mut Session,
        context: &mut Context,
    ) -> Result<bool, GatewayError> {
        let head = session.req_header();
        context.caller = endpoints::caller_dialect(head.uri.path(), &head.headers);
        let found = endpoints::find(&head.method, head.uri.path());
        let is_public =
            matches!(found, Found::Endpoint(endpoint) if local::is_public(endpoint.kind));
        if !is_public {
            let address = session.client_addr().and_then(|address| address.as_inet());
            context.entrance = admission::enter(context, address.map(|address| address.ip()))?;
        }
        let endpoint = match found {
            Found::Endpoint(endpoint) => endpoint,
            Found::WrongMethod(_) if session.is_upgrade_req() => {
                return Err(settle::not_a_websocket(head));
            }
            Found::WrongMethod(allow) => return Err(settle::wrong_method(head, allow)),
            Found::Unknown if manage::is_meant(context, head.uri.path()) => {
                let answered = Box::pin(manage::answer(session, context)).await;
                return answered.map(|()| true);
            }
            Found::Unknown => return Err(settle::unknown_route(head)),
        };
        context.endpoint = Some(endpoint);
        context.uri = head.uri.clone();
        context.is_http10 = head.version == http::Version::HTTP_10;
        if local::is_public(endpoint.kind) {
            return Box::pin(local::answer(session, context, endpoint.kind))
                .await
                .map(|()| true);
        }
        let snapshot = context.snapshot.clone();
        context.identity = snapshot
            .keys
            .authenticate(&head.headers, head.uri.query())?;
        context.own_tags = context.identity.tags();
        context.has_wishes = wishes::may_be_in(&head.headers);
        context.is_admitted = true;
        let lists = local::lists_models(endpoint.kind);
        auth::permit_route(&context.identity, head.uri.path(), lists)?;
        let hint = match context.has_wishes {
            true => settle::header_text(head, "x-gateway-provider"),
            false => None,
        };
        match endpoint.kind {
            Kind::Generate | Kind::CountTokens | Kind::Provider(_) => {}
            Kind::WebSocket(_) if !session.is_upgrade_req() || session.is_http2() => {
                return Err(settle::no_websocket());
            }
            Kind::WebSocket(_) => {
                let query = head.uri.query().unwrap_or_default();
                context.request.model = auth::query_value(query, "model");
                settle::plan(head, context, hint.as_deref())?;
                return settle::start(head, context).await.map(|()| false);
            }
            kind => {
                let answered = Box::pin(local::answer(session, context, kind)).await;
                return answered.map(|()| true);
            }
        }
        let body = body::read(session, &snapshot.config.listen).await?;
        context.body_read = Some(Instant::now());
        context.request = context.caller.inspect(&body.bytes)?;
        prepare::read_path(context);
        context.body = body.bytes;
        settle::plan(session.req_header(), context, hint.as_deref())?;
        match caching::begin(session.req_header(), context)? {
            Entered::Makes => {}
            Entered::Hit => {
                admission::admit(session.req_header(), context, admission::Answer::Found).await?;
                return Ok(false);
            }
            Entered::Follows(other) => {
                admission::admit(session.req_header(), context, admission::Answer::Found).await?;
                if Box::pin(follow::serve(session, context, other)).await? {
                    return Ok(true);
                }
            }
        }
        if context.wish.is_some() {
            caching::fetch(context).await?;
        }
        if matches!(context.caching, Caching::Hit(_)) {
            admission::admit(session.req_header(), context, admission::Answer::Found).await?;
            return Ok(false);
        }
        settle::start(session.req_header(), context).await?;
        if endpoint.kind == Kind::CountTokens && !prepare::is_counted(context) {
            let answered = Box::pin(local::estimate(session, context)).await;
            return answered.map(|()| true);
        }
        let relay = relay::Relay::wanted(context);
        if body.is_buffered && !session.is_http2() && relay.is_none() {
            return Ok(false);
        }
        Box::pin(delegate::run(session, context, relay.unwrap_or_default()))
            .await
            .map(|()| true)
    }
}

#[async_trait]
impl ProxyHttp for Proxy {
    /// Boxed, for Pingora moves it from future to future.
    type CTX = Box<Context>;

    fn new_ctx(&self) -> Box<Context> {
        Box::new(Context::new(&self.gateway))
    }

    /// The gateway compresses nothing: providers' answers pass as they are.
    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    async fn early_request_filter(
        &self,
        session: &mut Session,
        context: &mut Box<Context>,
    ) -> Result<()> {
        // Providers' `100 Continue` and the withheld heads of errors are not for clients.
        session.set_ignore_info_resp(true);
        let patience = context
            .snapshot
            .config
            .listen
            .write_timeout_seconds
            .duration();
        session.set_write_timeout(Some(patience));
        if let Some(inherited) = delegate::inherited(session) {
            **context = inherited;
            return Ok(());
        }
        context.watchdog = connection::watchdog_of(session.digest());
        context.stop_waiting();
        context.stop_beating();
        if session.is_http2() {
            context.watchdog = None;
        }
        Ok(())
    }

    fn allow_spawning_subrequest(&self, _: &Session, context: &Box<Context>) -> bool {
        context.role == Role::Direct
    }

    async fn request_filter(
        &self,
        session: &mut Session,
        context: &mut Box<Context>,
    ) -> Result<bool> {
        if context.role == Role::Child {
            return delegate::read_stand_in(session).await.map(|()| false);
        }
        match self.accept(session, context).await {
            Ok(is_answered) => Ok(is_answered),
            Err(_) if context.role == Role::Parent && session.response_written().is_some() => {
                Err(delegate::dropped())
            }
            Err(GatewayError::ClientGone) => {
                context.error = Some(GatewayError::ClientGone);
                Err(delegate::dropped())
            }
            Err(error) => {
                let answered = Box::pin(respond::error(session, context, error)).await;
                answered.map(|()| true)
            }
        }
    }

    /// Pingora's cache gives the answers that were found; those that were not are none of its business.
    fn request_cache_filter(
        &self,
        session: &mut Session,
        context: &mut Box<Context>,
    ) -> Result<()> {
        if matches!(context.caching, Caching::Hit(_)) {
            let storage = context.gateway().cache;
            // Answers to POST have no ranges.
            session.ignore_downstream_range = true;
            session.cache.enable(storage, None, None, None, None);
        }
        Ok(())
    }

    fn cache_key_callback(&self, _: &Session, context: &mut Box<Context>) -> Result<CacheKey> {
        match &context.caching {
            Caching::Hit(entry) => Ok(cache::storage::found(entry)),
            _ => Error::e_explain(ErrorType::InternalError, "nothing was found"),
        }
    }

    async fn upstream_peer(
        &self,
        session: &mut Session,
        context: &mut Box<Context>,
    ) -> Result<Box<HttpPeer>> {
        loop {
            if context.backoff.is_some() {
                Box::pin(next::wait(session, context)).await?;
            }
            if matches!(context.place, admission::Place::Waits) {
                Box::pin(admission::wait_for_provider(context)).await;
            }
            if let Some(peer) = attempt::begin(context)? {
                return Ok(peer);
            }
        }
    }

    async fn connected_to_upstream(
        &self,
        _: &mut Session,
        _is_reused: bool,
        peer: &HttpPeer,
        socket: std::os::unix::io::RawFd,
        _: Option<&Digest>,
        context: &mut Box<Context>,
    ) -> Result<()> {
        attempt::connected(context, peer, socket);
        Ok(())
    }

    async fn upstream_request_filter(
        &self,
        _: &mut Session,
        head: &mut RequestHeader,
        context: &mut Box<Context>,
    ) -> Result<()> {
        headers::write_request(head, context)
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        is_end: bool,
        context: &mut Box<Context>,
    ) -> Result<()> {
        // Pingora offers what its retry buffer holds; the provider gets what was written for it.
        if is_end
            && !session.was_upgraded()
            && !context.is_websocket()
            && let Some(written) = attempt::body(context)
        {
            *body = Some(written);
        }
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        _: &mut Session,
        head: &mut ResponseHeader,
        context: &mut Box<Context>,
    ) -> Result<()> {
        attempt::judge_head(context, head)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        head: &mut ResponseHeader,
        context: &mut Box<Context>,
    ) -> Result<()> {
        if let Caching::Hit(entry) = &context.caching {
            *head = replay::head(context, entry);
            context.first_byte = Some(Instant::now());
            // All of it is known, and Pingora's last piece may be an empty one.
            receipt::write(session, context, head.status.as_u16());
            return Ok(());
        }
        match context.answer {
            Answer::Undecided => Ok(()),
            // An informational head is not sent on: nothing has been said to the client yet.
            Answer::Withheld(_) => head.set_status(102),
            Answer::Gathered(_) => {
                let mut kept = head.clone();
                headers::write_response(&mut kept, context);
                context.answer.keep_head(&kept);
                head.set_status(102)
            }
            _ => {
                context.first_byte = Some(Instant::now());
                headers::write_response(head, context);
                context.bytes_left = headers::length(head);
                receipt::write_bodyless(session, context, head);
                recording::begin(context, head);
                context.beat(head);
                if session.req_header().version == http::Version::HTTP_10 {
                    // It knows no chunks; the answer ends with the connection.
                    head.remove_header(&http::header::TRANSFER_ENCODING);
                }
                context.answer.keep_head(head);
                Ok(())
            }
        }
    }

    fn response_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        is_end: bool,
        context: &mut Box<Context>,
    ) -> Result<Option<Duration>> {
        if matches!(context.caching, Caching::Hit(_)) {
            context.bytes_out += body.as_ref().map_or(0, Bytes::len);
            return Ok(None);
        }
        let is_end = is_end || context.is_whole_with(body.as_ref());
        if std::mem::replace(&mut context.has_ended, is_end) && is_end {
            return Ok(None);
        }
        if let Some(candidate) = context.plan.current() {
            let idle = candidate.provider.timeouts.idle;
            context.answer.note_sent(session.body_bytes_sent());
            let passed = context.answer.pass(body, is_end, context.spoken());
            relay::note_content(context);
            tally::note(context, body.as_ref());
            match passed {
                Ok(Some(usage)) => context.usage = Some(usage.merged(context.usage)),
                Ok(None) => {}
                Err(error) => {
                    // Pingora writes head and first pieces together: none of them may have gone out.
                    let is_answering = session.response_written().is_some();
                    return Err(attempt::judge_answer_error(context, error, is_answering));
                }
            }
            if !matches!(context.answer, Answer::Raw) {
                context.wait_until(Instant::now() + idle);
            }
            recording::pass(context, body, is_end);
        }
        context.bytes_out += body.as_ref().map_or(0, Bytes::len);
        if is_end || context.answer.is_inside_event() {
            context.stop_beating();
        }
        if is_end && let Some(said) = context.answer.withheld() {
            return Err(attempt::judge_error_body(context, &said));
        }
        if is_end {
            receipt::write_end(session, context);
        } else if let Some(piece) = body {
            receipt::write_closing(session, context, piece);
        }
        Ok(None)
    }

    /// Trailers end an answer whose last piece did not.
    async fn response_trailer_filter(
        &self,
        session: &mut Session,
        _: &mut HeaderMap,
        context: &mut Box<Context>,
    ) -> Result<Option<Bytes>> {
        receipt::write_end(session, context);
        Ok(None)
    }

    fn fail_to_connect(
        &self,
        _: &mut Session,
        _: &HttpPeer,
        context: &mut Box<Context>,
        error: Box<Error>,
    ) -> Box<Error> {
        attempt::judge_connect_failure(context, error)
    }

    fn error_while_proxy(
        &self,
        _: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        context: &mut Box<Context>,
        is_reused: bool,
    ) -> Box<Error> {
        let is_answering = session.response_written().is_some();
        attempt::judge_failure(context, error, is_reused, is_answering)
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        _: &Error,
        context: &mut Box<Context>,
    ) -> FailToProxy {
        let error_code = settle::give_up(session, context).await;
        FailToProxy {
            error_code,
            can_reuse_downstream: false,
        }
    }

    async fn logging(
        &self,
        session: &mut Session,
        error: Option<&Error>,
        context: &mut Box<Context>,
    ) {
        settle::finish(session, context, error).await;
    }

    /// For Pingora's own messages: never the path, whose query may hold a key.
    fn request_summary(&self, _: &Session, context: &Box<Context>) -> String {
        context.id.as_str().to_owned()
    }

    /// Attempts that failed are in the request's own line.
    fn suppress_error_log(&self, _: &Session, _: &Box<Context>, _: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _: &Session,
        _: &Box<Context>,
        _: &Error,
        _: ProxyWarnLogContext,
    ) -> bool {
        true
    }
}
