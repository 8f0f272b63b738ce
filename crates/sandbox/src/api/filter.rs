//! The `filter` parameter: `equals(email,"a@x.example")`, `any(id,["1","2"])`, several joined by commas, which means "and".

use jiff::Timestamp;

use super::refusal::Refusal;

/// Most values in one `any(…)`. Klaviyo documents none; no public code sends more than this (facts B1).
const MAX_ANY_VALUES: usize = 100;

/// The operator of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    /// The one value.
    Equals,
    /// One of the values.
    Any,
    /// A later time.
    GreaterThan,
    /// That time or a later one.
    GreaterOrEqual,
    /// An earlier time.
    LessThan,
    /// That time or an earlier one.
    LessOrEqual,
}

impl Operator {
    /// Equality, for fields that are texts.
    pub(super) const SAME: &'static [Self] = &[Self::Equals, Self::Any];

    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "equals" => Self::Equals,
            "any" => Self::Any,
            "greater-than" => Self::GreaterThan,
            "greater-or-equal" => Self::GreaterOrEqual,
            "less-than" => Self::LessThan,
            "less-or-equal" => Self::LessOrEqual,
            _ => return None,
        })
    }
}

/// One condition; there is at least one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    /// The field.
    pub(super) field: String,
    operator: Operator,
    /// The value that it is compared with.
    pub(super) values: Vec<String>,
}

impl Condition {
    /// True when the condition holds for a text.
    pub(super) fn holds(&self, text: &str) -> bool {
        self.values.iter().any(|value| value == text)
    }

    /// True when the condition holds for a time.
    pub(super) fn holds_at(&self, time: Timestamp) -> bool {
        let values = self.values.iter();
        let mut times = values.filter_map(|value| value.parse::<Timestamp>().ok());
        times.any(|value| match self.operator {
            Operator::Equals | Operator::Any => time == value,
            Operator::GreaterThan => time > value,
            Operator::GreaterOrEqual => time >= value,
            Operator::LessThan => time < value,
            Operator::LessOrEqual => time <= value,
        })
    }
}

/// Reads a filter; only these fields with these operators are allowed.
pub(super) fn parse(
    text: Option<&str>,
    allowed: &[(&str, &[Operator])],
) -> Result<Vec<Condition>, Refusal> {
    let mut conditions = Vec::new();
    let mut rest = text.unwrap_or_default().trim();
    while !rest.is_empty() {
        let (condition, tail) = condition(rest).ok_or_else(|| refuse("cannot be read"))?;
        let may = allowed.iter().any(|(field, operators)| {
            *field == condition.field && operators.contains(&condition.operator)
        });
        if !may {
            return Err(refuse("the field or its operator is not allowed here"));
        }
        if condition.values.len() > MAX_ANY_VALUES {
            return Err(refuse("more than 100 values in any()"));
        }
        conditions.push(condition);
        rest = match tail.strip_prefix(',') {
            Some(more) if !more.is_empty() => more,
            None if tail.is_empty() => tail,
            _ => return Err(refuse("cannot be read")),
        };
    }
    Ok(conditions)
}

fn refuse(detail: &str) -> Refusal {
    Refusal::parameter("filter", detail)
}

/// Reads one condition and gives what comes behind it.
fn condition(text: &str) -> Option<(Condition, &str)> {
    let (operator, rest) = text.split_once('(')?;
    let operator = Operator::parse(operator.trim())?;
    let (field, rest) = rest.split_once(',')?;
    let rest = rest.trim_start();
    let (values, rest) = match rest.strip_prefix('[') {
        Some(items) => list(items)?,
        None if operator == Operator::Any => return None,
        None => value(rest).map(|(value, rest)| (vec![value], rest))?,
    };
    let single = operator == Operator::Any || values.len() == 1;
    let condition = Condition {
        field: field.trim().to_owned(),
        operator,
        values,
    };
    let rest = rest.trim_start().strip_prefix(')')?;
    single.then_some((condition, rest))
}

/// Reads the values of a list, whose bracket has been opened.
fn list(mut rest: &str) -> Option<(Vec<String>, &str)> {
    let mut values = Vec::new();
    loop {
        let (value, tail) = value(rest)?;
        values.push(value);
        let tail = tail.trim_start();
        match tail.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Some((values, tail.strip_prefix(']')?)),
        }
    }
}

/// Reads a text in quotes (as JSON, or in single ones), or a bare time.
fn value(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start();
    if text.starts_with('"') {
        let mut stream = serde_json::Deserializer::from_str(text).into_iter::<String>();
        let value = stream.next()?.ok()?;
        return Some((value, text.get(stream.byte_offset()..)?));
    }
    if let Some(quoted) = text.strip_prefix('\'') {
        let (value, rest) = quoted.split_once('\'')?;
        return Some((value.to_owned(), rest));
    }
    let end = text.find([',', ')', ']'])?;
    let (value, rest) = text.split_at(end);
    value
        .parse::<Timestamp>()
        .is_ok()
        .then(|| (value.to_owned(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: &[(&str, &[Operator])] = &[
        ("email", Operator::SAME),
        ("created", &[Operator::GreaterThan]),
    ];

    #[test]
    fn filters_are_read() {
        for (text, values) in [
            (
                r#"equals(email,"a\"b@x.example")"#,
                vec![vec!["a\"b@x.example"]],
            ),
            ("equals(email,['a'])", vec![vec!["a"]]),
            (r#"any(email,["a", "b)"])"#, vec![vec!["a", "b)"]]),
            (
                r#"any(email,["a"]),greater-than(created,2026-01-02T03:04:05Z)"#,
                vec![vec!["a"], vec!["2026-01-02T03:04:05Z"]],
            ),
            ("", vec![]),
        ] {
            let read = parse(Some(text), ALLOWED).unwrap();
            let read: Vec<_> = read.into_iter().map(|it| it.values).collect();
            assert_eq!(read, values, "{text}");
        }
    }

    #[test]
    fn other_filters_are_refused() {
        let many = format!("any(email,[{}])", vec!["\"a\""; 101].join(","));
        for text in [
            "email",
            "equals(email)",
            "equals(email,a)",
            "equals(email,\"a\"",
            "equals(email,[\"a\",\"b\"])",
            "equals(email,\"a\"),",
            "any(email,\"a\")",
            "any(email,[])",
            "equals(name,\"a\")",
            "greater-than(email,\"a\")",
            "equals(email,\"a\")equals(email,\"a\")",
            &many,
        ] {
            assert!(parse(Some(text), ALLOWED).is_err(), "{text}");
        }
    }
}
