//! `docs/api.md`, the description for people, says the same.

use super::*;

const DOCUMENTATION: &str = include_str!("../../../../../docs/api.md");

/// The cells of every row of every table that has at least two.
fn rows() -> impl Iterator<Item = Vec<&'static str>> {
    DOCUMENTATION
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|row| row.split(" | ").collect::<Vec<_>>())
        .filter(|row| row.len() > 1)
}

/// What stands between backquotes.
fn quoted(cell: &'static str) -> impl Iterator<Item = &'static str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn every_code_with_its_status() {
    let documented: BTreeSet<(u16, &str)> = rows()
        .filter_map(|row| Some((row[0].parse().ok()?, row[1])))
        .filter(|(status, _)| (400..600).contains(status))
        .flat_map(|(status, codes)| quoted(codes).map(move |code| (status, code)))
        .collect();
    assert_eq!(documented, described_codes());
}

#[test]
fn every_route_with_its_methods() {
    let documented: BTreeSet<(&str, String)> = rows()
        .filter(|row| row[0].starts_with("`/"))
        .flat_map(|row| quoted(row[0]).map(move |path| (path, row[1])))
        .flat_map(|(path, methods)| {
            let methods: Vec<_> = match methods.starts_with("any method") {
                // The description has it once, and the rest in words.
                true => vec!["get".to_owned()],
                false => quoted(methods).map(str::to_lowercase).collect(),
            };
            methods.into_iter().map(move |method| (path, method))
        })
        .filter(|(_, method)| METHODS.contains(&&method[..]))
        .collect();
    let described = operations().map(|(path, method, _)| (path, method.to_owned()));
    assert_eq!(documented, described.collect::<BTreeSet<_>>());
}

/// Its examples are answers, too, but for the token that is cut short and the JSON that shows one of several tokens.
#[test]
fn every_example_is_one_of_the_description() {
    let mut described = Vec::new();
    examples::with_examples(&DESCRIPTION, &mut |_, example| described.push(example));
    let mut blocks = DOCUMENTATION.split("```json\n").skip(1).peekable();
    assert!(blocks.peek().is_some());
    for block in blocks {
        let block = block.split("```").next().unwrap();
        let documented: Value = serde_json::from_str(block).unwrap();
        assert!(
            described
                .iter()
                .any(|example| is_part(&documented, example)),
            "{block}"
        );
    }
}

/// Whether `whole` has all that `part` has; an ellipsis stands for the rest of a string.
fn is_part(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => part
            .iter()
            .all(|(name, value)| whole.get(name).is_some_and(|whole| is_part(value, whole))),
        (Value::String(part), Value::String(whole)) => match part.strip_suffix('\u{2026}') {
            Some(beginning) => whole.starts_with(beginning),
            None => part == whole,
        },
        _ => part == whole,
    }
}
