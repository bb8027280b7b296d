//! A request to the webhook: JSON, signed by the scheme of Standard Webhooks (`webhook-id`, `webhook-timestamp`,
//! `webhook-signature`: HMAC-SHA256 over the three, in base64), so that its libraries can check it.

use std::{pin::Pin, time::SystemTime};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use ring::hmac;

use super::Alert;
use crate::secret::Secret;

/// Where alerts go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// `https://…`.
    pub url: String,
    /// By which it knows that they are ours.
    pub secret: Option<Secret>,
}

/// One request to the webhook.
#[derive(Debug, Clone)]
pub struct Post {
    /// Where to.
    pub url: String,
    /// Its headers.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: Bytes,
}

/// Carries requests to the webhook.
pub trait Delivery: Send + Sync {
    /// Sends one; an answer that is no 2xx is an error.
    fn post(&self, post: Post) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>>;
}

impl Webhook {
    /// What the webhook is sent. The same alert has the same id, so that one that comes twice can be told.
    pub fn request(&self, alert: &Alert) -> Post {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let seconds = now.map_or(0, |now| now.as_secs());
        self.request_at(alert, seconds)
    }

    pub(super) fn request_at(&self, alert: &Alert, seconds: u64) -> Post {
        let body = serde_json::to_vec(alert).unwrap_or_default();
        let since = alert.period_started_at.unwrap_or(0);
        let about = format!(
            "{}\n{}\n{}\n{}\n{since}",
            alert.event, alert.subject, alert.id, alert.threshold_percent
        );
        let digest = ring::digest::digest(&ring::digest::SHA256, about.as_bytes());
        let id: String = digest
            .as_ref()
            .iter()
            .take(12)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let id = format!("msg_{id}");
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("webhook-id", id.clone()),
            ("webhook-timestamp", seconds.to_string()),
        ];
        if let Some(secret) = &self.secret {
            let signed = [format!("{id}.{seconds}.").as_bytes(), &body].concat();
            let signature = hmac::sign(&key(secret), &signed);
            headers.push((
                "webhook-signature",
                format!("v1,{}", STANDARD.encode(signature)),
            ));
        }
        Post {
            url: self.url.clone(),
            headers,
            body: body.into(),
        }
    }
}

/// `whsec_` and base64, as the scheme has it, or any text.
fn key(secret: &Secret) -> hmac::Key {
    let text = secret.expose();
    let decoded = text
        .strip_prefix("whsec_")
        .and_then(|text| STANDARD.decode(text).ok());
    let bytes = decoded.unwrap_or_else(|| text.as_bytes().to_vec());
    hmac::Key::new(hmac::HMAC_SHA256, &bytes)
}
