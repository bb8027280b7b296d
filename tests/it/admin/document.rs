//! The OpenAPI document.

use serde_json::Value;

use super::{Administrated, MASTER, call};
use crate::support::Request;

#[tokio::test]
async fn the_document_is_served_and_printed_alike() {
    let admin = Administrated::start(None).await;
    let served = call(
        admin.gateway.admin_address,
        Request::get("/admin/openapi.json"),
    )
    .await;
    assert_eq!(served.status, 200);
    let printed = admin.gateway.run(&["admin", "openapi"]).await;
    assert!(printed.status.success(), "{}", printed.output);
    let printed: Value = serde_json::from_str(&printed.output).unwrap();
    assert_eq!(served.json(), printed);
    assert_eq!(printed["openapi"], "3.1.0");
}

#[tokio::test]
async fn every_route_of_the_document_is_there_and_asks_for_a_key() {
    let admin = Administrated::start(None).await;
    let document = admin.document.clone();
    let mut count = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let method = method.to_ascii_uppercase();
            let target = path.replace(['{', '}'], "");
            let request = Request::new(&method, &target);
            let answer = call(admin.gateway.admin_address, request).await;
            let is_public = operation["security"].is_array();
            let expected = if is_public { 200 } else { 401 };
            assert_eq!(answer.status, expected, "{method} {path}: {answer:?}");
            let answer = admin.ask(MASTER, &method, &target, None).await;
            assert!(answer.status < 500, "{method} {path}: {answer:?}");
            assert_ne!(answer.status, 405, "{method} {path}");
            count += 1;
        }
    }
    assert!(count > 100, "{count}");
}
