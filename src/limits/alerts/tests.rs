use std::pin::Pin;

use parking_lot::Mutex;

use super::{webhook::Post, *};
use crate::{
    chat::usage::Usage,
    limits::{
        Now,
        subject::{Estimate, Kind, Rules, SpendRules, Subject},
        tests::limits,
    },
    secret::Secret,
};

/// A webhook that refuses so many times.
struct Listener {
    refusals: Mutex<u32>,
    heard: Mutex<Vec<Post>>,
}

impl Delivery for Listener {
    fn post(&self, post: Post) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>> {
        Box::pin(async move {
            let mut refusals = self.refusals.lock();
            if *refusals > 0 {
                *refusals -= 1;
                return Err("503".to_owned());
            }
            self.heard.lock().push(post);
            Ok(())
        })
    }
}

fn dollars(dollars: u128) -> Usd {
    Usd::from_pico(dollars * 1_000_000_000_000)
}

#[tokio::test]
async fn each_threshold_is_told_once_though_the_webhook_refuses_at_first() {
    let limits = limits(|_| {});
    let listener = Box::leak(Box::new(Listener {
        refusals: Mutex::new(1),
        heard: Mutex::default(),
    }));
    let webhook = Box::leak(Box::new(Webhook {
        url: "http://hook".to_owned(),
        secret: Some(Secret::new("s")),
    }));
    tokio::spawn(limits.send_alerts(webhook, listener));
    tokio::task::yield_now().await;
    let rules = Rules {
        spend: Some(SpendRules {
            max: Some(dollars(10)),
            soft: Some(dollars(7)),
            period: Some("30d".parse().unwrap()),
            since: Some(0),
        }),
        ..Rules::default()
    };
    let subject = [Subject::new(Kind::Team, "t", rules)];
    // 3, 6 (50 %), 9 (80 %, soft), 12 (100 %) dollars.
    for _ in 0..4 {
        let admission = limits
            .admit(&subject, &Estimate::default(), Now::read())
            .await;
        admission.unwrap().settle(&Usage::default(), dollars(3));
    }
    assert!(
        limits
            .admit(&subject, &Estimate::default(), Now::read())
            .await
            .is_err()
    );
    for _ in 0..1000 {
        if listener.heard.lock().len() == 4 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let heard = listener.heard.lock();
    let told: Vec<serde_json::Value> = heard
        .iter()
        .map(|post| serde_json::from_slice(&post.body).unwrap())
        .collect();
    let told: Vec<_> = told
        .iter()
        .map(|alert| {
            (
                alert["event"].as_str().unwrap(),
                alert["threshold_percent"].as_u64().unwrap(),
                alert["spent_usd"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("budget_threshold", 50, "6"),
            ("budget_threshold", 80, "9"),
            ("soft_budget", 100, "9"),
            ("budget_threshold", 100, "12"),
        ]
    );
}

#[test]
fn requests_are_signed_by_the_scheme_of_standard_webhooks() {
    let alert = Alert {
        event: "budget_threshold",
        subject: "key",
        id: "k".into(),
        threshold_percent: 50,
        spent_usd: "5".to_owned(),
        budget_usd: "10".to_owned(),
        period_started_at: None,
        period_ends_at: None,
    };
    let webhook = Webhook {
        url: "http://hook".to_owned(),
        secret: Some(Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")),
    };
    let post = webhook.request_at(&alert, 1_614_265_330);
    let header = |name: &str| {
        post.headers
            .iter()
            .find(|(other, _)| *other == name)
            .unwrap()
            .1
            .clone()
    };
    let signed = format!(
        "{}.1614265330.{}",
        header("webhook-id"),
        String::from_utf8_lossy(&post.body)
    );
    use base64::{Engine, engine::general_purpose::STANDARD};
    let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key);
    let signature = STANDARD
        .decode(header("webhook-signature").strip_prefix("v1,").unwrap())
        .unwrap();
    assert!(ring::hmac::verify(&key, signed.as_bytes(), &signature).is_ok());
}
