import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.config.types.Password;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.Values;

/** What a text means: as a header, and as a config value. */
final class Texts {
    /** `{texts}` to `{values}`, each `{schema, value, text}`. */
    static void parse(JsonNode request, ObjectNode answer) {
        ArrayNode results = answer.putArray("values");
        for (JsonNode text : request.get("texts")) {
            ObjectNode result;
            try {
                SchemaAndValue parsed = Values.parseString(text.asText());
                try {
                    result = Data.write(parsed == null ? null : parsed.schema(), parsed == null ? null : parsed.value());
                } catch (RuntimeException noSchemaAsJson) {
                    result = Data.write(null, parsed.value());
                }
                String written = parsed == null ? null : Values.convertToString(parsed.schema(), parsed.value());
                result.put("text", written);
            } catch (Exception error) {
                result = results.objectNode().put("error", error.toString());
            }
            results.add(result);
        }
    }

    /** `{type, texts}` to `{values}`, each `{text}` or `{error}`. */
    static void config(JsonNode request, ObjectNode answer) {
        ConfigDef.Type type = ConfigDef.Type.valueOf(request.get("type").asText());
        ArrayNode results = answer.putArray("values");
        for (JsonNode text : request.get("texts")) {
            ObjectNode result = results.addObject();
            try {
                Object value = ConfigDef.parseType("key", text.asText(), type);
                if (value instanceof List) {
                    ArrayNode items = result.putArray("list");
                    ((List<?>) value).forEach(item -> items.add(String.valueOf(item)));
                } else {
                    result.put("text", value instanceof Password ? ((Password) value).value() : String.valueOf(value));
                }
            } catch (ConfigException error) {
                result.put("error", error.getMessage());
            }
        }
    }

    /** `{class}` to `{keys}`, each `{name, type, importance, required, default}`. */
    static void keys(JsonNode request, ObjectNode answer) throws Exception {
        Object plugin = Class.forName(request.get("class").asText()).getDeclaredConstructor().newInstance();
        ConfigDef def = (ConfigDef) plugin.getClass().getMethod("config").invoke(plugin);
        ArrayNode keys = answer.putArray("keys");
        for (ConfigDef.ConfigKey key : def.configKeys().values()) {
            ObjectNode written = keys.addObject();
            written.put("name", key.name).put("type", key.type.name()).put("importance", key.importance.name());
            written.put("required", !key.hasDefault());
            Object value = key.hasDefault() ? key.defaultValue : null;
            written.put("default", value == null ? null : ConfigDef.convertToString(value, key.type));
        }
    }

    private Texts() {
    }
}
