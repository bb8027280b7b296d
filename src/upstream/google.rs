//! Google's access tokens, kept fresh in the background: a request reads a cell and never waits.
//! `providers::auth::google` knows what is said; this says it, and again before a token ends.

use std::{
    collections::HashMap,
    fmt, fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::HeaderValue;
use parking_lot::{Mutex, RwLock};

use super::client::{Call, Client};
use crate::providers::auth::google::{Credentials, Token, read_token};

/// How long before a token ends the next one is asked for.
const AHEAD: Duration = Duration::from_secs(300);
/// How long one request for a token may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A token is a few hundred bytes; Google's are never close to this.
const MAX_BYTES: usize = 64 << 10;
/// How soon a request that failed is repeated, at first and at most.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);
/// How often it is looked whether a token is due.
const LOOK: Duration = Duration::from_millis(500);

/// Where credentials come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A file: a service account's key, or what `gcloud` has left (`authorized_user`).
    File(PathBuf),
    /// The machine or pod that this runs on, inside Google Cloud.
    Metadata,
}

/// One account's current token.
pub struct TokenSource {
    origin: Origin,
    project: Option<String>,
    quota_project: Option<HeaderValue>,
    token: ArcSwapOption<Token>,
    next: Mutex<Next>,
}

/// When the next token is to be asked for.
struct Next {
    at: Instant,
    failures: u32,
}

/// Every account that is or was in use, so that a reload does not forget tokens.
#[derive(Default)]
pub struct Tokens {
    sources: RwLock<HashMap<Origin, Arc<TokenSource>>>,
}

impl Tokens {
    /// The source of that origin; made on first use. A file is read at once, so that a mistake in
    /// it is found at the start, and again for each token, so that a new key needs no restart.
    ///
    /// # Errors
    /// A sentence for the operator where the file cannot be used.
    pub fn get(&self, origin: &Origin) -> Result<Arc<TokenSource>, String> {
        let credentials = origin.read()?;
        let fresh = || Arc::new(TokenSource::new(origin.clone(), &credentials));
        let mut sources = self.sources.write();
        let source = sources.entry(origin.clone()).or_insert_with(fresh);
        if source.project.as_deref() != credentials.project() {
            *source = fresh();
        }
        Ok(source.clone())
    }

    /// Forgets the sources that only this table still holds. Call it after a reload.
    pub fn forget_unused(&self) {
        let mut sources = self.sources.write();
        sources.retain(|_, source| Arc::strong_count(source) > 1);
    }

    /// Asks for every token that is due, side by side. Gives back how many failed.
    pub async fn refresh(&self, client: &Client) -> usize {
        let sources: Vec<_> = self.sources.read().values().cloned().collect();
        let due = sources.iter().filter(|source| source.is_due());
        let results = futures::future::join_all(due.map(|source| source.refresh(client))).await;
        results.into_iter().filter(|is_fresh| !is_fresh).count()
    }

    /// Acts as if every token had been given out, for a look at what would be done without calling anyone.
    pub fn assume_all(&self) {
        let token = Arc::new(Token {
            header: HeaderValue::from_static("Bearer none"),
            expires_at: SystemTime::now() + AHEAD,
        });
        for source in self.sources.read().values() {
            source.token.store(Some(token.clone()));
        }
    }

    /// Keeps all tokens fresh, for as long as it is polled.
    pub async fn keep_fresh(&self, client: &Client) {
        loop {
            self.refresh(client).await;
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl TokenSource {
    fn new(origin: Origin, credentials: &Credentials) -> Self {
        let quota_project = credentials.quota_project();
        TokenSource {
            origin,
            project: credentials.project().map(str::to_owned),
            quota_project: quota_project.and_then(|name| HeaderValue::from_str(name).ok()),
            token: ArcSwapOption::empty(),
            next: Mutex::new(Next {
                at: Instant::now(),
                failures: 0,
            }),
        }
    }

    /// The value of `Authorization`, marked as sensitive; `None` while there is no token that
    /// still holds.
    pub fn token(&self) -> Option<HeaderValue> {
        let token = self.token.load();
        let token = token.as_ref()?;
        (SystemTime::now() < token.expires_at).then(|| token.header.clone())
    }

    /// The project that the credentials name.
    pub fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// The value of `x-goog-user-project`, where the credentials are a person's.
    pub fn quota_project(&self) -> Option<&HeaderValue> {
        self.quota_project.as_ref()
    }

    fn is_due(&self) -> bool {
        Instant::now() >= self.next.lock().at
    }

    /// Asks for a new token. `false` where that failed; the old one stays in use then.
    async fn refresh(&self, client: &Client) -> bool {
        let result = self.ask(client).await;
        let mut next = self.next.lock();
        match result {
            Ok(token) => {
                let lifetime = token.expires_at.duration_since(SystemTime::now());
                next.at = Instant::now() + use_for(lifetime.unwrap_or_default());
                next.failures = 0;
                self.token.store(Some(Arc::new(token)));
                true
            }
            Err(error) => {
                let wait = retry_after(next.failures);
                next.at = Instant::now() + wait;
                next.failures = next.failures.saturating_add(1);
                drop(next);
                let left = self
                    .token()
                    .map_or("there is none", |_| "the last one holds");
                let origin = &self.origin;
                log::warn!(
                    "no new Google access token from {origin}: {error}; {left}, next try in {wait:?}"
                );
                false
            }
        }
    }

    async fn ask(&self, client: &Client) -> Result<Token, String> {
        // A file of two kilobytes, and a signature: a matter of a millisecond each hour.
        let request = self.origin.read()?.token_request(SystemTime::now())?;
        let call = Call {
            method: request.method,
            url: &request.url,
            headers: &request.headers,
            body: Bytes::from(request.body),
            timeout: TIMEOUT,
            max_bytes: MAX_BYTES,
        };
        let answer = client.call(call).await.map_err(|error| error.to_string())?;
        read_token(answer.status, &answer.body, SystemTime::now())
    }
}

impl Origin {
    fn read(&self) -> Result<Credentials, String> {
        match self {
            Origin::Metadata => Ok(Credentials::Metadata),
            Origin::File(path) => fs::read_to_string(path)
                .map_err(|error| error.to_string())
                .and_then(|text| Credentials::parse(&text))
                .map_err(|error| format!("the credentials file {}: {error}", path.display())),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File(path) => write!(formatter, "{}", path.display()),
            Origin::Metadata => formatter.write_str("the metadata server"),
        }
    }
}

/// How long a token is used before the next one is asked for: until five minutes before its end,
/// or half its life where that is short.
fn use_for(lifetime: Duration) -> Duration {
    (lifetime.saturating_sub(AHEAD))
        .max(lifetime / 2)
        .max(RETRY)
}

fn retry_after(failures: u32) -> Duration {
    let factor = 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
    RETRY.saturating_mul(factor).min(RETRY_MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use axum::{Router, http::StatusCode, routing::post};
    use serde_json::json;

    use super::*;

    const KEY: &str = include_str!("../../tests/fixtures/google_test_key.pem");

    /// A token endpoint that fails its first request, then gives out `token-2`, `token-3`, ….
    async fn endpoint() -> String {
        let count = Arc::new(AtomicUsize::new(0));
        let answer = move |body: String| {
            let turn = count.fetch_add(1, Ordering::SeqCst) + 1;
            async move {
                assert!(body.starts_with("grant_type=urn%3Aietf"), "{body}");
                match turn {
                    1 => (StatusCode::SERVICE_UNAVAILABLE, "{}".to_owned()),
                    _ => {
                        let token = format!("token-{turn}");
                        let answer = json!({"access_token": token, "expires_in": 3600});
                        (StatusCode::OK, answer.to_string())
                    }
                }
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        let app = Router::new().route("/token", post(answer));
        tokio::spawn(async move { axum::serve(listener, app).await });
        url
    }

    fn write(path: &std::path::Path, url: &str, project: &str) {
        let file = json!({
            "type": "service_account",
            "project_id": project,
            "private_key": KEY,
            "client_email": "a@b.iam.gserviceaccount.com",
            "token_uri": url,
        });
        std::fs::write(path, file.to_string()).unwrap();
    }

    #[tokio::test]
    async fn a_token_is_asked_for_until_there_is_one_and_again_before_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.json");
        write(&path, &endpoint().await, "project");
        let tokens = Tokens::default();
        let client = Client::default();
        let source = tokens.get(&Origin::File(path.clone())).unwrap();
        assert_eq!(source.project(), Some("project"));
        assert_eq!(source.token(), None);

        assert_eq!(tokens.refresh(&client).await, 1);
        assert_eq!(source.token(), None);
        // Not yet due again: nothing is asked.
        assert_eq!(tokens.refresh(&client).await, 0);
        assert_eq!(source.token(), None);

        source.next.lock().at = Instant::now();
        assert_eq!(tokens.refresh(&client).await, 0);
        assert_eq!(source.token().unwrap(), "Bearer token-2");
        assert!(source.token().unwrap().is_sensitive());
        let wait = source.next.lock().at - Instant::now();
        assert!((3290..=3300).contains(&wait.as_secs()), "{wait:?}");

        source.next.lock().at = Instant::now();
        assert_eq!(tokens.refresh(&client).await, 0);
        assert_eq!(source.token().unwrap(), "Bearer token-3");

        // The file goes away: what is known stays in use.
        std::fs::remove_file(&path).unwrap();
        source.next.lock().at = Instant::now();
        assert_eq!(tokens.refresh(&client).await, 1);
        assert_eq!(source.token().unwrap(), "Bearer token-3");
    }

    #[tokio::test]
    async fn a_reload_keeps_the_token_of_the_same_account() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.json");
        write(&path, "http://127.0.0.1:1/", "one");
        let tokens = Tokens::default();
        let origin = Origin::File(path.clone());
        let first = tokens.get(&origin).unwrap();
        assert!(Arc::ptr_eq(&first, &tokens.get(&origin).unwrap()));
        write(&path, "http://127.0.0.1:1/", "other");
        let other = tokens.get(&origin).unwrap();
        assert_eq!(other.project(), Some("other"));
        drop((first, other));
        tokens.forget_unused();
        assert!(tokens.sources.read().is_empty());
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Tokens::default()
            .get(&Origin::File("/no/such/key.json".into()))
            .err()
            .unwrap();
        assert!(error.contains("/no/such/key.json"), "{error}");
    }

    #[tokio::test]
    async fn a_token_that_has_ended_is_not_used() {
        let source = TokenSource::new(Origin::Metadata, &Credentials::Metadata);
        let token = |expires_at| Token {
            header: HeaderValue::from_static("Bearer x"),
            expires_at,
        };
        source.token.store(Some(Arc::new(token(SystemTime::now()))));
        assert_eq!(source.token(), None);
        let later = SystemTime::now() + Duration::from_secs(60);
        source.token.store(Some(Arc::new(token(later))));
        assert!(source.token().is_some());
    }

    #[test]
    fn waits_grow_and_stay_within_bounds() {
        let seconds = |seconds| Duration::from_secs(seconds);
        assert_eq!(use_for(seconds(3600)), seconds(3300));
        assert_eq!(use_for(seconds(310)), seconds(155));
        assert_eq!(use_for(seconds(0)), RETRY);
        assert_eq!(retry_after(0), seconds(1));
        assert_eq!(retry_after(3), seconds(8));
        assert_eq!(retry_after(90), RETRY_MAX);
    }
}
