//! What all records have in common: they are made, found, listed, changed and deleted by the same few
//! statements, built from the names of their columns. Each kind has a file of its own that says what it
//! holds.

use super::{Backend, Kind, Row, Statement, Store, StoreError, Transaction, Value, now, sql};
use crate::price::Usd;

/// A kind of record.
pub trait Record: Sized + Send {
    /// Its table.
    const TABLE: &'static str;
    /// What it is called in messages.
    const WHAT: &'static str;
    /// Which kind it is.
    const KIND: Kind;
    /// Its columns besides those of [`Stamps`]; the first tells one record from another.
    const COLUMNS: &'static [&'static str];
    /// Under which name its spending is counted, where it is.
    const SCOPE: Option<&'static str>;

    /// What tells it from others.
    fn id(&self) -> &str;
    /// Reads it; the stamps are filled in by the caller.
    ///
    /// # Errors
    /// `Unreadable`.
    fn read(row: &Row) -> Result<Self, StoreError>;
    /// Its values, in the order of the columns.
    ///
    /// # Errors
    /// `Invalid` where one of them cannot be written.
    fn values(&self) -> Result<Vec<Value>, StoreError>;
    /// Who made it and when.
    fn stamps(&mut self) -> &mut Stamps;
    /// Looks whether its fields can be taken.
    ///
    /// # Errors
    /// `Invalid`.
    fn check(&self) -> Result<(), StoreError>;
    /// What is said to have changed when it has.
    fn changes(&self) -> Vec<String> {
        vec![self.id().to_owned()]
    }
    /// The tables and ids of those that it belongs to.
    fn owners(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

/// Who made a record and when, and what has been spent on it. Set by the store.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stamps {
    /// Who made it.
    pub created_by: Option<String>,
    /// Who changed it last.
    pub updated_by: Option<String>,
    /// When it was made, in milliseconds since 1970.
    pub created_at: i64,
    /// When it was changed last.
    pub updated_at: i64,
    /// What has been spent in its budget's period.
    pub spend: Usd,
    /// What has ever been spent.
    pub total_spend: Usd,
    /// When it was used last.
    pub last_used_at: Option<i64>,
    /// When its budget's period began; `None` where nothing has been spent.
    pub period_started_at: Option<i64>,
    /// Why what is said of it in JSON cannot be read: by a damage, or as a later version wrote it. It is as
    /// good as blocked then, can be deleted, and cannot be changed.
    pub unreadable: Option<String>,
}

impl Stamps {
    /// Those of a record that has just been read; the store fills in the rest.
    pub(super) fn unreadable(why: Option<String>) -> Self {
        Stamps {
            unreadable: why,
            ..Stamps::default()
        }
    }
}

const STAMPS: [&str; 4] = ["created_by", "updated_by", "created_at", "updated_at"];

/// `SELECT … FROM …` of all that a record is read from; its table is `r`, its spending `s`.
pub(super) fn select<R: Record>() -> String {
    select_from::<R>(R::TABLE)
}

/// The same from what stands in its table's place, whose rows have its columns.
pub(super) fn select_from<R: Record>(table: &str) -> String {
    let columns = R::COLUMNS.iter().chain(&STAMPS);
    let columns: Vec<String> = columns.map(|name| format!("r.{name}")).collect();
    let columns = columns.join(", ");
    match (R::SCOPE, R::COLUMNS.first()) {
        (Some(scope), Some(id)) => format!(
            "SELECT {columns}, CAST(s.amount AS TEXT) AS spend, CAST(s.total AS TEXT) AS total, \
             s.last_used_at, s.period_started_at FROM {table} r LEFT JOIN spend s ON s.scope = '{scope}' AND s.id = r.{id}"
        ),
        _ => format!("SELECT {columns} FROM {table} r"),
    }
}

/// The same without its spending.
pub(super) fn select_plain<R: Record>() -> String {
    let columns = R::COLUMNS.iter().chain(&STAMPS);
    let columns: Vec<String> = columns.map(|name| format!("r.{name}")).collect();
    format!("SELECT {} FROM {} r", columns.join(", "), R::TABLE)
}

/// Reads a record of an answer to [`select_plain`].
pub(super) fn read_plain<R: Record>(row: &Row) -> Result<R, StoreError> {
    let mut record = R::read(row)?;
    let stamps = Stamps {
        created_by: row.optional_text("created_by")?,
        updated_by: row.optional_text("updated_by")?,
        created_at: row.integer("created_at")?,
        updated_at: row.integer("updated_at")?,
        unreadable: record.stamps().unreadable.take(),
        ..Stamps::default()
    };
    *record.stamps() = stamps;
    Ok(record)
}

/// Reads a record of an answer to [`select`].
pub(super) fn read<R: Record>(row: &Row) -> Result<R, StoreError> {
    let mut record = read_plain::<R>(row)?;
    if R::SCOPE.is_some() {
        let stamps = record.stamps();
        stamps.spend = row.optional_amount("spend")?.unwrap_or_default();
        stamps.total_spend = row.optional_amount("total")?.unwrap_or_default();
        stamps.last_used_at = row.optional_integer("last_used_at")?;
        stamps.period_started_at = row.optional_integer("period_started_at")?;
    }
    Ok(record)
}

pub(super) fn id_column<R: Record>() -> &'static str {
    R::COLUMNS.first().copied().unwrap_or_default()
}

fn stamp_values(stamps: &Stamps) -> [Value; 4] {
    [
        stamps.created_by.clone().into(),
        stamps.updated_by.clone().into(),
        stamps.created_at.into(),
        stamps.updated_at.into(),
    ]
}

impl Transaction {
    /// The record of that id, which nobody else changes until this transaction is over.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn hold<R: Record>(&mut self, id: &str) -> Result<R, StoreError> {
        let lock = match self.backend() {
            Backend::Postgres => " FOR UPDATE OF r",
            Backend::Sqlite => "",
        };
        let text = format!("{} WHERE r.{} = $1{lock}", select::<R>(), id_column::<R>());
        match self.first(sql(text).bind(id)).await? {
            Some(row) => read(&row),
            None => Err(StoreError::not_found(R::WHAT, id)),
        }
    }

    /// Keeps those that a record belongs to from being deleted until this transaction is over.
    async fn keep_owners(&mut self, owners: Vec<(&'static str, String)>) -> Result<(), StoreError> {
        // SQLite has one writer.
        if self.backend() == Backend::Postgres {
            for (table, id) in owners {
                let keep = format!("SELECT 1 AS kept FROM {table} WHERE id = $1 FOR KEY SHARE");
                self.first(sql(keep).bind(id)).await?;
            }
        }
        Ok(())
    }

    /// Adds a record; its stamps say who and when.
    ///
    /// # Errors
    /// `Exists`, `Invalid`.
    pub async fn insert<R: Record>(
        &mut self,
        record: &mut R,
        by: Option<&str>,
    ) -> Result<(), StoreError> {
        record.check()?;
        self.keep_owners(record.owners()).await?;
        let at = now();
        *record.stamps() = Stamps {
            created_by: by.map(str::to_owned),
            updated_by: by.map(str::to_owned),
            created_at: at,
            updated_at: at,
            ..Stamps::default()
        };
        let columns: Vec<&str> = R::COLUMNS.iter().chain(&STAMPS).copied().collect();
        let places: Vec<String> = (1..=columns.len()).map(|at| format!("${at}")).collect();
        let text = format!(
            "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT DO NOTHING",
            R::TABLE,
            columns.join(", "),
            places.join(", ")
        );
        let stamps = stamp_values(record.stamps());
        let values = record.values()?.into_iter().chain(stamps);
        let insert = values.fold(sql(text), Statement::bind);
        match self.run(insert).await? {
            0 => Err(StoreError::Exists {
                what: R::WHAT,
                reference: record.id().to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Writes a record that is there.
    ///
    /// # Errors
    /// `Invalid`.
    pub async fn write<R: Record>(
        &mut self,
        record: &mut R,
        by: Option<&str>,
    ) -> Result<(), StoreError> {
        if let Some(why) = &record.stamps().unreadable {
            let (what, why) = (R::WHAT, why.clone());
            return Err(StoreError::Unreadable { what, why });
        }
        record.check()?;
        let stamps = record.stamps();
        stamps.updated_at = now();
        if let Some(by) = by {
            stamps.updated_by = Some(by.to_owned());
        }
        let columns = R::COLUMNS.iter().chain(&STAMPS).enumerate();
        let set: Vec<String> = columns
            .map(|(at, name)| format!("{name} = ${}", at + 1))
            .collect();
        let text = format!(
            "UPDATE {} SET {} WHERE {} = $1",
            R::TABLE,
            set.join(", "),
            id_column::<R>()
        );
        let stamps = stamp_values(record.stamps());
        let values = record.values()?.into_iter().chain(stamps);
        let update = values.fold(sql(text), Statement::bind);
        self.run(update).await.map(drop)
    }

    /// Deletes a record that is there.
    ///
    /// # Errors
    /// `Away` and `Refused`.
    pub async fn remove<R: Record>(&mut self, record: &R) -> Result<(), StoreError> {
        let text = format!("DELETE FROM {} WHERE {} = $1", R::TABLE, id_column::<R>());
        self.run(sql(text).bind(record.id())).await?;
        if let Some(scope) = R::SCOPE {
            let forget = "DELETE FROM spend WHERE scope = $1 AND id = $2";
            self.run(sql(forget).bind(scope).bind(record.id())).await?;
        }
        Ok(())
    }
}

impl Store {
    /// Makes a record.
    ///
    /// # Errors
    /// `Exists`, `Invalid`.
    pub async fn create<R: Record>(
        &self,
        mut record: R,
        by: Option<&str>,
    ) -> Result<R, StoreError> {
        let mut transaction = self.begin().await?;
        transaction.insert(&mut record, by).await?;
        transaction.changed(R::KIND, record.changes());
        transaction.commit().await?;
        Ok(record)
    }

    /// The record of that id.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn get<R: Record>(&self, id: &str) -> Result<R, StoreError> {
        self.find(id)
            .await?
            .ok_or_else(|| StoreError::not_found(R::WHAT, id))
    }

    /// The record of that id, if there is one.
    ///
    /// # Errors
    /// `Away` and `Unreadable`.
    pub async fn find<R: Record>(&self, id: &str) -> Result<Option<R>, StoreError> {
        let text = format!("{} WHERE r.{} = $1", select::<R>(), id_column::<R>());
        let row = self.first(sql(text).bind(id)).await?;
        row.as_ref().map(read).transpose()
    }

    /// Changes a record: `change` gets it as it is, and nobody else changes it meanwhile.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`, and whatever `change` says.
    pub async fn update<R: Record>(
        &self,
        id: &str,
        by: Option<&str>,
        change: impl FnOnce(&mut R) -> Result<(), StoreError> + Send,
    ) -> Result<R, StoreError> {
        let mut transaction = self.begin().await?;
        let mut record: R = transaction.hold(id).await?;
        let before = record.owners();
        change(&mut record)?;
        if record.id() != id {
            return Err(StoreError::invalid("id", "cannot be changed"));
        }
        let mut owners = record.owners();
        owners.retain(|owner| !before.contains(owner));
        transaction.keep_owners(owners).await?;
        transaction.write(&mut record, by).await?;
        transaction.changed(R::KIND, record.changes());
        transaction.commit().await?;
        Ok(record)
    }

    /// Deletes a record, and answers what it was.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn delete<R: Record>(&self, id: &str) -> Result<R, StoreError> {
        let mut transaction = self.begin().await?;
        let record: R = transaction.hold(id).await?;
        transaction.remove(&record).await?;
        transaction.changed(R::KIND, record.changes());
        transaction.commit().await?;
        Ok(record)
    }
}
