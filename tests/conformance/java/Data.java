import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Collection;
import java.util.Date;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.connect.data.Decimal;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.json.JsonConverter;

/** Connect data to JSON and back. Schemas are those of JsonConverter's envelope; values are written here, so that nothing is hidden. */
final class Data {
    private static final JsonNodeFactory NODES = JsonNodeFactory.withExactBigDecimals(true);
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final JsonConverter ENVELOPES = converter();

    private static JsonConverter converter() {
        JsonConverter converter = new JsonConverter();
        Map<String, String> config = new HashMap<>();
        config.put("schemas.enable", "true");
        config.put("replace.null.with.default", "false");
        config.put("schemas.cache.size", "100000");
        converter.configure(config, false);
        return converter;
    }

    /** An envelope as text, or null for nothing at all. */
    static SchemaAndValue read(JsonNode envelope) {
        if (envelope == null || envelope.isNull()) {
            return SchemaAndValue.NULL;
        }
        return ENVELOPES.toConnectData("t", envelope.asText().getBytes(StandardCharsets.UTF_8));
    }

    /** `{schema, value}`; a value that does not fit its schema is an error, as it would be for the converter. */
    static ObjectNode write(Schema schema, Object value) {
        return write(schema, value, true);
    }

    /** Not strict: a decimal may have another scale than its schema, which no converter could write. */
    static ObjectNode write(Schema schema, Object value, boolean strict) {
        ObjectNode out = NODES.objectNode();
        out.set("schema", schema(schema));
        out.set("value", node(schema, value, strict));
        return out;
    }

    private static JsonNode node(Schema schema, Object value, boolean strict) {
        if (value == null) {
            if (schema != null && !schema.isOptional() && schema.defaultValue() == null) {
                throw new IllegalStateException("null for a required " + schema.type());
            }
            return NODES.nullNode();
        }
        if (strict && schema != null && Decimal.LOGICAL_NAME.equals(schema.name()) && value instanceof BigDecimal) {
            int scale = Integer.parseInt(schema.parameters().get(Decimal.SCALE_FIELD));
            if (((BigDecimal) value).scale() != scale) {
                throw new IllegalStateException("a decimal of scale " + ((BigDecimal) value).scale() + " under " + scale);
            }
        }
        if (value instanceof Boolean) {
            return NODES.booleanNode((Boolean) value);
        } else if (value instanceof Float) {
            return tagged("float32", value.toString());
        } else if (value instanceof Double) {
            return tagged("float", value.toString());
        } else if (value instanceof BigDecimal) {
            return tagged("decimal", value.toString());
        } else if (value instanceof Number) {
            return tagged("integer", value.toString());
        } else if (value instanceof Date) {
            return tagged("ms", Long.toString(((Date) value).getTime()));
        } else if (value instanceof byte[]) {
            return tagged("bytes", Base64.getEncoder().encodeToString((byte[]) value));
        } else if (value instanceof ByteBuffer) {
            byte[] bytes = new byte[((ByteBuffer) value).remaining()];
            ((ByteBuffer) value).duplicate().get(bytes);
            return tagged("bytes", Base64.getEncoder().encodeToString(bytes));
        } else if (value instanceof Collection) {
            ArrayNode items = NODES.arrayNode();
            for (Object item : (Collection<?>) value) {
                items.add(node(schema == null ? null : schema.valueSchema(), item, strict));
            }
            return items;
        } else if (value instanceof Map) {
            ArrayNode entries = NODES.arrayNode();
            for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
                ArrayNode pair = entries.addArray();
                pair.add(node(schema == null ? null : schema.keySchema(), entry.getKey(), strict));
                pair.add(node(schema == null ? null : schema.valueSchema(), entry.getValue(), strict));
            }
            return NODES.objectNode().set("map", entries);
        } else if (value instanceof Struct) {
            ObjectNode members = NODES.objectNode();
            for (Field field : ((Struct) value).schema().fields()) {
                members.set(field.name(), node(field.schema(), ((Struct) value).getWithoutDefault(field.name()), strict));
            }
            return NODES.objectNode().set("struct", members);
        }
        return NODES.textNode(value.toString());
    }

    private static ObjectNode tagged(String tag, String text) {
        return NODES.objectNode().put(tag, text);
    }

    static JsonNode schema(Schema schema) {
        return schema == null ? NODES.nullNode() : ENVELOPES.asJsonSchema(schema);
    }

    static Map<String, String> map(JsonNode config) {
        return MAPPER.convertValue(config, new com.fasterxml.jackson.core.type.TypeReference<HashMap<String, String>>() { });
    }

    private Data() {
    }
}
