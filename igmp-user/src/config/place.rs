//! Where a key stands in the file, and which key stands at a place.

use std::ops::Range;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// A key with the tables that it is in, outermost first.
pub(super) type KeyPath = Vec<String>;

/// The keys of a file and their places.
#[derive(Debug)]
pub(super) struct Places {
    /// Byte ranges of the key and of its value, for every key of the file. Elements of arrays have their index as key.
    keys: Vec<(KeyPath, Range<usize>, Range<usize>)>,
    /// Byte offsets at which lines begin.
    lines: Vec<usize>,
}

impl Places {
    /// Reads the places of a file. What follows a syntax error may be missing.
    pub(super) fn of(text: &str) -> Self {
        let (table, _) = DeTable::parse_recoverable(text);
        let mut keys = Vec::new();
        walk_table(table.get_ref(), &mut Vec::new(), &mut keys);
        let lines = std::iter::once(0)
            .chain(text.match_indices('\n').map(|(index, _)| index + 1))
            .collect();
        Self { keys, lines }
    }

    /// The line of a byte offset, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.lines.partition_point(|&begin| begin <= offset)
    }

    /// The line of a key. Where the key is not in the file, because a default is at fault, that of the innermost table
    /// that is.
    pub(super) fn line_of(&self, path: &[String]) -> Option<usize> {
        (1..=path.len()).rev().find_map(|len| {
            let (_, key, value) = self.keys.iter().find(|(known, ..)| known[..] == path[..len])?;
            // An element of an array has no key of its own.
            let offset = if key.is_empty() { value.start } else { key.start };
            Some(self.line(offset))
        })
    }

    /// The innermost key at a byte offset: the one whose name or value is there.
    pub(super) fn key_at(&self, offset: usize) -> Option<&KeyPath> {
        self.keys
            .iter()
            .filter(|(_, key, value)| key.contains(&offset) || value.contains(&offset))
            .max_by_key(|(path, ..)| path.len())
            .map(|(path, ..)| path)
    }
}

/// A path as the operator would write it: names of interfaces that hold dots are quoted, elements of arrays counted from
/// 0 in brackets.
pub(super) fn dotted(path: &[String]) -> String {
    let mut text = String::new();
    for part in path {
        if part.starts_with('[') {
            text.push_str(part);
            continue;
        }
        if !text.is_empty() {
            text.push('.');
        }
        let bare = !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if bare {
            text.push_str(part);
        } else {
            text.push_str(&format!("{part:?}"));
        }
    }
    text
}

fn walk_table(
    table: &DeTable<'_>,
    path: &mut KeyPath,
    keys: &mut Vec<(KeyPath, Range<usize>, Range<usize>)>,
) {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        keys.push((path.clone(), key.span(), value.span()));
        walk_value(value, path, keys);
        path.pop();
    }
}

fn walk_value(
    value: &Spanned<DeValue<'_>>,
    path: &mut KeyPath,
    keys: &mut Vec<(KeyPath, Range<usize>, Range<usize>)>,
) {
    if let Some(table) = value.get_ref().as_table() {
        walk_table(table, path, keys);
    }
    let elements = value
        .get_ref()
        .as_array()
        .into_iter()
        .flat_map(|array| array.iter());
    for (index, element) in elements.enumerate() {
        path.push(format!("[{index}]"));
        keys.push((path.clone(), 0..0, element.span()));
        walk_value(element, path, keys);
        path.pop();
    }
}
