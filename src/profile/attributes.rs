//! A finished row as the JSON that the API takes: what the header is in a CSV file, an attribute is here.

use serde_json::{Map, Value};

use super::column::ProfileColumn;

/// A custom property with more digits is no number: JSON readers keep 15 of them exactly.
const MAX_DIGITS: usize = 15;

impl ProfileColumn {
    /// The column whose header this is.
    pub fn of_header(header: &str) -> Self {
        Self::known()
            .find(|column| column.header() == header)
            .unwrap_or_else(|| Self::Custom(header.to_owned()))
    }

    /// The attribute that holds it, and the name in `location` or `properties` where it stands in one of these (OpenAPI,
    /// `ProfileUpsertQueryResourceObject` and `ProfileLocation`).
    pub fn attribute(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::Email => ("email", None),
            Self::PhoneNumber => ("phone_number", None),
            Self::ExternalID => ("external_id", None),
            Self::FirstName => ("first_name", None),
            Self::LastName => ("last_name", None),
            Self::Organization => ("organization", None),
            Self::Title => ("title", None),
            Self::Image => ("image", None),
            Self::Locale => ("locale", None),
            Self::Address1 => ("location", Some("address1")),
            Self::Address2 => ("location", Some("address2")),
            Self::City => ("location", Some("city")),
            Self::Region => ("location", Some("region")),
            Self::Country => ("location", Some("country")),
            Self::Zip => ("location", Some("zip")),
            Self::Latitude => ("location", Some("latitude")),
            Self::Longitude => ("location", Some("longitude")),
            Self::Timezone => ("location", Some("timezone")),
            Self::Custom(name) => ("properties", Some(name)),
        }
    }
}

/// The attributes of a row. A blank cell is left out: nothing is cleared, and null is never sent.
pub fn attributes<'a>(
    cells: impl Iterator<Item = (&'a ProfileColumn, &'a str)>,
) -> Map<String, Value> {
    let mut attributes = Map::new();
    for (column, cell) in cells.filter(|(_, cell)| !cell.is_empty()) {
        match column.attribute() {
            (name, None) => {
                attributes.insert(name.to_owned(), cell.into());
            }
            (group, Some(name)) => {
                let value = if group == "properties" {
                    property(cell)
                } else {
                    cell.into()
                };
                let group = attributes.entry(group).or_insert_with(|| Map::new().into());
                if let Some(group) = group.as_object_mut() {
                    group.insert(name.to_owned(), value);
                }
            }
        }
    }
    attributes
}

/// The value of a custom property, of the type that Klaviyo gives it when it reads the same cell in a CSV file: a number, a
/// boolean, a list, else text (facts A4). A number with a leading zero or many digits is an id, and stays text.
fn property(cell: &str) -> Value {
    match cell {
        "True" | "true" => return true.into(),
        "False" | "false" => return false.into(),
        _ => {}
    }
    let first = cell.as_bytes().first();
    if first == Some(&b'[') {
        if let Ok(Value::Array(list)) = serde_json::from_str(cell)
            && !list
                .iter()
                .any(|item| item.is_null() || item.is_object() || item.is_array())
        {
            return list.into();
        }
    } else if first.is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-')
        && cell.bytes().filter(u8::is_ascii_digit).count() <= MAX_DIGITS
        && cell
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.'))
        && let Ok(number @ Value::Number(_)) = serde_json::from_str(cell)
    {
        return number;
    }
    cell.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn headers_become_attributes_and_blank_cells_nothing() {
        let columns: Vec<_> = [
            "Email",
            "FirstName",
            "City",
            "Zip",
            "Loyalty Tier",
            "Points",
            "Tags",
            "Card",
            "Vip",
        ]
        .map(ProfileColumn::of_header)
        .into();
        let cells = [
            "ana@x.example",
            "",
            "Wien",
            "01010",
            "gold",
            "12.5",
            "[\"a\",\"b\"]",
            "00123",
            "True",
        ];
        let made = attributes(columns.iter().zip(cells));
        assert_eq!(
            Value::from(made),
            json!({"email": "ana@x.example", "location": {"city": "Wien", "zip": "01010"}, "properties":
                {"Loyalty Tier": "gold", "Points": 12.5, "Tags": ["a", "b"], "Card": "00123", "Vip": true}})
        );
    }

    #[test]
    fn what_only_looks_like_a_number_stays_text() {
        for text in [
            "1e5",
            "--1",
            "1.",
            "-",
            "1234567890123456",
            "2026-01-01",
            "[1,",
            "+1",
            "[null]",
            "[{}]",
        ] {
            assert_eq!(property(text), Value::from(text));
        }
        assert_eq!(property("-3"), json!(-3));
        assert_eq!(property("123456789012345"), json!(123_456_789_012_345_u64));
    }
}
