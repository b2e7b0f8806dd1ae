//! Tables of figures.

use serde::{Deserialize, Serialize};

use super::Figure;

/// A table: what was measured down, of what across.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Table {
    /// What the table shows, as a sentence.
    pub(crate) caption: String,
    /// The heads of the columns, that of the rows' names first.
    pub(crate) columns: Vec<String>,
    /// Each row's name, and its cells.
    pub(crate) rows: Vec<(String, Vec<Cell>)>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(caption: &str, columns: &[&str]) -> Self {
        Self {
            caption: caption.to_owned(),
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, name: impl Into<String>, cells: Vec<Cell>) {
        self.rows.push((name.into(), cells));
    }
}

/// What stands in one place of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Cell {
    /// A figure.
    Figure(Figure),
    /// Words instead of a figure, such as why there is none.
    Text(String),
}

impl From<Figure> for Cell {
    fn from(figure: Figure) -> Self {
        Self::Figure(figure)
    }
}

impl From<Option<Figure>> for Cell {
    fn from(figure: Option<Figure>) -> Self {
        figure.map_or_else(|| Self::Text("–".to_owned()), Self::Figure)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
