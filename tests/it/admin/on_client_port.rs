//! LiteLLM's routes on the clients' port, where the setting wants them there.

use serde_json::json;

use super::{Administrated, MASTER};
use crate::support::{Answer, Request};

async fn ask(admin: &Administrated, request: Request) -> Answer {
    admin.gateway.call(request).await
}

#[tokio::test]
async fn the_clients_port_knows_litellms_routes_where_it_is_told_to() {
    let admin = Administrated::with(None, |yaml| {
        yaml.replace("listen: {", "listen: {management_routes: true, ")
    })
    .await;
    let generate =
        |key: &str| Request::post("/key/generate", r#"{"key_alias": "one"}"#).bearer(key);
    let made = ask(&admin, generate(MASTER)).await;
    assert_eq!(made.status, 200, "{made:?}");
    assert!(made.header("x-request-id").is_some());
    let key = made.json()["key"].as_str().unwrap().to_owned();
    assert_eq!(admin.chat(&key).await, 200, "in force at once");
    let over_h2 = admin
        .gateway
        .http2()
        .await
        .call(&generate(MASTER))
        .await
        .unwrap();
    assert_eq!(over_h2.status, 200, "{over_h2:?}");
    let chunked = ask(&admin, generate(MASTER).chunked(3)).await;
    assert_eq!(chunked.status, 200, "{chunked:?}");
    let token = made.json()["token"].as_str().unwrap().to_owned();
    for target in [
        "/v1/model/info".to_owned(),
        format!("/key/info?key={token}"),
        "/spend/logs".to_owned(),
        "/global/spend".to_owned(),
    ] {
        let answer = ask(&admin, Request::get(&target).bearer(MASTER)).await;
        assert_eq!(answer.status, 200, "{target}: {answer:?}");
    }
    let regenerate = Request::post(&format!("/key/{token}/regenerate"), "{}").bearer(MASTER);
    assert_eq!(ask(&admin, regenerate).await.status, 200);
    assert_eq!(
        ask(&admin, generate("")).await.status,
        401,
        "from this machine too"
    );
    let own = ask(&admin, Request::get("/key/info").bearer(&key)).await;
    assert_eq!(own.status, 401, "it was regenerated");
    let long = Request::post("/key/generate", "x".repeat(2 << 20)).bearer(MASTER);
    assert_eq!(ask(&admin, long).await.status, 413);
    let wrong = ask(&admin, Request::get("/key/generate").bearer(MASTER)).await;
    assert_eq!(wrong.status, 405);
    // Ours are on the admin port alone.
    for ours in ["/admin/keys", "/admin/openapi.json", "/metrics"] {
        assert_eq!(
            ask(&admin, Request::get(ours).bearer(MASTER)).await.status,
            404,
            "{ours}"
        );
    }
    // Its own routes stay what they are.
    let models = ask(&admin, Request::get("/v1/models").bearer(MASTER)).await;
    assert_eq!(models.json()["object"], "list");
    assert_eq!(
        ask(&admin, Request::get("/health")).await.json(),
        json!({"status": "ok"})
    );
    for guess in 0..9 {
        let wrong = ask(&admin, generate(&format!("sk-guess-{guess}"))).await;
        assert_eq!(wrong.status, 401, "{wrong:?}");
    }
    let barred = admin.ask("sk-guess", "GET", "/admin/keys", None).await;
    assert_eq!(barred.status, 429, "both ports count wrong keys together");
    assert_eq!(
        ask(&admin, generate(MASTER)).await.status,
        200,
        "a right one passes"
    );
    let logs = admin.gateway.logs();
    assert!(!logs.contains(&key) && !logs.contains(MASTER), "{logs}");
}

#[tokio::test]
async fn otherwise_it_does_not() {
    let admin = Administrated::start(None).await;
    let asked = Request::post("/key/generate", "{}").bearer(MASTER);
    let answer = admin.gateway.call(asked).await;
    assert_eq!(answer.status, 404, "{answer:?}");
    answer.openai_error();
}

#[tokio::test]
async fn administration_leaves_no_row_in_the_log_of_requests() {
    let admin = Administrated::with(None, |yaml| {
        yaml.replace("listen: {", "listen: {management_routes: true, ")
    })
    .await;
    let made = admin
        .gateway
        .call(Request::post("/key/generate", "{}").bearer(MASTER))
        .await;
    assert_eq!(admin.chat(made.json()["key"].as_str().unwrap()).await, 200);
    admin
        .gateway
        .wait_metric("gateway_usage_rows_settled_total", &[], |settled| {
            settled >= 1.0
        })
        .await;
    let rows = admin.get("/admin/requests").await;
    let paths: Vec<&str> = rows["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["path"].as_str().unwrap())
        .collect();
    assert_eq!(paths, ["/v1/chat/completions"]);
}
