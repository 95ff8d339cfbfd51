//! Of what a task is made, for its metrics: classes and versions. Source: Kafka's attributes of KIP-1100 and KIP-1120.

use crate::task_config::ConnectorSettings;
use crate::task_run::TaskParts;
use sluice_connect_api::{ConnectorKind, PluginRegistry};
use sluice_telemetry::TaskInfo;

pub(crate) fn task_info(parts: &TaskParts, settings: &ConnectorSettings) -> TaskInfo {
    let (spec, plugins) = (&parts.spec, &parts.shared.context.plugins);
    let kind = if spec.kind == ConnectorKind::Source { "source" } else { "sink" };
    let mut task = vec![
        ("connector_class", spec.class.clone()),
        ("connector_type", kind.to_owned()),
        ("connector_version", spec.version.clone()),
        // A plugin is one component: its tasks are of its own class.
        ("task_class", spec.class.clone()),
        ("task_version", spec.version.clone()),
    ];
    let converters = [
        (["key_converter_class", "key_converter_version"], &settings.key_converter),
        (["value_converter_class", "value_converter_version"], &settings.value_converter),
    ];
    for ([class, version], converter) in converters {
        task.extend([(class, converter.class.clone()), (version, version_of(plugins, &converter.class))]);
    }
    let (mut transforms, mut predicates) = (Vec::new(), Vec::new());
    for transformation in &settings.transformations {
        transforms.push(vec![
            ("transform", transformation.alias.clone()),
            ("transform_class", transformation.class.clone()),
            ("transform_version", version_of(plugins, &transformation.class)),
        ]);
        predicates.extend(transformation.predicate.as_ref().map(|predicate| {
            vec![
                ("predicate", predicate.alias.clone()),
                ("predicate_class", predicate.class.clone()),
                ("predicate_version", version_of(plugins, &predicate.class)),
            ]
        }));
    }
    // Two transformations may ask the same predicate.
    predicates.sort();
    predicates.dedup();
    TaskInfo { task, transforms, predicates }
}

fn version_of(plugins: &PluginRegistry, class: &str) -> String {
    plugins.described(class).map(|plugin| plugin.version).unwrap_or_default()
}
