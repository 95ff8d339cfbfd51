import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Base64;
import java.util.Map;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.storage.Converter;
import org.apache.kafka.connect.storage.HeaderConverter;

/** `{class, config, role, bytes}` to `{values}`, `{class, config, role, values}` to `{bytes}`. A role is key, value or header. */
final class Converters {
    static void toConnect(JsonNode request, ObjectNode answer) throws Exception {
        Asked asked = Asked.of(request, answer);
        if (asked == null) {
            return;
        }
        ArrayNode results = answer.putArray("values");
        for (JsonNode input : request.get("bytes")) {
            try {
                byte[] bytes = input.isNull() ? null : Base64.getDecoder().decode(input.asText());
                SchemaAndValue found = asked.read(bytes);
                results.add(Data.write(found.schema(), found.value(), false));
            } catch (Exception error) {
                results.addObject().put("error", error.toString());
            }
        }
    }

    static void fromConnect(JsonNode request, ObjectNode answer) throws Exception {
        Asked asked = Asked.of(request, answer);
        if (asked == null) {
            return;
        }
        ArrayNode results = answer.putArray("bytes");
        for (JsonNode input : request.get("values")) {
            try {
                SchemaAndValue value = Data.read(input);
                byte[] bytes = asked.write(value);
                if (bytes == null) {
                    results.addNull();
                } else {
                    results.add(Base64.getEncoder().encodeToString(bytes));
                }
            } catch (Exception error) {
                results.addObject().put("error", error.toString());
            }
        }
    }

    /** A converter of either kind, configured. */
    private record Asked(Converter converter, HeaderConverter headers) {
        static Asked of(JsonNode request, ObjectNode answer) throws Exception {
            Object made = Class.forName(request.get("class").asText()).getDeclaredConstructor().newInstance();
            Map<String, String> config = Data.map(request.get("config"));
            String role = request.get("role").asText();
            try {
                if (role.equals("header")) {
                    config.put("converter.type", "header");
                    ((HeaderConverter) made).configure(config);
                    return new Asked(null, (HeaderConverter) made);
                }
                ((Converter) made).configure(config, role.equals("key"));
                return new Asked((Converter) made, null);
            } catch (Exception error) {
                answer.put("config_error", error.toString());
                return null;
            }
        }

        SchemaAndValue read(byte[] bytes) {
            SchemaAndValue found =
                headers == null ? converter.toConnectData("t", bytes) : headers.toConnectHeader("t", "h", bytes);
            return found == null ? SchemaAndValue.NULL : found;
        }

        byte[] write(SchemaAndValue value) {
            return headers == null
                ? converter.fromConnectData("t", value.schema(), value.value())
                : headers.fromConnectHeader("t", "h", value.schema(), value.value());
        }
    }

    private Converters() {
    }
}
