//! Evaluates set expressions as the RFC prints them: `X+(A-Y)`, `A-X-Y`, `A*B`.

use std::collections::BTreeSet;

use crate::model::Source;

/// The value of `expression`, in which `set` gives the value of each letter. Operators apply from left to right.
pub(crate) fn evaluate(expression: &str, set: &dyn Fn(char) -> BTreeSet<Source>) -> BTreeSet<Source> {
    let mut rest: Vec<char> = expression.chars().filter(|c| !c.is_whitespace()).collect();
    rest.reverse();
    let value = chain(&mut rest, set);
    assert!(rest.is_empty(), "{expression} has more to it");
    value
}

fn chain(rest: &mut Vec<char>, set: &dyn Fn(char) -> BTreeSet<Source>) -> BTreeSet<Source> {
    let mut value = operand(rest, set);
    while let Some(operator) = rest.pop_if(|c| "+-*".contains(*c)) {
        let right = operand(rest, set);
        value = match operator {
            '+' => value.union(&right).copied().collect(),
            '-' => value.difference(&right).copied().collect(),
            _ => value.intersection(&right).copied().collect(),
        };
    }
    value
}

fn operand(rest: &mut Vec<char>, set: &dyn Fn(char) -> BTreeSet<Source>) -> BTreeSet<Source> {
    match rest.pop().expect("an operand") {
        '(' => {
            let value = chain(rest, set);
            assert_eq!(rest.pop(), Some(')'));
            value
        }
        letter => set(letter),
    }
}
