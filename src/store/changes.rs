//! What has changed, in the order in which it did, so that every process reads on from where it was.
//! Postgres says at once that there is something to read; SQLite is looked at now and then.

use super::{
    Backend, Row, Store, StoreError, Transaction, now, sql,
    usage::bulk::{Column, Table},
};

/// The channel on which Postgres says that something has changed.
pub const CHANNEL: &str = "gateway_changes";
/// How many changes are read at once.
const BATCH: i64 = 1000;
/// How many are written at once.
const NOTES_AT_ONCE: usize = 1000;

/// What kind of record it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A key; what is said to have changed is the hash by which it is found, in hexadecimal digits.
    Key,
    /// A user.
    User,
    /// A team.
    Team,
    /// A project.
    Project,
    /// Terms that keys share.
    Budget,
    /// A provider.
    Provider,
    /// A key for a provider.
    Credential,
    /// A deployment.
    Model,
}

const NAMES: [(&str, Kind); 8] = [
    ("key", Kind::Key),
    ("user", Kind::User),
    ("team", Kind::Team),
    ("project", Kind::Project),
    ("budget", Kind::Budget),
    ("provider", Kind::Provider),
    ("credential", Kind::Credential),
    ("model", Kind::Model),
];

impl Kind {
    /// Its name in the store.
    pub fn name(self) -> &'static str {
        let found = NAMES.iter().find(|(_, kind)| *kind == self);
        found.map_or("", |(name, _)| name)
    }
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its place among all.
    pub sequence: i64,
    /// What kind of record; `None` where a later version knows it and this one does not.
    pub kind: Option<Kind>,
    /// Which record.
    pub record: String,
}

/// What has changed since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changes {
    /// These, the oldest first. There may be more.
    These(Vec<Change>),
    /// More than is still known of: everything must be read anew.
    Forgotten,
}

/// A change, to be noted.
struct Note {
    sequence: i64,
    kind: Kind,
    record: String,
    changed_at: i64,
}

fn notes() -> Table<Note> {
    Table {
        name: "changes",
        columns: vec![
            (
                "sequence",
                Column::Integer(|note: &Note| note.sequence.try_into().ok()),
            ),
            ("kind", Column::Text(|note| Some(note.kind.name().into()))),
            (
                "record",
                Column::Text(|note| Some(note.record.as_str().into())),
            ),
            (
                "changed_at",
                Column::Integer(|note| note.changed_at.try_into().ok()),
            ),
        ],
        rest: "".into(),
    }
}

impl Transaction {
    /// Notes what has changed, as the last thing before the end of the transaction: whoever changes
    /// something else waits from here on until that.
    pub(super) async fn note(&mut self, changes: &[(Kind, String)]) -> Result<(), StoreError> {
        let Ok(count @ 1..) = i64::try_from(changes.len()) else {
            return Ok(());
        };
        let raise = "UPDATE revision SET value = value + $1 RETURNING value";
        let row = self.first(sql(raise).bind(count)).await?;
        let last = row.map_or(Ok(0), |row| row.integer("value"))?;
        let changed_at = now();
        let notes: Vec<Note> = (last - count + 1..)
            .zip(changes)
            .map(|(sequence, (kind, record))| Note {
                sequence,
                kind: *kind,
                record: record.clone(),
                changed_at,
            })
            .collect();
        let table = self::notes();
        for notes in notes.chunks(NOTES_AT_ONCE) {
            self.insert_all(&table, notes).await?;
        }
        if self.backend() == Backend::Postgres {
            self.run(sql("SELECT pg_notify($1, '')").bind(CHANNEL))
                .await?;
        }
        Ok(())
    }
}

impl Store {
    /// The last change that there was.
    ///
    /// # Errors
    /// `Away`.
    pub async fn revision(&self) -> Result<i64, StoreError> {
        let row = self.first(sql("SELECT value FROM revision")).await?;
        row.map_or(Ok(0), |row| row.integer("value"))
    }

    /// What has changed after the change `seen`.
    ///
    /// # Errors
    /// `Away`.
    pub async fn changes(&self, seen: i64) -> Result<Changes, StoreError> {
        // One statement, for what is committed between two would look as if it had been forgotten.
        let read = "SELECT r.value, c.sequence, c.kind, c.record FROM revision r LEFT JOIN \
                    (SELECT sequence, kind, record FROM changes WHERE sequence > $1 \
                     ORDER BY sequence LIMIT $2) c ON TRUE ORDER BY c.sequence";
        let rows = self.all(sql(read).bind(seen).bind(BATCH)).await?;
        let revision = rows.first().map_or(Ok(0), |row| row.integer("value"))?;
        let changes: Vec<Change> = rows
            .iter()
            .filter_map(|row| change(row).transpose())
            .collect::<Result<_, _>>()?;
        let is_gapless = match changes.first() {
            Some(first) => first.sequence == seen + 1,
            // A revision before `seen` is that of another database: a backup was put in place.
            None => revision == seen,
        };
        Ok(match is_gapless {
            true => Changes::These(changes),
            false => Changes::Forgotten,
        })
    }

    /// Forgets some of the oldest changes, as far as they are from before that time, and answers how many.
    /// Who has not read them by then reads everything.
    ///
    /// # Errors
    /// `Away`.
    pub async fn forget_changes(&self, before: i64, most: u32) -> Result<u64, StoreError> {
        // By their places alone, which are known to the index: nobody shall wait for this.
        let look = "SELECT MAX(sequence) AS last FROM \
                    (SELECT sequence, changed_at FROM changes ORDER BY sequence LIMIT $2) c \
                    WHERE changed_at < $1";
        let look = sql(look).bind(before).bind(i64::from(most));
        let row = self.first(look).await?;
        match row.map_or(Ok(None), |row| row.optional_integer("last"))? {
            None => Ok(0),
            Some(last) => {
                let forget = "DELETE FROM changes WHERE sequence <= $1";
                self.run(sql(forget).bind(last)).await
            }
        }
    }
}

/// The change in a row, where one is in it.
fn change(row: &Row) -> Result<Option<Change>, StoreError> {
    let Some(sequence) = row.optional_integer("sequence")? else {
        return Ok(None);
    };
    let name = row.text("kind")?;
    let kind = NAMES.iter().find(|(known, _)| *known == name);
    Ok(Some(Change {
        sequence,
        kind: kind.map(|(_, kind)| *kind),
        record: row.text("record")?,
    }))
}
