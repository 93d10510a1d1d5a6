//! The segments of a token: JSON objects in base64url (RFC 7515, section 3.1).

use std::fmt;
use std::marker::PhantomData;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::Serialize;

use super::InvalidToken;

pub(super) fn encode(segment: &impl Serialize) -> String {
    let json = serde_json::to_vec(segment).expect("strings and integers are always JSON");
    URL_SAFE_NO_PAD.encode(json)
}

/// Decodes a segment in its one encoding: no padding, no bits left over, an object, no member twice.
pub(super) fn decode<T: for<'de> Deserialize<'de>>(segment: &str) -> Result<T, InvalidToken> {
    let json = URL_SAFE_NO_PAD.decode(segment).map_err(|_| InvalidToken)?;
    let Object(value) = serde_json::from_slice(&json).map_err(|_| InvalidToken)?;
    Ok(value)
}

/// Reads a member that may be missing, but not null.
pub(super) fn not_null<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// An object. Serde's derived code also takes an array.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object)).map(Object)
    }
}
