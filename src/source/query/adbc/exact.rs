//! Values that a driver would hand over changed: how it is told not to, and what is left to refuse.
//!
//! PostgreSQL's driver gives bytes of the protocol for types that it does not know, `money` in cents, `oid` as a number
//! with a sign, and forgets the shape of arrays: such columns are cast by the server, as they are by `COPY`. DuckDB's driver
//! tells them by Arrow's extension types once it is asked to.

use arrow_schema::{DataType, Field, Schema};

use super::super::postgres::{cast, text};
use crate::source::audience::{LIST_TEXT, STORED};
use crate::source::day_time::DayTime;

/// The type's name in a field's metadata, from PostgreSQL's driver.
const POSTGRES_TYPE: &str = "POSTGRESQL:type";

/// The statement that makes an engine's session hand over values whole; none where there is none.
pub(super) fn setting(driver: &str) -> Option<&'static str> {
    if is_of(driver, "duckdb") {
        Some("SET arrow_lossless_conversion = true")
    } else if is_of(driver, "postgres") {
        Some("SET intervalstyle = iso_8601")
    } else {
        None
    }
}

/// Whether the file of the driver has this word in its name.
pub(super) fn is_of(driver: &str, word: &str) -> bool {
    let file = std::path::Path::new(driver).file_name().unwrap_or_default();
    file.to_string_lossy().to_ascii_lowercase().contains(word)
}

/// The marks that say how the texts of columns are to be read.
#[derive(Debug)]
pub(super) struct Marks {
    mark: &'static str,
    /// The columns that have it; every column has it if there is none.
    columns: Option<Vec<usize>>,
}

impl Marks {
    /// Texts are texts.
    pub(super) fn none() -> Self {
        Self {
            mark: LIST_TEXT,
            columns: Some(Vec::new()),
        }
    }

    /// Each value stands behind the letter of its type.
    pub(super) fn stored() -> Self {
        Self {
            mark: STORED,
            columns: None,
        }
    }

    /// Those of the JSON arrays that [`cast_by_server`] makes, with values behind them.
    pub(super) fn lists(schema: &Schema) -> Self {
        Self {
            mark: LIST_TEXT,
            columns: Some(list_texts(schema)),
        }
    }

    /// `schema` with the marks.
    pub(super) fn on(&self, schema: &Schema) -> Schema {
        let fields = schema.fields().iter().enumerate();
        let fields = fields.map(|(index, field)| {
            let field = field.as_ref().clone();
            let columns = self.columns.as_ref();
            if columns.is_some_and(|columns| !columns.contains(&index)) {
                return field;
            }
            let mut metadata = field.metadata().clone();
            metadata.insert(self.mark.to_owned(), String::new());
            field.with_metadata(metadata)
        });
        Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone())
    }
}

/// The columns of PostgreSQL's driver that are JSON arrays with values behind them once they are cast.
fn list_texts(schema: &Schema) -> Vec<usize> {
    let is_list = |field: &Field| {
        let element = field.metadata().get(POSTGRES_TYPE);
        let element = element.and_then(|name| name.strip_prefix('_'));
        element.is_some_and(cast::has_values_behind)
    };
    let fields = schema.fields().iter().enumerate();
    let lists = fields.filter(|(_, field)| is_list(field));
    lists.map(|(index, _)| index).collect()
}

/// `query` with casts around the columns of PostgreSQL's driver that would come changed; `None` if there are none.
/// Dates in arrays get this time of day.
pub(super) fn cast_by_server(query: &str, schema: &Schema, day_time: DayTime) -> Option<String> {
    let fields = schema.fields();
    let casts = fields.iter().enumerate().map(|(index, field)| {
        let name = format!("c{}", index + 1);
        cast_of(&name, field, day_time)
    });
    let casts: Vec<Option<String>> = casts.collect();
    if casts.iter().all(Option::is_none) {
        return None;
    }
    let names = (1..=fields.len()).map(|number| format!("c{number}"));
    let names: Vec<String> = names.collect();
    let cells = casts.into_iter().zip(&names).zip(fields);
    let cells = cells.map(|((cast, name), field)| {
        let cast = cast.unwrap_or_else(|| name.clone());
        format!("{cast} AS \"{}\"", field.name().replace('"', "\"\""))
    });
    let cells: Vec<String> = cells.collect();
    Some(format!(
        "SELECT {} FROM ({}\n) AS q ({})",
        cells.join(", "),
        text::bare(query),
        names.join(", ")
    ))
}

fn cast_of(name: &str, field: &Field, day_time: DayTime) -> Option<String> {
    let type_name = field.metadata().get(POSTGRES_TYPE)?;
    if let Some(element) = type_name.strip_prefix('_') {
        if element == "bytea" {
            // The driver has a list of bytes for it.
            return None;
        }
        let array = cast::array_of(name, element, day_time);
        return Some(format!("({array})::text"));
    }
    let is_changed = ["money", "oid", "int2vector", "oidvector"].contains(&&**type_name);
    // The type's own output, as COPY has it: a cast of `inet` to text adds the length of its net.
    (is_changed || foreign(field).is_some()).then(|| format!("format('%s', {name})"))
}

/// The first column of a type for which nobody but its engine has a text: its name, and its type's.
pub(super) fn untold(schema: &Schema) -> Option<(String, String)> {
    let mut fields = schema.fields().iter();
    fields.find_map(|field| Some((field.name().clone(), foreign(field)?)))
}

/// The type of a field's values, or of a list's items, if they come as bytes that cannot be read.
fn foreign(field: &Field) -> Option<String> {
    match field.data_type() {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => return foreign(item),
        _ => {}
    }
    let (type_name, vendor) = crate::source::audience::foreign_type(field)?;
    let is_text = matches!(
        field.data_type(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    );
    let is_read =
        vendor == "DuckDB" && ["bit", "hugeint", "uhugeint", "time_tz"].contains(&&*type_name);
    (!is_text && !is_read).then_some(type_name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use std::sync::Arc;

    fn field(name: &str, data_type: DataType, type_name: &str) -> Field {
        let metadata = HashMap::from([(POSTGRES_TYPE.to_owned(), type_name.to_owned())]);
        Field::new(name, data_type, true).with_metadata(metadata)
    }

    fn opaque(name: &str, type_name: &str, vendor: &str) -> Field {
        let told = format!("{{\"type_name\":\"{type_name}\",\"vendor_name\":\"{vendor}\"}}");
        let metadata = [
            ("ARROW:extension:name", "arrow.opaque"),
            ("ARROW:extension:metadata", &told),
            (POSTGRES_TYPE, type_name),
        ];
        let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Field::new(name, DataType::Binary, true).with_metadata(HashMap::from(metadata))
    }

    #[test]
    fn columns_that_would_come_changed_are_cast_and_no_others() {
        let plain = vec![
            field("a", DataType::Int32, "int4"),
            field("b", DataType::Utf8, "text"),
        ];
        assert_eq!(
            cast_by_server("SELECT 1, 'x'", &Schema::new(plain.clone()), DayTime::NOON),
            None
        );
        let item = Arc::new(Field::new("item", DataType::Int32, true));
        let changed = vec![
            field("m\"n", DataType::Int64, "money"),
            opaque("net", "inet", "PostgreSQL"),
            field("list", DataType::List(item), "_int4"),
        ];
        let schema = Schema::new([plain, changed].concat());
        assert_eq!(
            cast_by_server("SELECT * FROM t; -- all", &schema, DayTime::NOON).unwrap(),
            "SELECT c1 AS \"a\", c2 AS \"b\", format('%s', c3) AS \"m\"\"n\", \
             format('%s', c4) AS \"net\", (array_to_json(c5))::text AS \"list\" FROM (SELECT * FROM t\n) AS q (c1, c2, c3, c4, c5)"
        );
    }

    #[test]
    fn only_bytes_that_nobody_can_read_are_untold() {
        let of = |field: Field| untold(&Schema::new(vec![field]));
        let told = Some(("x".to_owned(), "bignum".to_owned()));
        assert_eq!(of(opaque("x", "bignum", "DuckDB")), told);
        let item = Arc::new(opaque("item", "bignum", "DuckDB"));
        assert_eq!(of(Field::new("x", DataType::List(item), true)), told);
        for name in ["bit", "hugeint", "uhugeint", "time_tz"] {
            assert_eq!(of(opaque("x", name, "DuckDB")), None);
        }
        let number = opaque("x", "numeric", "PostgreSQL").with_data_type(DataType::Utf8);
        assert_eq!(of(number), None);
        assert_eq!(of(Field::new("x", DataType::Binary, true)), None);
    }
}
