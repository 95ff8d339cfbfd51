import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.utils.AppInfoParser;
import org.apache.kafka.common.utils.Exit;

/**
 * Kafka's console tools in one JVM, one after the other: what {@code bin/kafka-*.sh} runs, with its arguments, its input,
 * its output and the status it ends with.
 */
public final class Tools {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final PrintStream OUT = System.out;

    /** A tool's way out. */
    private static final class Ended extends RuntimeException {
        private Ended(int status) {
            super("ended with " + status, null, false, false);
        }
    }

    /** What the tool that runs wants done at its end: some close their producer there. */
    private static final List<Runnable> HOOKS = new ArrayList<>();

    /** What the tool that runs ended with; the first word counts, since some tools take their own end for an error. */
    private static Integer status;

    private Tools() {}

    public static void main(String[] arguments) throws Exception {
        Exit.Procedure ends = (status, message) -> {
            Tools.status = Tools.status == null ? status : Tools.status;
            throw new Ended(status);
        };
        Exit.setExitProcedure(ends);
        Exit.setHaltProcedure(ends);
        Exit.setShutdownHookAdder((name, hook) -> HOOKS.add(hook));
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            JsonNode command = JSON.readTree(line);
            ObjectNode answer = JSON.createObjectNode();
            answer.set("id", command.get("id"));
            try {
                answer.set("ok", answer(command, arguments[0]));
            } catch (Exception error) {
                error.printStackTrace();
                answer.put("error", error.toString());
            }
            OUT.println(answer);
            OUT.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    private static JsonNode answer(JsonNode command, String broker) throws Exception {
        if (command.get("op").asText().equals("info")) {
            return JSON.createObjectNode().put("version", AppInfoParser.getVersion());
        }
        List<String> arguments = new ArrayList<>();
        command.get("arguments").forEach(it -> arguments.add(it.asText().replace("BROKER", broker)));
        byte[] input = command.path("input").asText("").getBytes(StandardCharsets.UTF_8);
        return run(command.get("tool").asText(), arguments.toArray(new String[0]), input);
    }

    private static JsonNode run(String tool, String[] arguments, byte[] input) throws Exception {
        ByteArrayOutputStream output = new ByteArrayOutputStream();
        ByteArrayOutputStream errors = new ByteArrayOutputStream();
        PrintStream error = System.err;
        InputStream in = System.in;
        System.setOut(new PrintStream(output, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(errors, true, StandardCharsets.UTF_8));
        System.setIn(new ByteArrayInputStream(input));
        status = null;
        try {
            Class.forName(tool).getMethod("main", String[].class).invoke(null, (Object) arguments);
        } catch (InvocationTargetException thrown) {
            if (!(thrown.getCause() instanceof Ended)) {
                throw thrown;
            }
        } finally {
            HOOKS.forEach(Runnable::run);
            HOOKS.clear();
            System.setOut(OUT);
            System.setErr(error);
            System.setIn(in);
        }
        ObjectNode ok = JSON.createObjectNode().put("status", status == null ? 0 : status);
        ok.put("output", output.toString(StandardCharsets.UTF_8)).put("errors", errors.toString(StandardCharsets.UTF_8));
        return ok;
    }
}
