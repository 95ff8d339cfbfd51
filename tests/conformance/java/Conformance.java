import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.nio.charset.StandardCharsets;

/** One JSON line in, one out: what Kafka's own classes make of a case. `kind` says which of them are asked. */
public final class Conformance {
    public static void main(String[] arguments) throws Exception {
        ObjectMapper mapper = new ObjectMapper();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        BufferedWriter out = new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonNode request = mapper.readTree(line);
            ObjectNode answer = mapper.createObjectNode();
            try {
                switch (request.get("kind").asText()) {
                    case "transform" -> Transforms.run(request, answer);
                    case "predicate" -> Transforms.predicate(request, answer);
                    case "to_connect" -> Converters.toConnect(request, answer);
                    case "from_connect" -> Converters.fromConnect(request, answer);
                    case "values" -> Texts.parse(request, answer);
                    case "config" -> Texts.config(request, answer);
                    case "keys" -> Texts.keys(request, answer);
                    default -> throw new IllegalArgumentException("unknown kind " + request.get("kind"));
                }
            } catch (Throwable error) {
                answer.removeAll();
                answer.put("failed", error.toString());
            }
            out.write(mapper.writeValueAsString(answer));
            out.newLine();
            out.flush();
        }
    }

    private Conformance() {
    }
}
