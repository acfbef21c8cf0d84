package interop;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import org.eclipse.leshan.core.model.ObjectModel;

/**
 * Any number of devices in one process: {@code Devices OBJECTS}, the folder of the test's object definitions. Commands are JSON objects, one
 * per line of standard input, with {@code do} and the endpoint name {@code ep}; what happens is told on standard output in the same way. Ends with
 * its standard input.
 *
 * <pre>
 * start  uri, version ("1.0"/"1.1"), lifetime, queue, alternatePath, blockSize, connectionId (length), security {mode, …}
 * update · set path value · send format paths · collect paths · send-collected format · stop deregister
 * </pre>
 */
public final class Devices {
    private static final int THREADS = 4;

    private Devices() {
    }

    public static void main(String[] arguments) throws IOException {
        List<ObjectModel> models = Objects.models(arguments[0]);
        ScheduledExecutorService shared = Executors.newScheduledThreadPool(THREADS);
        Map<String, Device> devices = new HashMap<>();
        Events.tell("", "ready");
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            JsonNode command = Events.JSON.readTree(line);
            String name = command.path("ep").textValue();
            try {
                if (command.path("do").asText().equals("start")) {
                    devices.put(name, new Device(command, models, shared));
                }
                devices.get(name).obey(command);
            } catch (RuntimeException e) {
                Events.tell(name, "failed", "do", command.path("do").asText(), "error", e.toString());
            }
        }
        System.exit(0);
    }
}
