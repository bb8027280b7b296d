use super::*;
use crate::store::{Store, sql, tests::databases::databases};

fn sealer(text: &str) -> Sealer {
    Sealer::new(Some(&Secret::new(text))).unwrap()
}

fn secrets(key: &str) -> Secrets {
    [
        (API_KEY.to_owned(), Secret::new(key)),
        ("header:OpenAI-Organization".to_owned(), Secret::new("org")),
    ]
    .into()
}

async fn add(store: &Store, key: &str, sealer: &Sealer) -> Credential {
    let mut credential = Credential::new("openai");
    credential.seal(&secrets(key), sealer).unwrap();
    store.create(credential, None).await.unwrap()
}

#[tokio::test]
async fn a_credential_is_sealed_in_the_store_and_opens_again() {
    for database in databases().await {
        let (store, sealer) = (&database.store, sealer(&"0a".repeat(32)));
        let made = add(store, "sk-provider-canary-1", &sealer).await;
        assert_eq!(made.masked, "sk-…ry-1");
        let read: Credential = store.get(&made.id).await.unwrap();
        assert_eq!(
            read.secrets(&sealer).unwrap(),
            secrets("sk-provider-canary-1")
        );
        assert!(!format!("{read:?}").contains("sk-provider-canary-1"));
        let row = store
            .first(sql("SELECT sealed FROM credentials"))
            .await
            .unwrap()
            .unwrap();
        let bytes = row.bytes("sealed").unwrap();
        assert!(memchr::memmem::find(&bytes, b"canary").is_none());
        let swapped = Credential {
            provider: "elsewhere".to_owned(),
            ..read.clone()
        };
        assert!(
            swapped.secrets(&sealer).is_err(),
            "it is for that provider alone"
        );
        for set in ["project_id = 'shop'", "details = '{\"reserved\":true}'"] {
            let moved = format!("UPDATE credentials SET {set}");
            store.run(sql(moved)).await.unwrap();
            let moved: Credential = store.get(&made.id).await.unwrap();
            assert!(moved.secrets(&sealer).is_err(), "{set}");
            let back = "UPDATE credentials SET project_id = NULL, details = '{}'";
            store.run(sql(back)).await.unwrap();
        }
        let given = store.update::<Credential>(&made.id, None, |credential| {
            credential.change(&sealer, |one| one.project_id = Some("shop".to_owned()))
        });
        let given = given.await.unwrap();
        assert_eq!(
            given.secrets(&sealer).unwrap(),
            secrets("sk-provider-canary-1")
        );
    }
}

#[tokio::test]
async fn credentials_are_sealed_anew_under_another_key() {
    for database in databases().await {
        let store = &database.store;
        let (old, new) = ("01".repeat(32), "02".repeat(32));
        let made = add(store, "sk-provider-canary-1", &sealer(&old)).await;
        let both = sealer(&format!("{new},{old}"));
        add(store, "sk-provider-canary-2", &both).await;
        assert!(matches!(
            store.reencrypt(&sealer(&new)).await,
            Err(StoreError::Sealed { .. })
        ));
        assert_eq!(store.sealed_by_others(&both).await.unwrap(), 1);
        assert_eq!(store.reencrypt(&both).await.unwrap(), 1);
        assert_eq!(store.sealed_by_others(&both).await.unwrap(), 0);
        assert_eq!(store.reencrypt(&sealer(&new)).await.unwrap(), 0);
        let read: Credential = store.get(&made.id).await.unwrap();
        assert_eq!(
            read.secrets(&sealer(&new)).unwrap(),
            secrets("sk-provider-canary-1")
        );
    }
}

#[tokio::test]
async fn what_is_no_secret_is_not_sealed() {
    let sealer = sealer(&"0a".repeat(32));
    let mut credential = Credential::new("openai");
    assert!(credential.check().is_err());
    assert!(credential.seal(&Secrets::new(), &sealer).is_err());
    assert!(credential.seal(&secrets(""), &sealer).is_err());
    assert!(credential.seal(&secrets("a\nb"), &sealer).is_err());
    let odd: Secrets = [("header:bad name".to_owned(), Secret::new("x"))].into();
    assert!(credential.seal(&odd, &sealer).is_err(), "no header's name");
}

#[test]
fn no_two_credentials_have_the_same_context() {
    let of = |id: &str, provider: &str| Credential {
        id: id.to_owned(),
        ..Credential::new(provider)
    };
    assert_ne!(of("a", "b of c").context(), of("a of b", "c").context());
}
