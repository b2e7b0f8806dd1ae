//! Tables and colour.

use std::io::IsTerminal;

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, presets};

/// Whether output may be coloured: only on a terminal, and never with `NO_COLOR`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Coloured,
}

impl Style {
    /// What suits the standard output.
    pub(super) fn of_stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if std::io::stdout().is_terminal() && !refused {
            Self::Coloured
        } else {
            Self::Plain
        }
    }

    /// A text that needs attention.
    pub(super) fn alarm(self, text: impl ToString) -> Cell {
        let cell = Cell::new(text);
        match self {
            Self::Plain => cell,
            Self::Coloured => cell.fg(Color::Red),
        }
    }

    /// A table with these columns. Numbers stand to the right under columns whose name begins with `>`.
    pub(super) fn table(self, columns: &[&str]) -> Columns {
        let mut table = Table::new();
        table
            .load_preset(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled);
        match self {
            Self::Plain => table.force_no_tty(),
            Self::Coloured => table.enforce_styling(),
        };
        let header = columns.iter().map(|name| {
            let cell = Cell::new(name.trim_start_matches('>'));
            match self {
                Self::Plain => cell,
                Self::Coloured => cell.add_attribute(Attribute::Bold),
            }
        });
        table.set_header(header);
        for (index, name) in columns.iter().enumerate() {
            if let Some(column) = table.column_mut(index) {
                column.set_padding((0, 2));
                if name.starts_with('>') {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
        }
        Columns(table)
    }
}

/// A table that is being filled.
pub(super) struct Columns(Table);

impl Columns {
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.0.add_row(cells.into_iter().collect::<Vec<_>>());
    }

    /// The lines of the table, each with its newline and without spaces at its end.
    pub(super) fn into_text(self) -> String {
        self.0
            .lines()
            .map(|line| format!("{}\n", line.trim_end()))
            .collect()
    }
}
