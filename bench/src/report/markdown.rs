//! Tables and goals as Markdown.

use std::fmt::Write;

use super::{Causes, PLOTS};
use crate::model::{Bound, Cell, Goal, Results, Section, Table};

/// The whole document.
pub(super) fn results(results: &Results, causes: &Causes) -> String {
    let mut text = String::from(
        "# Measurements\n\n\
         Written by `cargo xtask bench`; the raw numbers are in [results.json](results.json). Each figure is the median \
         of its repetitions with the least and the greatest in parentheses; contestants take turns within each \
         repetition, and a ratio is the median of the ratios of the repetitions. The machine is a small virtual one: \
         ratios carry over to others, absolute numbers do not.\n\n",
    );
    let _ = write!(text, "## Where\n\n{}\n", results.machine);
    text.push_str("\n## Goals\n\n| | goal | measured | |\n|---|---|---|---|\n");
    for (section, goal) in goals(results) {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            section.suite,
            wanted(goal),
            measured(goal),
            verdict(goal)
        );
    }
    for section in &results.sections {
        text.push('\n');
        text.push_str(&self::section(section, causes));
    }
    text
}

/// One suite's part of the document.
pub(crate) fn section(section: &Section, causes: &Causes) -> String {
    let mut text = format!("## {}\n", section.title);
    for paragraph in &section.method {
        let _ = write!(text, "\n{paragraph}\n");
    }
    if !section.goals.is_empty() {
        text.push('\n');
    }
    for goal in &section.goals {
        let _ = writeln!(text, "- {}: {} ({})", verdict(goal), wanted(goal), measured(goal));
        if !goal.is_met()
            && let Some(cause) = causes.get(&goal.id)
        {
            let _ = writeln!(text, "  Cause: {}", cause.trim());
        }
    }
    for table in &section.tables {
        text.push_str(&self::table(table));
    }
    for plot in &section.plots {
        let _ = write!(text, "\n![{}]({PLOTS}/{}.svg)\n", plot.title, plot.file);
    }
    if !section.remarks.is_empty() {
        text.push_str("\nSeen on the way:\n\n");
        for remark in &section.remarks {
            let _ = writeln!(text, "- {remark}");
        }
    }
    text
}

fn goals(results: &Results) -> impl Iterator<Item = (&Section, &Goal)> {
    results
        .sections
        .iter()
        .flat_map(|section| section.goals.iter().map(move |goal| (section, goal)))
}

fn wanted(goal: &Goal) -> String {
    let (side, bound) = match goal.bound {
        Bound::AtMost(most) => ("at most", most),
        Bound::AtLeast(least) => ("at least", least),
    };
    let bound = goal
        .measured
        .as_ref()
        .map_or_else(|| bound.to_string(), |figure| figure.unit.text(bound));
    format!("{}: {side} {bound}", goal.what)
}

fn measured(goal: &Goal) -> String {
    goal.measured
        .as_ref()
        .map_or_else(|| "could not be measured".to_owned(), ToString::to_string)
}

fn verdict(goal: &Goal) -> &'static str {
    if goal.is_met() { "reached" } else { "**missed**" }
}

fn table(table: &Table) -> String {
    let mut text = format!("\n{}\n\n", table.caption);
    let _ = writeln!(text, "| {} |", table.columns.join(" | "));
    let _ = writeln!(text, "|{}", "---|".repeat(table.columns.len()));
    for (name, cells) in &table.rows {
        let _ = write!(text, "| {name} |");
        for cell in cells {
            let _ = match cell {
                Cell::Figure(figure) => write!(text, " {figure} |"),
                Cell::Text(words) => write!(text, " {words} |"),
            };
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Figure, Unit};

    fn a_section(ratio: f64) -> Section {
        let mut section = Section::new("What a packet costs", &["Each program ran by itself."]);
        let figure = Figure::once(Unit::Ratio, ratio);
        section.goals.push(Goal::new(
            "cost.x",
            "x, times its floor",
            Bound::AtMost(2.0),
            Some(figure.clone()),
        ));
        let mut table = Table::new("A table.", &["packet", "cost", "why not"]);
        table.row("x", vec![figure.into(), "no reason".into()]);
        section.tables.push(table);
        section
    }

    #[test]
    fn a_missed_goal_comes_with_its_cause() {
        let causes = Causes::from([("cost.x".to_owned(), "It is slow.".to_owned())]);
        let missed = section(&a_section(2.5), &causes);
        assert!(
            missed
                .contains("- **missed**: x, times its floor: at most 2.00× (2.50×)\n  Cause: It is slow.\n")
        );
        let reached = section(&a_section(1.5), &causes);
        assert!(reached.contains("- reached: x, times its floor: at most 2.00× (1.50×)\n"));
        assert!(!reached.contains("Cause"));
    }

    #[test]
    fn a_table_in_markdown() {
        let text = section(&a_section(1.5), &Causes::new());
        let wanted = "\nA table.\n\n| packet | cost | why not |\n|---|---|---|\n| x | 1.50× | no reason |\n";
        assert!(text.contains(wanted), "{text}");
    }

    #[test]
    fn a_goal_that_could_not_be_measured_is_missed() {
        let mut without = a_section(1.0);
        for goal in &mut without.goals {
            goal.measured = None;
        }
        let text = results(
            &Results {
                sections: vec![without],
                ..Results::default()
            },
            &Causes::new(),
        );
        assert!(
            text.contains("at most 2 | could not be measured | **missed** |"),
            "{text}"
        );
    }
}
