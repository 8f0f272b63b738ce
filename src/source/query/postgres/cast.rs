//! The query inside a `COPY` whose columns are cast by the rules for typed values, on the server.
//!
//! A type without a rule stays as it is: `COPY` then calls the type's own output function, which costs nothing more.

use postgres::types::{Kind, Type};

use crate::source::day_time::DayTime;
use crate::source::query::CellForm;

/// `COPY` of `query` (without a semicolon), whose columns have these types. Dates get this time of day.
pub(super) fn copy(query: &str, types: &[Type], day_time: DayTime) -> String {
    let names: Vec<String> = (1..=types.len())
        .map(|number| format!("c{number}"))
        .collect();
    let mut cells: Vec<String> = names
        .iter()
        .zip(types)
        .map(|(name, data_type)| cell(name, data_type, day_time))
        .collect();
    if let [only] = &mut cells[..] {
        // The line of a NULL would be empty, and no record; an empty text is quoted.
        *only = format!("COALESCE(({only})::text, '')");
    }
    format!(
        "COPY (SELECT {} FROM ({query}\n) AS q ({})) TO STDOUT (FORMAT csv)",
        cells.join(", "),
        names.join(", ")
    )
}

/// A CSV line of these names.
pub(super) fn header<'a>(names: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let cells: Vec<String> = names
        .map(|name| format!("\"{}\"", name.replace('"', "\"\"")))
        .collect();
    format!("{}\n", cells.join(",")).into_bytes()
}

/// The type under a domain.
fn base(data_type: &Type) -> &Type {
    match data_type.kind() {
        Kind::Domain(inner) => base(inner),
        _ => data_type,
    }
}

/// The type of the elements, if it is an array.
fn element(data_type: &Type) -> Option<&Type> {
    match data_type.kind() {
        Kind::Array(inner) if ![Type::INT2_VECTOR, Type::OID_VECTOR].contains(data_type) => {
            Some(base(inner))
        }
        _ => None,
    }
}

fn cell(value: &str, data_type: &Type, day_time: DayTime) -> String {
    let data_type = base(data_type);
    if let Some(element) = element(data_type) {
        return array(value, element, day_time);
    }
    scalar(value, data_type, day_time).unwrap_or_else(|| value.to_owned())
}

/// The form in which [`copy`] gives the cells of this type.
pub(super) fn form(data_type: &Type) -> CellForm {
    let data_type = base(data_type);
    let is_list = element(data_type).is_some();
    match *element(data_type).unwrap_or(data_type) {
        Type::BYTEA if is_list => CellForm::ByteList,
        Type::BYTEA => CellForm::Bytes,
        Type::FLOAT4
        | Type::FLOAT8
        | Type::NUMERIC
        | Type::DATE
        | Type::TIMESTAMP
        | Type::TIMESTAMPTZ
            if is_list =>
        {
            CellForm::List
        }
        Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC => CellForm::Number,
        Type::DATE | Type::TIMESTAMP | Type::TIMESTAMPTZ => CellForm::Time,
        _ => CellForm::Text,
    }
}

/// The type that a value is cast to, if it is cast.
fn scalar(value: &str, data_type: &Type, day_time: DayTime) -> Option<String> {
    Some(match *data_type {
        Type::BOOL => format!("CASE {value} WHEN true THEN 'True' WHEN false THEN 'False' END"),
        // Only the shortest digits with an exponent go through numeric, which is slow.
        Type::FLOAT4 => float(value, "1e5"),
        Type::FLOAT8 => float(value, "1e15"),
        Type::NUMERIC => format!("CASE WHEN {value} <> 'NaN' THEN {value} END"),
        Type::DATE => in_calendar(value, "date", &format!("({value} + time '{day_time}')")),
        Type::TIMESTAMP => in_calendar(
            value,
            "timestamp",
            &format!("date_trunc('second', {value})"),
        ),
        Type::TIMESTAMPTZ => in_calendar(
            value,
            "timestamptz",
            &format!("date_trunc('second', {value} AT TIME ZONE 'UTC')"),
        ),
        _ => return None,
    })
}

fn float(value: &str, no_exponent_below: &str) -> String {
    format!(
        "CASE WHEN {value} = 0 THEN '0' \
         WHEN abs({value}) >= 1e-3 AND abs({value}) < {no_exponent_below} THEN {value}::text \
         WHEN abs({value}) < 'Infinity' THEN {value}::text::numeric::text \
         WHEN {value} <> 'NaN' THEN {value}::text END"
    )
}

/// The cast of a time, or the server's own text for infinities and for years that do not have four digits.
fn in_calendar(value: &str, data_type: &str, cast: &str) -> String {
    let is_inside = is_in_calendar(value, data_type);
    format!("CASE WHEN {is_inside} THEN {cast}::text ELSE {value}::text END")
}

fn is_in_calendar(value: &str, data_type: &str) -> String {
    let zone = if data_type == "timestamptz" {
        " 00:00:00+00"
    } else {
        ""
    };
    format!(
        "{value} >= {data_type} '0001-01-01{zone}' AND {value} < {data_type} '10000-01-01{zone}'"
    )
}

/// The array `value`, whose elements are of the type of this name, as a JSON array.
#[cfg(feature = "adbc")]
pub(in super::super) fn array_of(value: &str, element: &str, day_time: DayTime) -> String {
    array(value, &type_of(element), day_time)
}

/// Whether values that it leaves out stand behind an array of elements of this type.
#[cfg(feature = "adbc")]
pub(in super::super) fn has_values_behind(element: &str) -> bool {
    !matches!(form(&type_of(element)), CellForm::Text)
}

/// The type of this name, as far as [`array`] has a rule for it.
#[cfg(feature = "adbc")]
fn type_of(name: &str) -> Type {
    match name {
        "bool" => Type::BOOL,
        "int2" => Type::INT2,
        "int4" => Type::INT4,
        "int8" => Type::INT8,
        "float4" => Type::FLOAT4,
        "float8" => Type::FLOAT8,
        "numeric" => Type::NUMERIC,
        "date" => Type::DATE,
        "timestamp" => Type::TIMESTAMP,
        "timestamptz" => Type::TIMESTAMPTZ,
        _ => Type::TEXT,
    }
}

/// A JSON array without blanks: numbers, `true`, `false` and `null` bare, all else as texts. Behind an array of numbers
/// or of times stand those that have no text; they are `null` in it.
fn array(value: &str, element: &Type, day_time: DayTime) -> String {
    match *element {
        Type::BOOL | Type::INT2 | Type::INT4 | Type::INT8 => format!("array_to_json({value})"),
        Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC => {
            let finite = ["NaN", "Infinity", "-Infinity"]
                .iter()
                .fold(format!("{value}::text[]"), |array, word| {
                    format!("array_replace({array}, '{word}', NULL)")
                });
            let behind = |word: &str| {
                format!("CASE WHEN '{word}' = ANY({value}::text[]) THEN ' {word}' ELSE '' END")
            };
            format!(
                "array_to_json({finite}::numeric[])::text || {} || {}",
                behind("Infinity"),
                behind("-Infinity")
            )
        }
        Type::DATE | Type::TIMESTAMP | Type::TIMESTAMPTZ => {
            let item = scalar("e", element, day_time).unwrap_or_default();
            let is_inside = is_in_calendar("e", element.name());
            format!(
                "CASE WHEN {value} IS NOT NULL THEN array_to_json(ARRAY(SELECT CASE WHEN {is_inside} THEN {item} END \
                 FROM unnest({value}) WITH ORDINALITY AS u (e, n) ORDER BY n))::text \
                 || COALESCE((SELECT ' ' || string_agg(e::text, ', ') FROM unnest({value}) AS u (e) WHERE NOT ({is_inside})), '') END"
            )
        }
        _ => format!("array_to_json({value}::text[])"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_needs_no_cast_has_none() {
        assert_eq!(
            copy(
                "SELECT 1, 'a' -- b",
                &[Type::INT4, Type::TEXT],
                DayTime::NOON
            ),
            "COPY (SELECT c1, c2 FROM (SELECT 1, 'a' -- b\n) AS q (c1, c2)) TO STDOUT (FORMAT csv)"
        );
    }

    #[test]
    fn types_have_their_forms() {
        for (data_type, form_of_it) in [
            (Type::TEXT, CellForm::Text),
            (Type::INT8, CellForm::Text),
            (Type::INT8_ARRAY, CellForm::Text),
            (Type::FLOAT4, CellForm::Number),
            (Type::NUMERIC_ARRAY, CellForm::List),
            (Type::DATE, CellForm::Time),
            (Type::TIMESTAMPTZ_ARRAY, CellForm::List),
            (Type::BYTEA, CellForm::Bytes),
            (Type::BYTEA_ARRAY, CellForm::ByteList),
        ] {
            assert_eq!(form(&data_type), form_of_it, "{data_type}");
        }
    }

    #[test]
    fn a_null_in_the_only_column_is_a_record() {
        assert_eq!(
            copy("q", &[Type::UUID], DayTime::NOON),
            "COPY (SELECT COALESCE((c1)::text, '') FROM (q\n) AS q (c1)) TO STDOUT (FORMAT csv)"
        );
    }

    #[test]
    fn names_are_quoted() {
        let names = ["a", "b\"c", "d,\ne"];
        assert_eq!(header(names.into_iter()), b"\"a\",\"b\"\"c\",\"d,\ne\"\n");
    }
}
