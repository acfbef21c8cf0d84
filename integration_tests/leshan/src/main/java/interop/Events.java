package interop;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;

/** One JSON object per line on standard output for everything that happens. */
final class Events {
    static final ObjectMapper JSON = new ObjectMapper();

    private Events() {
    }

    /** {@code details} are names and values in turn. */
    static void tell(String endpoint, String event, Object... details) {
        ObjectNode line = JSON.createObjectNode().put("ep", endpoint).put("event", event);
        for (int at = 0; at < details.length; at += 2) {
            line.set((String) details[at], JSON.valueToTree(details[at + 1]));
        }
        synchronized (System.out) {
            System.out.println(line);
            System.out.flush();
        }
    }
}
