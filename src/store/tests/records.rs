use super::databases::{Database, databases};
use crate::{
    identity::Terms,
    store::{
        Changes, List, Record, StoreError,
        budgets::Budget,
        models::Model,
        now,
        projects::Project,
        providers::StoredProvider,
        sql,
        teams::{Member, Team},
        users::User,
    },
};

/// What people type into fields, and others read as SQL, as HTML or as a command.
const STRANGE: [&str; 9] = [
    "'; DROP TABLE keys; --",
    "\" OR \"1\"=\"1",
    "Robert'); DELETE FROM users; --",
    "$1",
    "%_\\",
    "<script>alert(1)</script>",
    "${jndi:ldap://x}",
    "{{7*7}}",
    "Zoë 👩‍💻 \u{202e}",
];

async fn lives<R: Record + Clone + PartialEq + std::fmt::Debug>(
    database: &Database,
    make: impl Fn(&str) -> R,
    change: impl Fn(&mut R) + Send + Sync,
) {
    let store = &database.store;
    let before = store.revision().await.unwrap();
    for id in STRANGE {
        let made = store.create(make(id), Some(id)).await.unwrap();
        assert_eq!(store.get::<R>(made.id()).await.unwrap(), made);
        let twice = store.create(make(id), None).await;
        assert!(matches!(twice, Err(StoreError::Exists { .. })));
        let changed = store.update::<R>(made.id(), Some("other"), |record| {
            change(record);
            Ok(())
        });
        let mut changed = changed.await.unwrap();
        assert_eq!(store.get::<R>(made.id()).await.unwrap(), changed);
        assert_eq!(changed.stamps().created_by.as_deref(), Some(id));
        assert_eq!(changed.stamps().updated_by.as_deref(), Some("other"));
    }
    let all = store.list::<R>(&List::default()).await.unwrap();
    assert_eq!(all.len(), STRANGE.len());
    for record in all {
        store.delete::<R>(record.id()).await.unwrap();
        let gone = store.get::<R>(record.id()).await;
        assert!(matches!(gone, Err(StoreError::NotFound { .. })));
    }
    let Changes::These(changes) = store.changes(before).await.unwrap() else {
        panic!("forgotten")
    };
    assert_eq!(changes.len(), 3 * STRANGE.len());
    assert!(changes.iter().all(|change| change.kind == Some(R::KIND)));
    let refused = store.create(make("a\nb"), None).await;
    assert!(matches!(refused, Err(StoreError::Invalid { .. })));
    let refused = store.create(make(&"x".repeat(300)), None).await;
    assert!(matches!(refused, Err(StoreError::Invalid { .. })));
}

#[tokio::test]
async fn every_kind_of_record_lives_whatever_is_in_its_fields() {
    for database in databases().await {
        let text = |id: &str| Some(id.to_owned());
        let terms = |id: &str| Terms {
            models: vec![id.to_owned()],
            tags: vec![id.to_owned()],
            metadata: [(id.to_owned(), id.into())].into_iter().collect(),
            ..Terms::default()
        };
        let user = |id: &str| User {
            alias: text(id),
            email: text(id),
            terms: terms(id),
            ..User::new(id)
        };
        lives(&database, user, |user: &mut User| user.blocked = true).await;
        let team = |id: &str| Team {
            alias: text(id),
            organization_id: text(id),
            terms: terms(id),
            ..Team::new(id)
        };
        lives(&database, team, |team: &mut Team| team.alias = None).await;
        let project = |id: &str| Project {
            alias: text(id),
            team_id: text(id),
            terms: terms(id),
            ..Project::new(id)
        };
        lives(&database, project, |project: &mut Project| {
            project.blocked = true
        })
        .await;
        let budget = |id: &str| Budget {
            terms: terms(id),
            ..Budget::new(id)
        };
        let raise = |budget: &mut Budget| budget.terms.budget.max = "12.5".parse().ok();
        lives(&database, budget, raise).await;
        let model = |id: &str| Model {
            id: id.to_owned(),
            name: id.to_owned(),
            provider: id.to_owned(),
            model: id.to_owned(),
            credential_id: text(id),
            details: [(id.to_owned(), id.into())].into_iter().collect(),
            ..Model::default()
        };
        lives(&database, model, |model: &mut Model| {
            model.settings.weight = Some(7)
        })
        .await;
        let provider = |id: &str| StoredProvider {
            name: id.replace('/', "-"),
            ..StoredProvider::default()
        };
        let list = |provider: &mut StoredProvider| provider.settings.models.push("m".to_owned());
        lives(&database, provider, list).await;
        assert!(
            database
                .store
                .list::<User>(&List::default())
                .await
                .unwrap()
                .is_empty()
        );
    }
}

#[tokio::test]
async fn a_provider_with_a_secret_in_it_is_refused() {
    for database in databases().await {
        let mut provider = StoredProvider {
            name: "openai".to_owned(),
            ..StoredProvider::default()
        };
        provider.settings.api_key = Some(crate::secret::Secret::new("sk-x"));
        let refused = database.store.create(provider, None).await;
        assert!(matches!(refused, Err(StoreError::Invalid { .. })));
    }
}

#[tokio::test]
async fn users_come_into_teams_and_leave_them() {
    for database in databases().await {
        let store = &database.store;
        let member = |team: &str, user: &str, role: &str| Member {
            team_id: team.to_owned(),
            user_id: user.to_owned(),
            role: role.to_owned(),
            ..Member::default()
        };
        let nowhere = store.put_member(&member("red", "rosa", "user")).await;
        assert!(matches!(nowhere, Err(StoreError::NotFound { .. })));
        store.create(Team::new("red"), None).await.unwrap();
        store
            .put_member(&member("red", "rosa", "user"))
            .await
            .unwrap();
        store
            .put_member(&member("red", "rosa", "admin"))
            .await
            .unwrap();
        assert!(
            store
                .put_member(&member("red", "rosa", "king"))
                .await
                .is_err()
        );
        let members = store.members("red").await.unwrap();
        assert_eq!((members.len(), members[0].role.as_str()), (1, "admin"));
        assert_eq!(store.memberships("rosa").await.unwrap(), members);
        assert!(!store.remove_member("red", "karl").await.unwrap());
        store.delete::<Team>("red").await.unwrap();
        assert!(
            store.memberships("rosa").await.unwrap().is_empty(),
            "the team is gone"
        );
    }
}

#[tokio::test]
async fn changes_that_were_forgotten_are_said_to_be() {
    for database in databases().await {
        let store = &database.store;
        for id in ["a", "b", "c"] {
            store.create(Budget::new(id), None).await.unwrap();
        }
        assert_eq!(store.revision().await.unwrap(), 3);
        assert_eq!(store.changes(3).await.unwrap(), Changes::These(Vec::new()));
        assert_eq!(
            store.changes(9).await.unwrap(),
            Changes::Forgotten,
            "a backup was put in place"
        );
        assert_eq!(store.forget_changes(0, 500).await.unwrap(), 0);
        assert_eq!(store.forget_changes(now() + 1, 2).await.unwrap(), 2);
        assert_eq!(store.forget_changes(now() + 1, 2).await.unwrap(), 1);
        assert_eq!(store.forget_changes(now() + 1, 2).await.unwrap(), 0);
        assert_eq!(store.changes(2).await.unwrap(), Changes::Forgotten);
        let odd = "INSERT INTO changes (sequence, kind, record, changed_at) VALUES (4, 'of-later', 'x', 0)";
        store.run(sql(odd)).await.unwrap();
        let Changes::These(changes) = store.changes(3).await.unwrap() else {
            panic!("forgotten")
        };
        assert_eq!(changes[0].kind, None);
    }
}

#[tokio::test]
async fn changes_that_are_made_while_they_are_read_are_not_forgotten() {
    for database in databases().await {
        let store = &database.store;
        let made = std::sync::atomic::AtomicBool::new(false);
        let make = async {
            for number in 0..300 {
                let id = number.to_string();
                store.create(Budget::new(&id), None).await.unwrap();
            }
            made.store(true, std::sync::atomic::Ordering::Relaxed);
        };
        let read = async {
            let mut seen = 0;
            while !made.load(std::sync::atomic::Ordering::Relaxed) {
                let Changes::These(changes) = store.changes(seen).await.unwrap() else {
                    panic!("forgotten at {seen}")
                };
                seen = changes.last().map_or(seen, |change| change.sequence);
            }
        };
        tokio::join!(make, read);
    }
}

#[tokio::test]
async fn records_are_read_page_by_page_and_one_that_is_damaged_holds_up_no_other() {
    for database in databases().await {
        let store = &database.store;
        for id in ["c", "a", "b"] {
            store.create(Team::new(id), None).await.unwrap();
        }
        let damage = "UPDATE teams SET terms = 'odd' WHERE id = 'b'";
        store.run(sql(damage)).await.unwrap();
        let page = store.page::<Team>(Some("a")).await.unwrap();
        let ids: Vec<&str> = page.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, ["b", "c"]);
        let asked = ["b".to_owned(), "nobody".to_owned()];
        let some = store.some::<Team>(&asked).await.unwrap();
        assert_eq!(some.len(), 1);
        let team = some[0].1.as_ref().unwrap();
        assert!(team.stamps.unreadable.is_some());
        let (teams, problems) = store.everything::<Team>().await.unwrap();
        assert_eq!((teams.len(), problems.len()), (2, 1));
        assert!(problems[0].contains("`b`"), "{problems:?}");
        assert_eq!(store.list::<Team>(&List::default()).await.unwrap().len(), 3);
        store.delete::<Team>("b").await.unwrap();
    }
}

#[tokio::test]
async fn settings_of_a_later_version_are_left_out_and_the_provider_is_there() {
    for database in databases().await {
        let store = &database.store;
        for name in ["one", "other", "odd"] {
            let mut provider = StoredProvider {
                name: name.to_owned(),
                ..StoredProvider::default()
            };
            provider.settings.models.push("m".to_owned());
            store.create(provider, None).await.unwrap();
        }
        let later = "UPDATE providers SET settings = $1 WHERE name = $2";
        let settings =
            r#"{"models":["m"],"new_field":1,"timeouts":{"newer":2},"settings":{"own":"x"}}"#;
        store
            .run(sql(later).bind(settings).bind("one"))
            .await
            .unwrap();
        store
            .run(sql(later).bind(r#"{"models":7}"#).bind("odd"))
            .await
            .unwrap();
        let sealer = crate::store::credentials::seal::Sealer::default();
        let serving = store.serving(&sealer).await.unwrap();
        let names: Vec<&str> = serving
            .providers
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        assert_eq!(names, ["one", "other"]);
        assert_eq!(serving.providers[0].settings.models, ["m"]);
        assert_eq!(serving.providers[0].settings.settings["own"], "x");
        assert_eq!(serving.problems.len(), 2, "{:?}", serving.problems);
        let said = serving.problems.join(" ");
        assert!(
            said.contains("new_field") && said.contains("timeouts.newer") && said.contains("odd"),
            "{said}"
        );
    }
}
