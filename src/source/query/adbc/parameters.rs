//! The values of `parameters` as the row that a driver binds.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{ArrowError, Field, Schema};

use super::error::AdbcError;
use crate::source::query::{Parameter, Query};

type NamedParameter = (String, Parameter);

/// The values of `query` in the places that its prepared statement has for them: those of `known` if it names each, else
/// the job's order, as for `?` and `$1`.
///
/// # Errors
///
/// Names that are not the job's; more than one name in a query of a driver that knows places alone (DuckDB's numbers names
/// in an order of its own).
pub(super) fn in_places<'a>(
    name: &str,
    query: &'a Query,
    known: Option<&Schema>,
) -> Result<Vec<&'a NamedParameter>, AdbcError> {
    let values = &query.parameters;
    let fields: Vec<_> = known.iter().flat_map(|it| it.fields().iter()).collect();
    let names: Vec<&str> = fields.iter().filter_map(|it| stem(it.name())).collect();
    if names.is_empty() {
        let written = values.iter().find(|(it, _)| is_written(&query.text, it));
        return match written {
            Some((parameter, _)) if values.len() > 1 => Err(AdbcError::ParameterPlaces {
                name: name.to_owned(),
                parameter: parameter.clone(),
            }),
            _ => Ok(values.iter().collect()),
        };
    }
    let place = |name: &&str| values.iter().find(|(it, _)| it == name);
    match names.iter().map(place).collect::<Option<Vec<_>>>() {
        Some(places) if places.len() == values.len() && names.len() == fields.len() => Ok(places),
        _ => Err(AdbcError::ParametersDiffer {
            name: name.to_owned(),
            known: names.join(", "),
        }),
    }
}

/// Whether a parameter stands by its name in the text, be it in a comment.
fn is_written(text: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).any(|(place, _)| {
        let (before, after) = (&text[..place], &text[place + name.len()..]);
        before.ends_with([':', '$', '@']) && !after.starts_with(is_word)
    })
}

/// The name of a parameter without the sign before it; none for a number or a sign alone.
fn stem(name: &str) -> Option<&str> {
    let stem = name.trim_start_matches([':', '$', '@', '?']);
    (!stem.bytes().all(|byte| byte.is_ascii_digit())).then_some(stem)
}

/// One row with the values as columns.
pub(super) fn row(values: &[&NamedParameter]) -> Result<RecordBatch, ArrowError> {
    let column = |(name, value): &&NamedParameter| {
        let array: ArrayRef = match value {
            Parameter::Boolean(value) => Arc::new(BooleanArray::from(vec![*value])),
            Parameter::Integer(value) => Arc::new(Int64Array::from(vec![*value])),
            Parameter::Float(value) => Arc::new(Float64Array::from(vec![*value])),
            Parameter::Text(value) => Arc::new(StringArray::from(vec![value.as_str()])),
        };
        (Field::new(name, array.data_type().clone(), true), array)
    };
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = values.iter().map(column).unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_schema::DataType;

    fn query(text: &str) -> Query {
        let since = Parameter::Text("2026-01-01".to_owned());
        let parameters = [
            ("since", since),
            ("least", Parameter::Integer(3)),
            ("share", Parameter::Float(0.5)),
            ("all", Parameter::Boolean(true)),
        ];
        let named = |(name, value): (&str, Parameter)| (name.to_owned(), value);
        Query {
            text: text.to_owned(),
            parameters: parameters.map(named).into(),
        }
    }

    /// The names in the order in which they are bound.
    fn bound(text: &str, known: Option<&[&str]>) -> Result<Vec<String>, String> {
        let field = |name: &&str| Field::new(*name, DataType::Null, true);
        let known = known.map(|it| Schema::new(it.iter().map(field).collect::<Vec<_>>()));
        let query = query(text);
        let places = in_places("x", &query, known.as_ref()).map_err(|error| error.to_string())?;
        let row = row(&places).unwrap();
        assert_eq!(row.num_rows(), 1);
        let schema = row.schema();
        Ok(schema.fields().iter().map(|it| it.name().clone()).collect())
    }

    #[test]
    fn values_go_to_the_names_of_the_query_or_keep_their_order() {
        let text = "SELECT ?, ?, ?, ? -- least(all) :sincere";
        for known in [
            &["1", "2", "3", "4"][..],
            &["?", "?", "?", "?"],
            &["$1", "$2", "$3", "$4"],
            &["", "", "", ""],
            &[],
        ] {
            let names = bound(text, Some(known)).unwrap();
            assert_eq!(names, ["since", "least", "share", "all"]);
        }
        let names = bound(text, None).unwrap();
        assert_eq!(names, ["since", "least", "share", "all"]);
        for known in [
            ["all", "since", "share", "least"],
            [":all", ":since", ":share", ":least"],
        ] {
            let names = bound(":since :all :least :share", Some(&known)).unwrap();
            assert_eq!(names, ["all", "since", "share", "least"]);
        }
    }

    #[test]
    fn names_that_are_not_those_of_the_job_are_told() {
        for known in [
            &["since", "least", "share"][..],
            &["since", "least", "share", "every"],
            &["since", "least", "share", "2"],
        ] {
            let told = bound("", Some(known)).unwrap_err();
            assert!(told.contains("since, least, share"), "{told}");
        }
    }

    #[test]
    fn names_whose_places_are_not_known_are_refused() {
        for text in ["$all, $since, $least, $share", "x=:least", "@all)"] {
            for known in [Some(&["1", "2", "3", "4"][..]), None] {
                let told = bound(text, known).unwrap_err();
                assert!(told.contains("by their places"), "{told}");
            }
        }
    }
}
