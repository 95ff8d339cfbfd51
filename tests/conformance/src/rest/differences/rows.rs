//! The rows.

use super::{Difference, Is};

/// Steps whose body is missing or cannot be read.
const UNREADABLE: &[&str] = &[
    "create/a body*",
    "create/something stands*",
    "create/the empty object",
    "create/an unknown member*",
    "create/the config is*",
    "create/a value of the config*",
    "create/the name is an object",
    "create/an initial state that*",
    "change/PUT without a body",
    "change/PUT null",
    "change/PUT a list",
    "change/PUT text",
    "change/PUT no JSON",
    "change/PUT an object inside",
    "change/PUT the wrapped form",
    "change/PATCH without a body",
    "change/PATCH null",
    "change/PATCH a list",
    "change/PATCH an object inside",
    "offsets/altering without a body",
    "offsets/altering with null",
    "offsets/altering with a list",
    "offsets/altering with an object of offsets",
    "offsets/altering with an unknown member*",
    "offsets/altering with no JSON",
    "offsets/altering with a partition that is text",
    "validate/no body",
    "validate/null",
    "validate/a list",
    "validate/no JSON",
    "validate/an object inside",
    "loggers/setting without a body",
    "loggers/setting a list",
];

pub const DIFFERENCES: &[Difference] = &[
    Difference {
        steps: &["*"],
        parts: &[
            "*/version",
            "*plugin.version/*/default_value",
            "*plugin.version/default_value",
            "*plugin.version/value/value",
            "*plugin.version/value/recommended_values/*",
        ],
        is: Is::BothText,
        what: "The version of a plugin",
        reason: "Our plugins have versions of their own, and several may be installed.",
    },
    Difference {
        steps: UNREADABLE,
        parts: &["status", "body/error_code"],
        is: Is::Numbers(500, 400),
        what: "Status of a body that is missing or cannot be read",
        reason: "Malformed JSON, a wrong type, an unknown member or no body is the client's mistake; Kafka answers 500.",
    },
    Difference {
        steps: UNREADABLE,
        parts: &["body/message"],
        is: Is::BothText,
        what: "Text about a body that is missing or cannot be read",
        reason: "Kafka's is the text of a Java exception and names Java classes; ours begins alike where clients may look (`Cannot deserialize value`, `Unrecognized field`).",
    },
    Difference {
        steps: &["*"],
        parts: &["header allow"],
        is: Is::OnlyOurs,
        what: "`Allow` in an answer 405",
        reason: "HTTP asks for it.",
    },
];
