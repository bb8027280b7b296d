//! Lists of records: which, in which order, how many.

use super::{
    Statement, Store, StoreError, Value,
    record::{Record, id_column, read, select},
    sql,
};

/// Which records a list holds, and in which order.
#[derive(Debug, Clone)]
pub struct List {
    conditions: Vec<(&'static str, Condition)>,
    order: &'static str,
    descending: bool,
    limit: i64,
    offset: i64,
}

#[derive(Debug, Clone)]
enum Condition {
    Equals(Value),
    Contains(String),
    AnyOf(Vec<String>),
    IsNull(bool),
    Either(Vec<(&'static str, Vec<String>)>),
}

/// How many a list holds at most, whoever asks for more.
pub const MAX_LENGTH: i64 = 10_000;

impl Default for List {
    /// All, the newest first.
    fn default() -> Self {
        List {
            conditions: Vec::new(),
            order: "created_at",
            descending: true,
            limit: MAX_LENGTH,
            offset: 0,
        }
    }
}

impl List {
    /// Those alone whose column holds this.
    #[must_use]
    pub fn equals(self, column: &'static str, value: impl Into<Value>) -> Self {
        self.on(column, Condition::Equals(value.into()))
    }

    /// Those alone whose column holds one of these.
    #[must_use]
    pub fn any_of(self, column: &'static str, values: Vec<String>) -> Self {
        self.on(column, Condition::AnyOf(values))
    }

    /// Those alone of which at least one of these columns holds one of its values.
    #[must_use]
    pub fn either(self, columns: Vec<(&'static str, Vec<String>)>) -> Self {
        self.on("", Condition::Either(columns))
    }

    /// Those alone in whose column this text is found, whatever its case.
    #[must_use]
    pub fn contains(self, column: &'static str, part: &str) -> Self {
        self.on(column, Condition::Contains(part.to_owned()))
    }

    /// Those alone whose column is empty, or is not.
    #[must_use]
    pub fn is_null(self, column: &'static str, is_null: bool) -> Self {
        self.on(column, Condition::IsNull(is_null))
    }

    /// In the order of a column; `spend` and `last_used_at` are known where spending is counted.
    #[must_use]
    pub fn sorted(mut self, column: &'static str, descending: bool) -> Self {
        (self.order, self.descending) = (column, descending);
        self
    }

    /// So many, beginning after so many.
    #[must_use]
    pub fn page(mut self, limit: i64, offset: i64) -> Self {
        self.limit = limit.clamp(0, MAX_LENGTH);
        self.offset = offset.max(0);
        self
    }

    fn on(mut self, column: &'static str, condition: Condition) -> Self {
        self.conditions.push((column, condition));
        self
    }

    /// `WHERE …`, with its values.
    fn conditions(&self, statement: &mut Statement<'_>) {
        for (number, (column, condition)) in self.conditions.iter().enumerate() {
            let joint = if number == 0 { " WHERE" } else { " AND" };
            let test = match condition {
                Condition::Equals(value) => {
                    let at = statement.push(value.clone());
                    format!("r.{column} = ${at}")
                }
                Condition::Contains(part) => {
                    let at = statement.push(pattern(part));
                    format!("LOWER(r.{column}) LIKE LOWER(${at}) ESCAPE '\\'")
                }
                Condition::AnyOf(values) => is_one_of(column, values, statement),
                Condition::Either(columns) => {
                    let tests = columns.iter();
                    let tests = tests.map(|(column, values)| is_one_of(column, values, statement));
                    let tests: Vec<String> = tests.collect();
                    match tests.is_empty() {
                        true => "1 = 0".to_owned(),
                        false => format!("({})", tests.join(" OR ")),
                    }
                }
                Condition::IsNull(true) => format!("r.{column} IS NULL"),
                Condition::IsNull(false) => format!("r.{column} IS NOT NULL"),
            };
            statement.append(&format!("{joint} {test}"));
        }
    }

    fn order<R: Record>(&self) -> String {
        let id = R::COLUMNS.first().copied().unwrap_or_default();
        let direction = if self.descending { "DESC" } else { "ASC" };
        let column = match self.order {
            "spend" => "COALESCE(s.amount, 0)".to_owned(),
            "last_used_at" => "COALESCE(s.last_used_at, 0)".to_owned(),
            column => format!("r.{column}"),
        };
        // What is empty comes last; Postgres and SQLite disagree about it unless told.
        format!(" ORDER BY {column} IS NULL, {column} {direction}, r.{id} {direction}")
    }
}

fn is_one_of(column: &str, values: &[String], statement: &mut Statement<'_>) -> String {
    let places = values.iter();
    let places = places.map(|value| format!("${}", statement.push(value)));
    let places: Vec<String> = places.collect();
    match places.is_empty() {
        true => "1 = 0".to_owned(),
        false => format!("r.{column} IN ({})", places.join(", ")),
    }
}

/// Any text with that in it; what means something in a pattern means itself.
fn pattern(part: &str) -> String {
    let mut pattern = String::from("%");
    for letter in part.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

impl Store {
    /// The records of a list. One that cannot be read at all is left out, and said in the log.
    ///
    /// # Errors
    /// `Away` and `Refused`.
    pub async fn list<R: Record>(&self, list: &List) -> Result<Vec<R>, StoreError> {
        let mut statement = sql(select::<R>());
        list.conditions(&mut statement);
        statement.append(&list.order::<R>());
        let limit = statement.push(list.limit);
        let offset = statement.push(list.offset);
        statement.append(&format!(" LIMIT ${limit} OFFSET ${offset}"));
        let rows = self.all(statement).await?;
        let mut records = Vec::with_capacity(rows.len());
        for row in &rows {
            match read(row) {
                Ok(record) => records.push(record),
                Err(error) => {
                    let id = row.text(id_column::<R>()).unwrap_or_default();
                    log::error!("{} `{}`: {error}", R::WHAT, id.escape_debug());
                }
            }
        }
        Ok(records)
    }

    /// How many records a list would hold without its bounds.
    ///
    /// # Errors
    /// `Away`.
    pub async fn count<R: Record>(&self, list: &List) -> Result<i64, StoreError> {
        let mut statement = sql(format!("SELECT COUNT(*) AS count FROM {} r", R::TABLE));
        list.conditions(&mut statement);
        let row = self.first(statement).await?;
        row.map_or(Ok(0), |row| row.integer("count"))
    }
}
