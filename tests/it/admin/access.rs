//! Who may use the admin interface, and how far.

use serde_json::json;

use super::{Administrated, MASTER, call};
use crate::support::{Request, TestGateway, config::Yaml};

#[tokio::test]
async fn nobody_gets_in_without_a_key_and_few_guesses_are_answered() {
    let admin = Administrated::start(None).await;
    let address = admin.gateway.admin_address;
    let without = call(address, Request::get("/admin/keys")).await;
    assert_eq!(without.status, 401);
    assert_eq!(without.header("www-authenticate"), Some("Bearer"));
    for target in ["/admin", "/", "/admin/nothing", "/key/nothing"] {
        assert_eq!(
            call(address, Request::get(target)).await.status,
            401,
            "{target}"
        );
    }
    let (right, _) = admin.key(json!({})).await;
    for guess in 0..10 {
        let wrong = admin
            .ask(&format!("sk-guess-{guess}"), "GET", "/admin/keys", None)
            .await;
        assert_eq!(wrong.status, 401, "{wrong:?}");
    }
    let barred = admin.ask("sk-guess-11", "GET", "/admin/keys", None).await;
    assert_eq!(barred.status, 429, "{barred:?}");
    let wait: u64 = barred.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=7).contains(&wait), "{wait}");
    // Behind a load balancer all have one address: whoever has a key gets in, whatever others send.
    for (key, status) in [(MASTER, 200), (right.as_str(), 403)] {
        let let_in = admin.ask(key, "GET", "/admin/keys", None).await;
        assert_eq!(let_in.status, status, "{let_in:?}");
    }
    let barred = admin.ask("sk-guess-12", "GET", "/admin/keys", None).await;
    assert_eq!(
        barred.status, 429,
        "a right key gives no new guesses: {barred:?}"
    );
    assert_eq!(admin.chat(&right).await, 200, "requests to models go on");
    assert_eq!(call(address, Request::get("/health")).await.status, 200);
    let logs = admin.gateway.logs();
    assert!(
        logs.contains("admin_login_failed") && !logs.contains("sk-guess"),
        "{logs}"
    );
}

#[tokio::test]
async fn no_browser_gets_leave_to_read_answers() {
    let admin = Administrated::start(None).await;
    for method in ["OPTIONS", "GET", "POST"] {
        let request = Request::new(method, "/admin/keys")
            .bearer(MASTER)
            .header("origin", "https://evil.example")
            .header("access-control-request-method", "POST");
        let answer = call(admin.gateway.admin_address, request).await;
        let allowed = answer
            .headers
            .0
            .iter()
            .find(|(name, _)| name.starts_with("access-control"));
        assert_eq!(allowed, None, "{method}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{method}");
    }
    // What a form can send without asking is not taken.
    let mut form = Request::new("POST", "/admin/keys").bearer(MASTER);
    form = form.header("content-type", "text/plain");
    form.body = "{}".into();
    assert_eq!(call(admin.gateway.admin_address, form).await.status, 415);
}

#[tokio::test]
async fn without_a_master_key_this_machine_may_do_everything_and_no_web_page() {
    let gateway = TestGateway::with(&Yaml::new().provider("one", "http://127.0.0.1:9/v1")).await;
    gateway
        .wait_metric("gateway_store_up", &[], |up| up > 0.5)
        .await;
    let address = gateway.admin_address;
    let made = call(address, Request::post("/admin/keys", "{}")).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.json()["created_by"], "loopback");
    let by_name = Request::get("/admin/keys").header("host", "evil.example");
    assert_eq!(call(address, by_name).await.status, 403);
    let page = Request::post("/admin/keys", "{}").header("origin", "http://evil.example");
    assert_eq!(call(address, page).await.status, 403);
    let unknown = Request::get("/admin/keys").bearer("sk-wrong");
    assert_eq!(call(address, unknown).await.status, 401);
}

#[tokio::test]
async fn a_key_may_do_what_it_is_granted_and_no_more() {
    for admin in Administrated::each().await {
        let (reader, _) = admin.key(json!({"label": "reader", "admin": "read"})).await;
        let (writer, _) = admin
            .key(json!({"label": "writer", "admin": "write", "routes": ["management_routes"]}))
            .await;
        let (plain, _) = admin.key(json!({"label": "plain"})).await;
        assert_eq!(admin.chat(&reader).await, 200);
        assert_eq!(admin.chat(&writer).await, 403, "a key for management alone");
        for (key, reads, writes) in [(&reader, 200, 403), (&writer, 200, 201), (&plain, 403, 403)] {
            let read = admin.ask(key, "GET", "/admin/keys", None).await;
            assert_eq!(read.status, reads, "{read:?}");
            let write = admin.ask(key, "POST", "/admin/keys", Some(json!({}))).await;
            assert_eq!(write.status, writes, "{write:?}");
        }
        let named = admin.get("/admin/keys?limit=1").await;
        assert_eq!(named["data"][0]["created_by"], "writer");
        let own = admin.ask(&plain, "GET", "/admin/self", None).await.json();
        assert_eq!(
            (&own["admin"], &own["key"]["label"]),
            (&json!("none"), &json!("plain"))
        );
        for (target, status) in [
            ("/key/info", 200),
            ("/admin/usage", 200),
            ("/admin/requests", 200),
            ("/admin/teams", 403),
        ] {
            assert_eq!(
                admin.ask(&plain, "GET", target, None).await.status,
                status,
                "{target}"
            );
        }
        // A grant that is taken away is gone at once.
        admin
            .ok("PATCH", "/admin/keys/writer", Some(json!({"admin": null})))
            .await;
        assert_eq!(
            admin.ask(&writer, "GET", "/admin/keys", None).await.status,
            403
        );
        admin.ok("POST", "/admin/keys/reader/revoke", None).await;
        assert_eq!(
            admin.ask(&reader, "GET", "/admin/keys", None).await.status,
            401
        );
    }
}

#[tokio::test]
async fn a_users_role_is_its_keys_unless_a_team_is_in_between() {
    for admin in Administrated::each().await {
        admin.post("/admin/teams", json!({"id": "red"})).await;
        for (id, role) in [
            ("boss", "proxy_admin"),
            ("auditor", "proxy_admin_viewer"),
            ("rosa", "internal_user"),
        ] {
            admin
                .post("/admin/users", json!({"id": id, "role": role}))
                .await;
        }
        let key = async |said| admin.key(said).await.0;
        let boss = key(json!({"user_id": "boss"})).await;
        let auditor = key(json!({"user_id": "auditor"})).await;
        let rosa = key(json!({"user_id": "rosa"})).await;
        let of_team = key(json!({"user_id": "boss", "team_id": "red"})).await;
        let for_models = key(json!({"user_id": "boss", "routes": ["llm_api_routes"]})).await;
        for (key, reads, writes) in [
            (&boss, 200, 201),
            (&auditor, 200, 403),
            (&rosa, 403, 403),
            (&of_team, 403, 403),
            (&for_models, 403, 403),
        ] {
            let read = admin.ask(key, "GET", "/admin/users", None).await;
            assert_eq!(read.status, reads, "{read:?}");
            let write = admin
                .ask(key, "POST", "/admin/teams", Some(json!({})))
                .await;
            assert_eq!(write.status, writes, "{write:?}");
        }
        admin
            .ok(
                "PUT",
                "/admin/teams/red/members/boss",
                Some(json!({"role": "admin"})),
            )
            .await;
        let own = admin.ask(&of_team, "GET", "/admin/self", None).await.json();
        assert_eq!(
            (&own["admin"], &own["team_id"]),
            (&json!("team_write"), &json!("red"))
        );
        let demoted = json!({"role": "internal_user"});
        admin.ok("PATCH", "/admin/users/boss", Some(demoted)).await;
        assert_eq!(
            admin.ask(&boss, "GET", "/admin/users", None).await.status,
            403
        );
    }
}

#[tokio::test]
async fn bodies_are_bounded_and_wrong_methods_are_named() {
    let admin = Administrated::start(None).await;
    let address = admin.gateway.admin_address;
    let long = format!("{{\"label\": \"{}\"}}", "x".repeat(2 << 20));
    for framed in [
        Request::post("/admin/keys", long.clone()),
        Request::post("/admin/keys", long.clone()).chunked(4096),
    ] {
        assert_eq!(call(address, framed.bearer(MASTER)).await.status, 413);
    }
    for wrong in [
        "[]",
        "1",
        "null",
        "{",
        "\u{feff}{}",
        &format!("{}1{}", "[".repeat(5000), "]".repeat(5000)),
    ] {
        let answer = call(
            address,
            Request::post("/admin/keys", wrong.to_owned()).bearer(MASTER),
        )
        .await;
        assert_eq!(answer.status, 400, "{wrong}");
    }
    let wrong = admin.ask(MASTER, "PUT", "/admin/keys", None).await;
    assert_eq!(wrong.status, 405);
    assert!(wrong.header("allow").unwrap().contains("POST"));
    assert_eq!(
        admin
            .ask(MASTER, "GET", "/no/such/route", None)
            .await
            .status,
        404
    );
}
