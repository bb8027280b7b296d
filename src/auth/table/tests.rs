use super::*;
use crate::{
    auth::table::groups::standing,
    identity::{Terms, virtual_key},
    store::keys::LoadedKey,
};

fn key(text: &str) -> LoadedKey<'_> {
    LoadedKey {
        hash: virtual_key::hash(text),
        id: text,
        label: None,
        user_id: None,
        team_id: None,
        project_id: None,
        organization_id: None,
        budget_id: None,
        terms: "{}",
        blocked: false,
        revoked: false,
        created_at: 0,
        expires_at: None,
        retires_at: None,
    }
}

fn fault(table: &KeyTable, text: &str) -> Option<&'static str> {
    match table.find(&virtual_key::hash(text)) {
        Found::Usable(_) => None,
        Found::Refused(fault, _) => Some(fault.name()),
        Found::Nothing => Some("nothing"),
    }
}

#[test]
fn keys_are_told_apart_by_how_they_stand() {
    let table = KeyTable::default();
    let mut loader = table.load_all();
    let (past, future) = (Some(store::now() - 1), Some(store::now() + 60_000));
    for (text, key) in [
        (
            "usable",
            LoadedKey {
                expires_at: future,
                ..key("usable")
            },
        ),
        (
            "expired",
            LoadedKey {
                expires_at: past,
                ..key("expired")
            },
        ),
        (
            "blocked",
            LoadedKey {
                blocked: true,
                ..key("blocked")
            },
        ),
        (
            "revoked",
            LoadedKey {
                revoked: true,
                blocked: true,
                ..key("revoked")
            },
        ),
        (
            "in grace",
            LoadedKey {
                retires_at: future,
                ..key("in grace")
            },
        ),
        (
            "rotated",
            LoadedKey {
                retires_at: past,
                expires_at: future,
                ..key("rotated")
            },
        ),
        (
            "odd",
            LoadedKey {
                terms: "{\"models\": 1}",
                ..key("odd")
            },
        ),
    ] {
        loader.put(&key);
        assert!(matches!(
            table.find(&virtual_key::hash(text)),
            Found::Usable(_) | Found::Refused(..)
        ));
    }
    assert!(!table.is_loaded());
    assert_eq!(loader.complete(), 1);
    assert!(table.is_loaded() && table.has_keys());
    assert_eq!(table.count(), 7);
    assert_eq!(fault(&table, "usable"), None);
    assert_eq!(fault(&table, "in grace"), None);
    assert_eq!(fault(&table, "expired"), Some("expired"));
    assert_eq!(fault(&table, "blocked"), Some("blocked"));
    assert_eq!(fault(&table, "revoked"), Some("revoked"));
    assert_eq!(fault(&table, "rotated"), Some("rotated"));
    assert_eq!(fault(&table, "odd"), Some("blocked"));
    assert_eq!(fault(&table, "unknown"), Some("nothing"));
}

#[test]
fn keys_that_differ_in_what_no_request_needs_share_their_terms() {
    let table = KeyTable::default();
    let mut loader = table.load_all();
    for (text, terms) in [
        ("a", r#"{"models":["m"],"metadata":{"a":1}}"#),
        ("b", r#"{"models":["m"],"kept":{"b":1}}"#),
        ("c", r#"{"metadata":{"a":1}}"#),
        ("d", "{}"),
    ] {
        loader.put(&LoadedKey { terms, ..key(text) });
    }
    loader.complete();
    let terms = |text: &str| match table.find(&virtual_key::hash(text)) {
        Found::Usable(identity) => identity.profile.as_ref().unwrap().terms.clone(),
        _ => panic!("not usable"),
    };
    assert!(Arc::ptr_eq(&terms("a"), &terms("b")));
    assert!(Arc::ptr_eq(&terms("c"), &terms("d")));
    assert_eq!(terms("a").models, ["m"]);
    assert!(terms("a").metadata.is_empty());
}

#[test]
fn what_is_not_read_again_is_gone() {
    let table = KeyTable::default();
    let mut first = table.load_all();
    first.put(&key("a"));
    first.put(&key("b"));
    first.complete();
    let mut second = table.load_all();
    second.put(&key("b"));
    assert_eq!(
        fault(&table, "a"),
        None,
        "it stays until all have been read"
    );
    second.complete();
    assert_eq!(fault(&table, "a"), Some("nothing"));
    assert_eq!(fault(&table, "b"), None);
    let mut change = table.load();
    change.put(&key("c"));
    assert_eq!(table.count(), 2);
    table.forget(&virtual_key::hash("b"));
    table.forget(&virtual_key::hash("b"));
    assert_eq!(table.count(), 1);
    table.forget(&virtual_key::hash("c"));
    assert!(
        table.has_keys(),
        "a gateway that asked for keys goes on asking"
    );
}

#[test]
fn a_change_of_a_team_is_seen_by_all_its_keys() {
    let table = KeyTable::default();
    let mut loader = table.load_all();
    loader.put(&LoadedKey {
        team_id: Some("red"),
        ..key("a")
    });
    loader.put(&LoadedKey {
        team_id: Some("red"),
        user_id: Some("rosa"),
        ..key("b")
    });
    loader.complete();
    let blocked = standing(Some("The Reds"), Terms::default(), true, 0);
    table.groups.set(GroupKind::Team, "red", Some(blocked));
    assert_eq!(fault(&table, "a"), Some("team_project_or_user_blocked"));
    assert_eq!(fault(&table, "b"), Some("team_project_or_user_blocked"));
    table.groups.keep(GroupKind::Team, |_| false);
    assert_eq!(
        fault(&table, "a"),
        None,
        "the record is gone, the label stays"
    );
    let blocked = standing(None, Terms::default(), true, 0);
    table.groups.set(GroupKind::Team, "red", Some(blocked));
    assert_eq!(
        fault(&table, "a"),
        Some("team_project_or_user_blocked"),
        "the cell is the same"
    );
    table.groups.set(GroupKind::Team, "red", None);
    assert_eq!(fault(&table, "b"), None);
}
