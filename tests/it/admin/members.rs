//! Who is in a team: a key that is bound to one learns nothing of users, and puts nobody into its team in whose
//! name it could then make keys.

use serde_json::json;

use super::{Administrated, MASTER, teams::TwoTeams};

#[tokio::test]
async fn a_teams_key_puts_nobody_into_its_team_and_learns_of_nobody() {
    for admin in Administrated::each().await {
        let TwoTeams { admin, red, .. } = super::teams::two_teams(admin).await;
        let ask = async |target: &str, body| admin.ask(&red, "POST", target, Some(body)).await;
        let pairs = [
            ("user_id", "blue-user", "nobody-at-all"),
            ("user_email", "blue@canary.example", "nobody@canary.example"),
        ];
        for (field, known, unknown) in pairs {
            let mut answers = Vec::new();
            for name in [known, unknown] {
                let member = json!({"team_id": "red", "member": {field: name, "role": "user"}});
                let refused = ask("/team/member_add", member).await;
                assert_eq!(refused.status, 403, "{name}: {refused:?}");
                answers.push(refused.text());
            }
            assert_eq!(answers[0], answers[1], "by {field}");
        }
        for target in ["/team/member_update", "/team/member_delete"] {
            let mut answers = Vec::new();
            for email in [
                "red@canary.example",
                "blue@canary.example",
                "nobody@canary.example",
            ] {
                let placed = json!({"team_id": "red", "user_email": email});
                let refused = ask(target, placed).await;
                assert_eq!(refused.status, 403, "{email}: {refused:?}");
                answers.push(refused.text());
            }
            answers.dedup();
            assert_eq!(answers.len(), 1, "{target}: {answers:?}");
        }
        let mut answers = Vec::new();
        for user in ["blue-user", "nobody-at-all"] {
            let path = format!("/admin/teams/red/members/{user}");
            let refused = admin.ask(&red, "PUT", &path, Some(json!({}))).await;
            assert_eq!(refused.status, 403, "{user}: {refused:?}");
            answers.push(refused.text());
        }
        assert_eq!(answers[0], answers[1]);
        let in_its_name = ask("/key/generate", json!({"user_id": "blue-user"})).await;
        assert_eq!(in_its_name.status, 403);
        // Those who are in it already it gives other places, and takes out.
        for (target, body) in [
            (
                "/team/member_add",
                json!({"team_id": "red", "member": {"user_id": "red-user", "role": "admin"}}),
            ),
            (
                "/team/member_update",
                json!({"team_id": "red", "user_id": "red-user", "role": "user"}),
            ),
            (
                "/team/member_delete",
                json!({"team_id": "red", "user_id": "red-user"}),
            ),
        ] {
            let done = ask(target, body).await;
            assert_eq!(done.status, 200, "{target}: {done:?}");
        }
        let by_email = json!({"team_id": "red", "member": {"user_email": "blue@canary.example", "role": "user"}});
        let added = admin
            .ask(MASTER, "POST", "/team/member_add", Some(by_email))
            .await;
        assert_eq!(added.status, 200, "{added:?}");
    }
}
