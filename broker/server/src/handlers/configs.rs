//! DescribeConfigs, AlterConfigs, IncrementalAlterConfigs, ListConfigResources: the settings of topics; the broker's
//! can be read.

use super::text;
use super::topic_configs::{self, SOURCE_STATIC_BROKER, TOPIC_SETTINGS, Type};
use crate::dispatch::Context;
use crate::error::WireError;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse as AlteredResource;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::incremental_alter_configs_request::AlterableConfig;
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::list_config_resources_response::ConfigResource;
use kafka_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, DescribeConfigsRequest, DescribeConfigsResponse,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, ListConfigResourcesRequest,
    ListConfigResourcesResponse,
};
use sluice_client::{Broker, TopicConfig};
use std::collections::BTreeMap;

/// Source: Kafka's `ConfigResource.Type`.
const TOPIC: i8 = 2;
const BROKER: i8 = 4;

type Changes = BTreeMap<String, Option<String>>;

// ---- describe

pub(crate) fn describe(context: &Context, request: DescribeConfigsRequest) -> DescribeConfigsResponse {
    let results = request.resources.iter().map(|resource| {
        let answer = DescribeConfigsResult::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        match describe_one(context, resource, &request) {
            Ok(configs) => answer.with_configs(configs),
            Err(error) => answer.with_error_code(error.code).with_error_message(error.text()),
        }
    });
    DescribeConfigsResponse::default().with_results(results.collect())
}

fn describe_one(
    context: &Context,
    resource: &DescribeConfigsResource,
    request: &DescribeConfigsRequest,
) -> Result<Vec<DescribeConfigsResourceResult>, WireError> {
    let asked = |name: &str| {
        resource.configuration_keys.as_ref().is_none_or(|keys| keys.iter().any(|key| key.as_str() == name))
    };
    let with_doc = request.include_documentation && context.version() >= 3;
    match resource.resource_type {
        TOPIC => {
            context.readable(&resource.resource_name)?;
            let topic = context.shared.broker.topic(&resource.resource_name);
            let topic = topic.ok_or_else(|| WireError::unknown_topic(&resource.resource_name))?;
            let all = topic_configs::effective(&topic.config, context.shared.broker.durability())
                .filter(|(setting, ..)| asked(setting.name));
            Ok(all
                .map(|(setting, value, source)| {
                    let synonym = DescribeConfigsSynonym::default()
                        .with_name(text(setting.name))
                        .with_value(Some(text(&value)))
                        .with_source(source);
                    let shown = shown(context, setting.name, &value, source, setting.kind)
                        .with_synonyms(if request.include_synonyms { vec![synonym] } else { Vec::new() });
                    if with_doc { shown.with_documentation(Some(text(&setting.documentation()))) } else { shown }
                })
                .collect())
        }
        BROKER => {
            check_broker(context, &resource.resource_name)?;
            let all = broker_settings(context).into_iter().filter(|(name, ..)| asked(name));
            Ok(all
                .map(|(name, value, kind)| {
                    shown(context, name, &value, SOURCE_STATIC_BROKER, kind).with_read_only(true)
                })
                .collect())
        }
        other => Err(no_such_type(other)),
    }
}

fn shown(context: &Context, name: &str, value: &str, source: i8, kind: Type) -> DescribeConfigsResourceResult {
    let result = DescribeConfigsResourceResult::default()
        .with_name(text(name))
        .with_value(Some(text(value)))
        .with_config_source(source);
    if context.version() >= 3 { result.with_config_type(kind as i8) } else { result }
}

/// What tools ask a broker for.
fn broker_settings(context: &Context) -> Vec<(&'static str, String, Type)> {
    let config = &context.shared.config;
    let message_bytes_max = config.topic_defaults.get("max.message.bytes").cloned();
    let message_bytes_max = message_bytes_max.unwrap_or_else(|| sluice_log::MAX_MESSAGE_BYTES_DEFAULT.to_string());
    vec![
        ("advertised.listeners", format!("PLAINTEXT://{}", context.peer.advertised), Type::String),
        ("auto.create.topics.enable", config.auto_create.to_string(), Type::Boolean),
        ("broker.id", config.node_id.to_string(), Type::Int),
        ("connections.max.idle.ms", config.limits.idle_timeout.as_millis().to_string(), Type::Long),
        ("default.replication.factor", "1".into(), Type::Int),
        ("delete.topic.enable", "true".into(), Type::Boolean),
        ("fetch.max.bytes", config.limits.fetch_bytes_max.to_string(), Type::Int),
        ("log.durability", context.shared.broker.durability().to_string(), Type::String),
        ("log.dirs", config.log_dir.clone(), Type::String),
        ("max.connections", config.limits.connections_max.to_string(), Type::Int),
        ("message.max.bytes", message_bytes_max, Type::Int),
        ("min.insync.replicas", "1".into(), Type::Int),
        ("num.partitions", config.num_partitions.to_string(), Type::Int),
        ("offsets.topic.replication.factor", "1".into(), Type::Int),
        ("socket.request.max.bytes", config.limits.request_bytes_max.to_string(), Type::Int),
    ]
}

fn check_broker(context: &Context, name: &str) -> Result<(), WireError> {
    let node = context.shared.config.node_id;
    if name.is_empty() || name.parse() == Ok(node) {
        return Ok(());
    }
    Err(WireError::new(ResponseError::InvalidRequest, format!("the only broker is {node}, not {name}")))
}

fn no_such_type(kind: i8) -> WireError {
    WireError::new(ResponseError::InvalidRequest, format!("resources of type {kind} have no settings here"))
}

// ---- alter

/// Replaces all settings of a topic. Source: Kafka's legacy `AlterConfigs`.
pub(crate) async fn alter(context: &Context, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let mut answers = Vec::with_capacity(request.resources.len());
    for resource in request.resources {
        let given: Changes = resource
            .configs
            .iter()
            .map(|config| (config.name.to_string(), config.value.as_ref().map(ToString::to_string)))
            .collect();
        let outcome = apply(context, resource.resource_type, &resource.resource_name, request.validate_only, |old| {
            let mut changes: Changes = old.keys().map(|key| (key.clone(), None)).collect();
            changes.extend(given);
            Ok(changes)
        });
        let answer = AlteredResource::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        answers.push(match outcome.await {
            Ok(()) => answer,
            Err(error) => answer.with_error_code(error.code).with_error_message(error.text()),
        });
    }
    AlterConfigsResponse::default().with_responses(answers)
}

/// Source: KIP-339.
pub(crate) async fn alter_incrementally(
    context: &Context,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let mut answers = Vec::with_capacity(request.resources.len());
    for resource in request.resources {
        let changes = |old: &TopicConfig| resource.configs.iter().map(|config| change(old, config)).collect();
        let outcome = apply(context, resource.resource_type, &resource.resource_name, request.validate_only, changes);
        let answer = AlterConfigsResourceResponse::default()
            .with_resource_type(resource.resource_type)
            .with_resource_name(resource.resource_name.clone());
        answers.push(match outcome.await {
            Ok(()) => answer,
            Err(error) => answer.with_error_code(error.code).with_error_message(error.text()),
        });
    }
    IncrementalAlterConfigsResponse::default().with_responses(answers)
}

/// SET, DELETE, APPEND, SUBTRACT; the last two for lists.
fn change(old: &TopicConfig, config: &AlterableConfig) -> Result<(String, Option<String>), WireError> {
    let invalid = |message: String| WireError::new(ResponseError::InvalidConfig, message);
    let name = config.name.to_string();
    let value = config.value.as_ref().map(ToString::to_string);
    let needed = || value.clone().ok_or_else(|| invalid(format!("{name} has no value")));
    let setting = TOPIC_SETTINGS.iter().find(|setting| setting.name == name);
    let current = || old.get(&name).map(String::as_str).or_else(|| setting.map(|s| s.default)).unwrap_or_default();
    let list = || {
        let is_list = setting.is_some_and(|setting| setting.kind == Type::List);
        let entries = current().split(',').map(|entry| entry.trim().to_owned()).filter(|entry| !entry.is_empty());
        if is_list { Ok(entries.collect::<Vec<_>>()) } else { Err(invalid(format!("{name} is not a list"))) }
    };
    let value = match config.config_operation {
        0 => Some(needed()?),
        1 => None,
        2 => {
            let (mut entries, more) = (list()?, needed()?);
            for entry in more.split(',').map(str::trim) {
                if !entries.iter().any(|known| known == entry) {
                    entries.push(entry.to_owned());
                }
            }
            Some(entries.join(","))
        }
        3 => {
            let (mut entries, less) = (list()?, needed()?);
            entries.retain(|entry| !less.split(',').any(|gone| gone.trim() == entry));
            Some(entries.join(","))
        }
        other => return Err(WireError::new(ResponseError::InvalidRequest, format!("there is no operation {other}"))),
    };
    Ok((name, value))
}

async fn apply(
    context: &Context,
    kind: i8,
    name: &str,
    validate_only: bool,
    changes: impl FnOnce(&TopicConfig) -> Result<Changes, WireError>,
) -> Result<(), WireError> {
    match kind {
        TOPIC => {}
        BROKER => {
            check_broker(context, name)?;
            let message = "the broker's settings stand in the hub's config and cannot be changed while it runs";
            return Err(WireError::new(ResponseError::InvalidRequest, message));
        }
        other => return Err(no_such_type(other)),
    }
    context.writable(name)?;
    let topic = context.shared.broker.topic(name).ok_or_else(|| WireError::unknown_topic(name))?;
    let changes = changes(&topic.config)?;
    let mut config = topic.config;
    for (key, value) in &changes {
        match value {
            Some(value) => config.insert(key.clone(), value.clone()),
            None => config.remove(key),
        };
    }
    sluice_log::check_topic_config(&config).map_err(|why| WireError::new(ResponseError::InvalidConfig, why))?;
    if validate_only {
        return Ok(());
    }
    Ok(context.shared.broker.admin().alter_topic_config(name, changes).await?)
}

// ---- list

/// Source: KIP-1142. Version 0 asks for client metrics resources, of which there are none.
pub(crate) fn list(context: &Context, request: ListConfigResourcesRequest) -> ListConfigResourcesResponse {
    if context.version() == 0 {
        return ListConfigResourcesResponse::default();
    }
    let wanted = |kind: i8| request.resource_types.is_empty() || request.resource_types.contains(&kind);
    let resource =
        |kind: i8, name: &str| ConfigResource::default().with_resource_type(kind).with_resource_name(text(name));
    let mut found = Vec::new();
    if wanted(TOPIC) {
        found.extend(context.shared.readable_topics().map(|topic| resource(TOPIC, &topic.name)));
    }
    if wanted(BROKER) {
        found.push(resource(BROKER, &context.shared.config.node_id.to_string()));
    }
    ListConfigResourcesResponse::default().with_config_resources(found)
}
