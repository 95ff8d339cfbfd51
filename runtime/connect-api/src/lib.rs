//! The contracts: tasks, converters, transformations, ConfigDef, plugins.
