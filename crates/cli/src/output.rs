//! Tables and lists of facts, as text and as JSON.
//!
//! Owns: their layout. Never: prints.

use ostler_base::{Json, JsonMap};

/// Rows under headings.
#[derive(Debug)]
pub(crate) struct Table {
    /// The headings.
    pub(crate) columns: Vec<&'static str>,
    /// The rows, each with a value per column.
    pub(crate) rows: Vec<Vec<Json>>,
}

fn text(value: &Json) -> String {
    match value {
        Json::Null => "-".to_owned(),
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The member of an object that stands for a heading or a label.
fn key(label: &str) -> String {
    label.trim_end_matches(':').replace("(s)", "s").replace(' ', "_").to_lowercase()
}

impl Table {
    /// As text; without headings on request.
    pub(crate) fn text(&self, headings: bool) -> String {
        let mut lines: Vec<Vec<String>> = Vec::new();
        if headings {
            lines.push(self.columns.iter().map(|c| (*c).to_owned()).collect());
        }
        lines.extend(self.rows.iter().map(|row| row.iter().map(text).collect()));
        let width = |column: usize| {
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let mut out = String::new();
        for (index, line) in lines.iter().enumerate() {
            out.push(' ');
            let last = line.len().saturating_sub(1);
            for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
                out.push_str(cell);
                if column != last {
                    let blanks = width.saturating_sub(cell.chars().count()) + 3;
                    out.push_str(&" ".repeat(blanks));
                }
            }
            out.push('\n');
            if headings && index == 0 {
                out.push_str(&"-".repeat(widths.iter().map(|width| width + 3).sum()));
                out.push('\n');
            }
        }
        out
    }

    /// The rows as plain words.
    pub(crate) fn words(&self) -> String {
        let line = |row: &Vec<Json>| row.iter().map(text).collect::<Vec<_>>().join(" ") + "\n";
        self.rows.iter().map(line).collect()
    }

    /// As an array of objects.
    pub(crate) fn json(&self) -> Json {
        let object = |row: &Vec<Json>| {
            let members = self.columns.iter().zip(row).map(|(column, value)| (key(column), value.clone()));
            Json::Object(members.collect::<JsonMap>())
        };
        Json::Array(self.rows.iter().map(object).collect())
    }
}

/// Labels with a value each.
#[derive(Debug)]
pub(crate) struct Facts {
    /// How much room a label has.
    pub(crate) width: usize,
    /// Labels and values.
    pub(crate) pairs: Vec<(&'static str, String)>,
}

impl Facts {
    /// As text.
    pub(crate) fn text(&self) -> String {
        let line = |(label, value): &(&str, String)| format!("{label:<0$} {value}\n", self.width);
        self.pairs.iter().map(line).collect()
    }

    /// As an object.
    pub(crate) fn json(&self) -> Json {
        let members = self.pairs.iter().map(|(label, value)| (key(label), Json::String(value.clone())));
        Json::Object(members.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ostler_base::json::json;

    #[test]
    fn table() {
        let mut table = Table { columns: vec!["Id", "Name", "State"], rows: Vec::new() };
        assert_eq!(table.text(true), " Id   Name   State\n--------------------\n");
        assert_eq!(table.text(false), "");
        table.rows.push(vec![Json::Null, json!("alpha"), json!("shut off")]);
        table.rows.push(vec![json!(3), json!("b"), json!("")]);
        let text = " Id   Name    State\n------------------------\n -    alpha   shut off\n 3    b       \n";
        assert_eq!(table.text(true), text);
        assert_eq!(table.text(false), " -   alpha   shut off\n 3   b       \n");
        assert_eq!(table.words(), "- alpha shut off\n3 b \n");
        let json =
            json!([{"id": null, "name": "alpha", "state": "shut off"}, {"id": 3, "name": "b", "state": ""}]);
        assert_eq!(table.json(), json);
    }

    #[test]
    fn facts() {
        let pairs = vec![("CPU(s):", "2".to_owned()), ("Max memory:", "1 KiB".to_owned())];
        let facts = Facts { width: 12, pairs };
        assert_eq!(facts.text(), "CPU(s):      2\nMax memory:  1 KiB\n");
        assert_eq!(facts.json(), json!({"cpus": "2", "max_memory": "1 KiB"}));
    }
}
