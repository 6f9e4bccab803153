//! `tlsgate schema`: prints the configuration's keys as a JSON Schema. Must not know: which keys there are.

use std::process::ExitCode;

use serde_json::{Map, Value, json};

use crate::cli::answer::print::say;
use crate::config::decode::outline::{Key, Kind, Outline, Shape};
use crate::config::file::File;

pub(super) fn schema() -> ExitCode {
    let mut schema = table(&File::outline());
    schema.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".into(), json!("tlsgate's configuration"));
    say(&format!("{:#}\n", Value::Object(schema)));
    ExitCode::SUCCESS
}

fn table(Outline(keys): &Outline) -> Map<String, Value> {
    let properties: Map<String, Value> =
        keys.iter().map(|(name, key)| ((*name).to_owned(), shape(&key.shape))).collect();
    let required: Vec<&str> =
        keys.iter().filter(|(_, Key { required, .. })| *required).map(|(name, _)| *name).collect();
    let mut table = Map::new();
    table.insert("type".into(), json!("object"));
    table.insert("properties".into(), properties.into());
    // As in the configuration, an unknown key is an error.
    table.insert("additionalProperties".into(), json!(false));
    if !required.is_empty() {
        table.insert("required".into(), json!(required));
    }
    table
}

fn shape(shape: &Shape) -> Value {
    match shape {
        Shape::Value(kind) => json!({ "type": kind.types, "description": kind.expected }),
        Shape::List(kind) => list(kind),
        Shape::Table(outline) => table(outline).into(),
        Shape::Tables(outline) => json!({ "type": "array", "items": table(outline) }),
        Shape::Entries(kind) => {
            json!({ "type": "object", "additionalProperties": { "type": kind.types, "description": kind.expected } })
        }
        Shape::Named(outline) => json!({ "type": "object", "additionalProperties": table(outline) }),
    }
}

fn list(kind: &Kind) -> Value {
    // A list of one value can be written without brackets.
    let item = json!({ "type": kind.types });
    let list = json!({ "type": "array", "items": item, "minItems": 1 });
    json!({ "anyOf": [item, list], "description": kind.expected })
}
