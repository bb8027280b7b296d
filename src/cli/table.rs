//! Tables for people: columns as wide as they must be, and none in which there is nothing.

use std::fmt;

use super::colour;

/// A cell in which there is nothing.
pub(super) const NOTHING: &str = "-";

/// Lines of cells.
#[derive(Debug, Default)]
pub(super) struct Table {
    titles: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these titles.
    pub(super) fn titled(titles: &[&str]) -> Self {
        Table {
            titles: titles.iter().map(ToString::to_string).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a line.
    pub(super) fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Whether there is no line in it.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether what stands in a column are states.
    fn is_of_states(&self, column: usize) -> bool {
        let title = self.titles.get(column).map(String::as_str);
        matches!(title, Some("STATE" | "RESULT" | "BREAKER" | "CHECK"))
    }

    /// The width of each column; none where all its cells are empty.
    fn widths(&self) -> Vec<Option<usize>> {
        let width = |cell: Option<&String>| cell.map_or(0, |cell| cell.chars().count());
        let column = |at: usize| {
            let cells = || self.rows.iter().filter_map(move |row| row.get(at));
            let is_filled = cells().any(|cell| cell != NOTHING);
            let widest = cells().map(|cell| width(Some(cell))).max();
            is_filled.then(|| widest.unwrap_or_default().max(width(self.titles.get(at))))
        };
        let count = self.rows.iter().map(Vec::len).max();
        (0..count.unwrap_or_default()).map(column).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        let titles = Some(&self.titles).filter(|titles| !titles.is_empty());
        for (number, cells) in titles.into_iter().chain(&self.rows).enumerate() {
            let mut line = String::new();
            for (column, (width, cell)) in widths.iter().zip(cells).enumerate() {
                let Some(width) = width else { continue };
                let blank = width.saturating_sub(cell.chars().count()) + 2;
                match number > 0 && self.is_of_states(column) {
                    true => line.push_str(&colour::state(cell)),
                    false => line.push_str(cell),
                }
                line.push_str(&" ".repeat(blank));
            }
            if number > 0 {
                formatter.write_str("\n")?;
            }
            formatter.write_str(line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_must_be_and_empty_ones_are_left_out() {
        let mut table = Table::titled(&["A", "B", "C", "D"]);
        table.row(["größer", NOTHING, "", "x"]);
        table.row(["y", NOTHING]);
        assert_eq!(table.to_string(), "A       C  D\ngrößer     x\ny");
        assert_eq!(Table::default().to_string(), "");
    }
}
