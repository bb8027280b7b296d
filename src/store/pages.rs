//! Records as memory takes them: without what was spent on them, in the order of their ids, page by page,
//! so that none is passed over whatever changes meanwhile. One that cannot be read holds up no other.

use super::{
    Row, Store, StoreError,
    record::{Record, id_column, read_plain, select_plain},
    sql,
};

/// How many are read at once.
const PAGE: i64 = 10_000;

/// A record, or why it cannot be read; and its id in either case.
pub type Read<R> = (String, Result<R, StoreError>);

impl Store {
    /// The first records behind that id, in the order of ids; from the first on where there is none. Empty
    /// after the last one.
    ///
    /// # Errors
    /// `Away` and `Refused`.
    pub async fn page<R: Record>(&self, after: Option<&str>) -> Result<Vec<Read<R>>, StoreError> {
        let (mut statement, id) = (sql(select_plain::<R>()), id_column::<R>());
        if let Some(after) = after {
            let at = statement.push(after);
            statement.append(&format!(" WHERE r.{id} > ${at}"));
        }
        let limit = statement.push(PAGE);
        statement.append(&format!(" ORDER BY r.{id} LIMIT ${limit}"));
        let rows = self.all(statement).await?;
        rows.iter().map(one).collect()
    }

    /// Those of these records that there are.
    ///
    /// # Errors
    /// `Away` and `Refused`.
    pub async fn some<R: Record>(&self, ids: &[String]) -> Result<Vec<Read<R>>, StoreError> {
        let mut statement = sql(select_plain::<R>());
        let places: Vec<String> = ids
            .iter()
            .map(|id| format!("${}", statement.push(id)))
            .collect();
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let places = places.join(", ");
        statement.append(&format!(" WHERE r.{} IN ({places})", id_column::<R>()));
        let rows = self.all(statement).await?;
        rows.iter().map(one).collect()
    }

    /// All records, those that were made first first; and a sentence for each that cannot be read.
    ///
    /// # Errors
    /// `Away` and `Refused`.
    pub async fn everything<R: Record>(&self) -> Result<(Vec<R>, Vec<String>), StoreError> {
        let (mut records, mut problems) = (Vec::new(), Vec::new());
        let mut last: Option<String> = None;
        loop {
            let page = self.page::<R>(last.as_deref()).await?;
            match page.last() {
                Some((id, _)) => last = Some(id.clone()),
                None => break,
            }
            for (id, read) in page {
                match read.and_then(whole) {
                    Ok(mut record) => records.push((record.stamps().created_at, record)),
                    Err(error) => problems.push(format!("{} `{id}`: {error}", R::WHAT)),
                }
            }
        }
        records.sort_by_key(|(made_at, _)| *made_at);
        let records = records.into_iter().map(|(_, record)| record).collect();
        Ok((records, problems))
    }
}

fn one<R: Record>(row: &Row) -> Result<Read<R>, StoreError> {
    Ok((row.text(id_column::<R>())?, read_plain(row)))
}

/// The record, where all of it could be read.
fn whole<R: Record>(mut record: R) -> Result<R, StoreError> {
    match record.stamps().unreadable.take() {
        Some(why) => Err(StoreError::Unreadable { what: R::WHAT, why }),
        None => Ok(record),
    }
}
