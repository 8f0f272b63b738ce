//! Sizes and durations as a job file writes them: `"50MB"`, `"60s"`.

use std::str::FromStr;
use std::time::Duration;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number of bytes, written like `"50MB"` (decimal: 1 MB = 1,000,000 bytes) or as a bare number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteCount(pub u64);

/// A length of time, written like `"60s"`, `"10m"` or `"30d"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Span {
    /// A span of this many seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl FromStr for Span {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        humantime::parse_duration(text).map(Self).map_err(|_| ())
    }
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "not a size; write it like \"50MB\"")]
enum SizeText {
    Number(u64),
    Text(String),
}

impl<'de> Deserialize<'de> for ByteCount {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        match SizeText::deserialize(input)? {
            SizeText::Number(bytes) => Ok(Self(bytes)),
            SizeText::Text(text) => bytesize::ByteSize::from_str(&text)
                .map(|size| Self(size.as_u64()))
                .map_err(|_| serde::de::Error::custom("not a size; write it like \"50MB\"")),
        }
    }
}

impl Serialize for ByteCount {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = String::deserialize(input)
            .map_err(|_| serde::de::Error::custom("not a duration; write it like \"60s\""))?;
        text.parse().map_err(|()| {
            serde::de::Error::custom("not a duration; write it like \"60s\", \"10m\" or \"30d\"")
        })
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.collect_str(&humantime::format_duration(self.0))
    }
}

impl JsonSchema for ByteCount {
    fn schema_name() -> Cow<'static, str> {
        "Size".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A size, such as \"50MB\" (decimal), or a number of bytes.",
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string" },
            ],
        })
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration, such as \"60s\", \"10m\" or \"30d\".",
            "type": "string",
        })
    }
}
