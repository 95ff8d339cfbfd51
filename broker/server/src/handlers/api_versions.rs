//! ApiVersions: what is served.

use crate::dispatch::SUPPORTED_APIS;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::ApiKey;
use kafka_protocol::messages::ApiVersionsResponse;
use kafka_protocol::messages::api_versions_response::ApiVersion;

/// Older librdkafka takes a broker that offers Produce from 3 on for one that cannot compress (KAFKA-18659), so 0 is
/// offered and 0 to 2 are refused when they are really used, as Kafka does.
const PRODUCE_MIN_VERSION_OFFERED: i16 = 0;

pub(crate) fn supported() -> ApiVersionsResponse {
    let offered = SUPPORTED_APIS.iter().map(|api| {
        let min = if api.key == ApiKey::Produce as i16 { PRODUCE_MIN_VERSION_OFFERED } else { api.min_version };
        ApiVersion::default().with_api_key(api.key).with_min_version(min).with_max_version(api.max_version)
    });
    ApiVersionsResponse::default().with_api_keys(offered.collect()).with_finalized_features_epoch(-1)
}

/// To a version that is not served; it is written as version 0, which every client reads.
pub(crate) fn unsupported() -> ApiVersionsResponse {
    supported().with_error_code(ResponseError::UnsupportedVersion.code())
}
