//! The description of the API, made from the same table as its routes.

use serde_json::{Map, Value, json};

use super::{Endpoint, Parameter, Place};

/// The OpenAPI 3.1 document of these endpoints.
pub(crate) fn document(endpoints: &[Endpoint]) -> Value {
    let mut paths = Map::new();
    for endpoint in endpoints {
        let path = endpoint.path.replace("{*path}", "{path}");
        let operations = paths.entry(path).or_insert_with(|| json!({}));
        if let Some(operations) = operations.as_object_mut() {
            operations.insert(endpoint.method.to_owned(), operation(endpoint));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "DistriFS",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Files, and what operators ask and change. Who asks is named by the header X-Distrifs-User or the \
                            parameter user.name. Times are in milliseconds, sizes in bytes.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": {
                "Error": {
                    "type": "object",
                    "required": ["error"],
                    "properties": {"error": {
                        "type": "object",
                        "required": ["kind", "message"],
                        "properties": {
                            "kind": {"type": "string", "description": "one word for programs"},
                            "message": {"type": "string", "description": "what happened, to what, why, and what to do"},
                        },
                    }},
                },
            },
        },
    })
}

fn operation(endpoint: &Endpoint) -> Value {
    let parameters: Vec<_> = endpoint.parameters.iter().map(parameter).collect();
    let refused = json!({
        "description": "it is refused",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
    });
    let mut operation = json!({
        "summary": endpoint.what,
        "operationId": format!("{}_{}", endpoint.method, endpoint.name()),
        "parameters": parameters,
        "responses": {
            endpoint.status: {"description": endpoint.answer},
            "4XX": refused.clone(),
            "5XX": refused,
        },
    });
    if !endpoint.body.is_empty() {
        let properties: Map<_, _> = endpoint
            .body
            .iter()
            .map(|(name, kind, what)| ((*name).to_owned(), json!({"type": kind, "description": what})))
            .collect();
        let schema = json!({"type": "object", "properties": properties});
        if let Some(operation) = operation.as_object_mut() {
            operation.insert(
                "requestBody".to_owned(),
                json!({"required": true, "content": {"application/json": {"schema": schema}}}),
            );
        }
    }
    operation
}

fn parameter(parameter: &Parameter) -> Value {
    let is_in_path = parameter.place == Place::Path;
    json!({
        "name": parameter.name,
        "in": if is_in_path { "path" } else { "query" },
        "required": is_in_path,
        "description": parameter.what,
        "schema": {"type": "string"},
    })
}
