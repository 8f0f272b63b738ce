//! Values of SQLite, whose columns have no type: each value has its own.
//!
//! SQLite's driver gives a column the type of its first rows: a floating point number in a column of texts is cut to six
//! digits, a large integer among floating point numbers to fifteen, and a text after a thousand integers ends the query. So
//! a query around the job's own gives each value as a text behind a letter for its type.

use arrow_schema::Schema;

use super::super::postgres::text;

/// A query for the columns of `query`, and for no row of it.
pub(super) fn probe(query: &str) -> String {
    format!("SELECT * FROM ({}\n) LIMIT 0", text::bare(query))
}

/// Whether these are the names that the query gave: SQLite numbers names that come twice in a query inside another.
pub(super) fn has_names_of_its_own(schema: &Schema) -> bool {
    let numbered = |name: &String| {
        let number = name.rsplit_once(':').map(|(_, number)| number);
        number.is_some_and(|it| !it.is_empty() && it.bytes().all(|digit| digit.is_ascii_digit()))
    };
    !schema.fields().iter().any(|field| numbered(field.name()))
}

/// The query that gives each value behind the letter of its type (see `STORED` of the audience).
pub(super) fn with_letters(query: &str, schema: &Schema) -> String {
    let fields = schema.fields().iter().enumerate();
    let cells = fields.map(|(index, field)| {
        let cell = format!("c{}", index + 1);
        format!(
            "CASE typeof({cell}) WHEN 'null' THEN '' WHEN 'real' THEN 'r' || printf('%!.17g', {cell}) \
             WHEN 'blob' THEN 'b' || hex({cell}) ELSE 't' || {cell} END AS \"{}\"",
            field.name().replace('"', "\"\"")
        )
    });
    let cells: Vec<String> = cells.collect();
    let names = (1..=cells.len()).map(|number| format!("c{number}"));
    let names: Vec<String> = names.collect();
    format!(
        "WITH \"klaviyo-export\" ({}) AS ({}\n) SELECT {} FROM \"klaviyo-export\"",
        names.join(", "),
        text::bare(query),
        cells.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_schema::{DataType, Field};

    fn schema(names: &[&str]) -> Schema {
        let fields = names
            .iter()
            .map(|name| Field::new(*name, DataType::Null, true));
        Schema::new(fields.collect::<Vec<_>>())
    }

    #[test]
    fn the_query_stands_inside_another() {
        assert_eq!(
            probe("SELECT 1; -- all"),
            "SELECT * FROM (SELECT 1\n) LIMIT 0"
        );
        let query = with_letters("SELECT a FROM t -- all", &schema(&["a\"b"]));
        assert!(
            query.starts_with(
                "WITH \"klaviyo-export\" (c1) AS (SELECT a FROM t\n) SELECT CASE typeof(c1) "
            ),
            "{query}"
        );
        assert!(
            query.ends_with(" END AS \"a\"\"b\" FROM \"klaviyo-export\""),
            "{query}"
        );
    }

    #[test]
    fn names_that_come_twice_are_noticed() {
        assert!(has_names_of_its_own(&schema(&["a", "b:c", "d:"])));
        assert!(!has_names_of_its_own(&schema(&["a", "a:1"])));
    }
}
