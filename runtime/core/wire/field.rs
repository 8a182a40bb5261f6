//! How a log record's JSON becomes its fields: borrowed where it can be, and with the field at hand when it cannot be read.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::record::{EnhancedCode, Kind, Record, Response};
use super::time::Time;

/// The field that is being read, so that an error can name it: serde's own errors do not.
pub(super) type At = Cell<&'static str>;

/// Text that borrows from the input where the input has no escapes. (`Option<Cow<str>>` alone never borrows.)
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// One recipient or a list of them.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Recipients<'a> {
    One(Text<'a>),
    Many(Vec<Text<'a>>),
}

impl<'a> Recipients<'a> {
    pub(super) fn as_slice(&self) -> &[Text<'a>] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Recipients<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Recipients<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an address or a list of addresses")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Recipients::One(Text(Cow::Borrowed(text))))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Recipients::One(Text(Cow::Owned(text.to_owned()))))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut many = Vec::new();
                while let Some(one) = seq.next_element()? {
                    many.push(one);
                }
                Ok(Recipients::Many(many))
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

/// An object whose members are of no interest here.
struct Object;

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Object)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// A record type, which is text: serde alone takes an object for a variant too, and finds a syntax error in a number.
struct KindName(Kind);

impl<'de> Deserialize<'de> for KindName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = KindName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a record type, such as `Delivery`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<KindName, E> {
                Kind::deserialize(StrDeserializer::new(text)).map(KindName)
            }
        }
        deserializer.deserialize_str(Name)
    }
}

/// An enhanced status code, which is an object: serde alone takes a list too.
struct CodeObject(EnhancedCode);

impl<'de> Deserialize<'de> for CodeObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = CodeObject;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with `class`, `subject` and `detail`")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<CodeObject, A::Error> {
                EnhancedCode::deserialize(MapAccessDeserializer::new(map)).map(CodeObject)
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// Any value, walked by recursion so that the parser's bound on nesting holds. (Skipping alone has no bound.)
pub(super) struct Walked;

impl<'de> Deserialize<'de> for Walked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walked)
    }
}

impl<'de> Visitor<'de> for Walked {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<IgnoredAny, Self>()?.is_some() {}
        Ok(self)
    }
}

/// Reads the value of field `name` into its slot, once.
fn read<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    slot: &mut Option<T>,
    name: &'static str,
    map: &mut A,
    at: &At,
) -> Result<(), A::Error> {
    if slot.is_some() {
        return Err(A::Error::duplicate_field(name));
    }
    at.set(name);
    *slot = Some(map.next_value()?);
    at.set("");
    Ok(())
}

fn need<T, E: Error>(slot: Option<T>, name: &'static str) -> Result<T, E> {
    slot.ok_or_else(|| E::missing_field(name))
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    Type,
    Id,
    Sender,
    Recipient,
    Queue,
    Site,
    Size,
    Response,
    Timestamp,
    EventTime,
    Created,
    NumAttempts,
    BounceClassification,
    EgressPool,
    EgressSource,
    SessionId,
    Meta,
    Headers,
    Nodeid,
    #[serde(other)]
    Other,
}

/// What has been read of a record so far.
#[derive(Default)]
#[expect(clippy::option_option, reason = "whether a field was there, and whether it was null")]
struct Draft<'a> {
    kind: Option<KindName>,
    id: Option<Text<'a>>,
    sender: Option<Text<'a>>,
    recipients: Option<Recipients<'a>>,
    queue: Option<Text<'a>>,
    site: Option<Text<'a>>,
    size: Option<u64>,
    response: Option<Response<'a>>,
    timestamp: Option<i64>,
    event_time: Option<Option<Time>>,
    created: Option<i64>,
    num_attempts: Option<u64>,
    bounce_classification: Option<Text<'a>>,
    egress_pool: Option<Option<Text<'a>>>,
    egress_source: Option<Option<Text<'a>>>,
    session_id: Option<Option<Text<'a>>>,
    meta: Option<Object>,
    headers: Option<Object>,
    nodeid: Option<Text<'a>>,
}

impl<'a> Draft<'a> {
    fn finish<E: Error>(self) -> Result<Record<'a>, E> {
        need(self.meta, "meta")?;
        need(self.headers, "headers")?;
        let given = |slot: Option<Option<Text<'a>>>| slot.flatten().map(|text| text.0);
        Ok(Record {
            kind: need(self.kind, "type")?.0,
            id: need(self.id, "id")?.0,
            sender: need(self.sender, "sender")?.0,
            recipients: need(self.recipients, "recipient")?,
            queue: need(self.queue, "queue")?.0,
            site: need(self.site, "site")?.0,
            size: need(self.size, "size")?,
            response: need(self.response, "response")?,
            timestamp: Time::from_secs(need(self.timestamp, "timestamp")?),
            event_time: self.event_time.flatten(),
            created: Time::from_secs(need(self.created, "created")?),
            num_attempts: need(self.num_attempts, "num_attempts")?,
            bounce_classification: need(self.bounce_classification, "bounce_classification")?.0,
            egress_pool: given(self.egress_pool),
            egress_source: given(self.egress_source),
            session_id: given(self.session_id),
            nodeid: need(self.nodeid, "nodeid")?.0,
        })
    }
}

/// Reads a record, leaving in the cell which field it was at when it failed.
pub(super) struct Fields<'c>(pub(super) &'c At);

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = Record<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Record<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = Record<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a log record, an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record<'de>, A::Error> {
        let at = self.0;
        let mut draft = Draft::default();
        while let Some(field) = map.next_key::<Field>()? {
            match field {
                Field::Type => read(&mut draft.kind, "type", &mut map, at)?,
                Field::Id => read(&mut draft.id, "id", &mut map, at)?,
                Field::Sender => read(&mut draft.sender, "sender", &mut map, at)?,
                Field::Recipient => read(&mut draft.recipients, "recipient", &mut map, at)?,
                Field::Queue => read(&mut draft.queue, "queue", &mut map, at)?,
                Field::Site => read(&mut draft.site, "site", &mut map, at)?,
                Field::Size => read(&mut draft.size, "size", &mut map, at)?,
                Field::Response => {
                    if draft.response.is_some() {
                        return Err(A::Error::duplicate_field("response"));
                    }
                    draft.response = Some(map.next_value_seed(ResponseFields(at))?);
                }
                Field::Timestamp => read(&mut draft.timestamp, "timestamp", &mut map, at)?,
                Field::EventTime => read(&mut draft.event_time, "event_time", &mut map, at)?,
                Field::Created => read(&mut draft.created, "created", &mut map, at)?,
                Field::NumAttempts => read(&mut draft.num_attempts, "num_attempts", &mut map, at)?,
                Field::BounceClassification => {
                    read(&mut draft.bounce_classification, "bounce_classification", &mut map, at)?;
                }
                Field::EgressPool => read(&mut draft.egress_pool, "egress_pool", &mut map, at)?,
                Field::EgressSource => read(&mut draft.egress_source, "egress_source", &mut map, at)?,
                Field::SessionId => read(&mut draft.session_id, "session_id", &mut map, at)?,
                Field::Meta => read(&mut draft.meta, "meta", &mut map, at)?,
                Field::Headers => read(&mut draft.headers, "headers", &mut map, at)?,
                Field::Nodeid => read(&mut draft.nodeid, "nodeid", &mut map, at)?,
                Field::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        draft.finish()
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum ResponseField {
    Code,
    EnhancedCode,
    Content,
    Command,
    #[serde(other)]
    Other,
}

/// Reads a record's response.
struct ResponseFields<'c>(&'c At);

impl<'de> DeserializeSeed<'de> for ResponseFields<'_> {
    type Value = Response<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Response<'de>, D::Error> {
        self.0.set("response");
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ResponseFields<'_> {
    type Value = Response<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `code` and `content`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Response<'de>, A::Error> {
        let at = self.0;
        let mut code: Option<u16> = None;
        let mut enhanced: Option<Option<CodeObject>> = None;
        let mut content: Option<Text<'de>> = None;
        let mut command: Option<Option<Text<'de>>> = None;
        while let Some(field) = map.next_key::<ResponseField>()? {
            match field {
                ResponseField::Code => read(&mut code, "response.code", &mut map, at)?,
                ResponseField::EnhancedCode => read(&mut enhanced, "response.enhanced_code", &mut map, at)?,
                ResponseField::Content => read(&mut content, "response.content", &mut map, at)?,
                ResponseField::Command => read(&mut command, "response.command", &mut map, at)?,
                ResponseField::Other => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            at.set("response");
        }
        let response = Response {
            code: need(code, "code")?,
            enhanced_code: enhanced.flatten().map(|code| code.0),
            content: need(content, "content")?.0,
            command: command.flatten().map(|text| text.0),
        };
        at.set("");
        Ok(response)
    }
}
