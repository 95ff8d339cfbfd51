//! Every path of the API.

pub const ROOT: &str = "/";
pub const HEALTH: &str = "/health";
/// Ours: this API, described.
pub const OPENAPI: &str = "/openapi.json";
/// Ours.
pub const METRICS: &str = "/metrics";
pub const CONNECTORS: &str = "/connectors";
pub const CONNECTOR: &str = "/connectors/{connector}";
pub const CONFIG: &str = "/connectors/{connector}/config";
pub const STATUS: &str = "/connectors/{connector}/status";
pub const RESTART: &str = "/connectors/{connector}/restart";
pub const PAUSE: &str = "/connectors/{connector}/pause";
pub const RESUME: &str = "/connectors/{connector}/resume";
pub const STOP: &str = "/connectors/{connector}/stop";
pub const TASKS: &str = "/connectors/{connector}/tasks";
pub const TASK_STATUS: &str = "/connectors/{connector}/tasks/{task}/status";
pub const TASK_RESTART: &str = "/connectors/{connector}/tasks/{task}/restart";
pub const TOPICS: &str = "/connectors/{connector}/topics";
pub const TOPICS_RESET: &str = "/connectors/{connector}/topics/reset";
pub const OFFSETS: &str = "/connectors/{connector}/offsets";
pub const PLUGINS: &str = "/connector-plugins";
pub const PLUGIN_CONFIG: &str = "/connector-plugins/{plugin}/config";
pub const PLUGIN_VALIDATE: &str = "/connector-plugins/{plugin}/config/validate";
/// Ours: a connector's dead letters.
pub const ERRORS: &str = "/sluice/v1/connectors/{connector}/errors";
pub const REDRIVE: &str = "/sluice/v1/connectors/{connector}/errors/redrive";
/// Ours: records at each stage of a connector.
pub const INSPECT: &str = "/sluice/v1/connectors/{connector}/inspect";
/// Ours: the hub at a glance.
pub const OVERVIEW: &str = "/sluice/v1/status";
pub const LOGGERS: &str = "/admin/loggers";
pub const LOGGER: &str = "/admin/loggers/{logger}";
/// Ours: the log's topics.
pub const LOG_TOPICS: &str = "/sluice/v1/topics";
pub const LOG_TOPIC: &str = "/sluice/v1/topics/{topic}";
pub const LOG_RECORDS: &str = "/sluice/v1/topics/{topic}/records";

/// Where a connector is found; its name may hold anything. Signs that a path segment may hold stay, as in Kafka's `Location`; a slash does
/// not, since a name with one could not be found otherwise.
pub fn of_connector(name: &str) -> String {
    let mut path = String::from("/connectors/");
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
    path
}
