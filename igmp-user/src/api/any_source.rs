//! A source as a dotted quad, or `*` for any.

use std::net::Ipv4Addr;

use serde::{Deserialize, Deserializer, Serializer, de};

const ANY: &str = "*";

pub(super) fn serialize<S: Serializer>(source: &Option<Ipv4Addr>, serializer: S) -> Result<S::Ok, S::Error> {
    match source {
        None => serializer.serialize_str(ANY),
        Some(source) => serializer.collect_str(source),
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Ipv4Addr>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text == ANY {
        return Ok(None);
    }
    text.parse()
        .map(Some)
        .map_err(|_| de::Error::invalid_value(de::Unexpected::Str(&text), &"an IPv4 address or *"))
}
