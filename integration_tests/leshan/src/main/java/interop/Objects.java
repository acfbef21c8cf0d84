package interop;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.File;
import java.util.Date;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.eclipse.leshan.client.object.Security;
import org.eclipse.leshan.client.object.Server;
import org.eclipse.leshan.client.resource.LwM2mObjectEnabler;
import org.eclipse.leshan.client.resource.ObjectsInitializer;
import org.eclipse.leshan.core.LwM2mId;
import org.eclipse.leshan.core.model.ObjectLoader;
import org.eclipse.leshan.core.model.ObjectModel;
import org.eclipse.leshan.core.model.StaticModel;
import org.eclipse.leshan.core.node.ObjectLink;
import org.eclipse.leshan.core.request.BindingMode;
import org.eclipse.leshan.core.util.Hex;
import org.eclipse.leshan.core.util.datatype.ULong;

/** What every device has: Security, Server, Device, Firmware Update, Location, and two that Leshan does not know by itself. */
final class Objects {
    private static final int SHORT_SERVER_ID = 123;
    private static final int TEMPERATURE = 3303;
    private static final int EVERY_TYPE = 33000;

    private Objects() {
    }

    static List<ObjectModel> models(String folder) {
        List<ObjectModel> models = ObjectLoader.loadDefault();
        for (int object : new int[] { TEMPERATURE, EVERY_TYPE }) {
            models.addAll(ObjectLoader.loadObjectsFromDir(new File(folder)).stream()
                    .filter(model -> model.id == object).toList());
        }
        return models;
    }

    static List<LwM2mObjectEnabler> enablers(JsonNode start, List<ObjectModel> models) {
        ObjectsInitializer initializer = new ObjectsInitializer(new StaticModel(models));
        initializer.setInstancesForObject(LwM2mId.SECURITY, security(start));
        initializer.setInstancesForObject(LwM2mId.SERVER, new Server(SHORT_SERVER_ID,
                start.path("lifetime").asLong(300), EnumSet.of(BindingMode.U), false, BindingMode.U));
        initializer.setInstancesForObject(LwM2mId.DEVICE, device());
        initializer.setInstancesForObject(LwM2mId.FIRMWARE, new Firmware());
        initializer.setInstancesForObject(LwM2mId.LOCATION,
                new Reporting(0, Map.of(0, 48.137, 1, 11.575, 5, new Date(1_700_000_000_000L))));
        initializer.setInstancesForObject(TEMPERATURE, new Reporting(0, Map.of(5700, 20.5, 5701, "Cel")));
        initializer.setInstancesForObject(EVERY_TYPE, everyType());
        return initializer.createAll();
    }

    private static Security security(JsonNode start) {
        String uri = start.path("uri").textValue();
        JsonNode security = start.path("security");
        return switch (security.path("mode").asText("none")) {
        case "psk" -> Security.psk(uri, SHORT_SERVER_ID, security.path("identity").textValue().getBytes(),
                bytes(security, "key"));
        case "rpk" -> Security.rpk(uri, SHORT_SERVER_ID, bytes(security, "public"), bytes(security, "private"),
                bytes(security, "server"));
        case "x509" -> Security.x509(uri, SHORT_SERVER_ID, bytes(security, "certificate"), bytes(security, "private"),
                bytes(security, "server"));
        default -> Security.noSec(uri, SHORT_SERVER_ID);
        };
    }

    private static byte[] bytes(JsonNode security, String member) {
        return Hex.decodeHex(security.path(member).textValue().toCharArray());
    }

    private static Reporting device() {
        Map<Integer, Object> values = new HashMap<>();
        values.put(0, "Leshan");
        values.put(1, "interop");
        values.put(2, "0001");
        values.put(6, Map.of(0, 1L, 1, 5L));
        values.put(7, Map.of(0, 3800L, 1, 5000L));
        values.put(9, 100L);
        values.put(11, Map.of(0, 0L));
        values.put(13, new Date(1_700_000_000_000L));
        values.put(14, "+01:00");
        values.put(15, "Europe/Berlin");
        values.put(16, "U");
        return new Reporting(0, values);
    }

    private static Reporting everyType() {
        Map<Integer, Object> values = new HashMap<>();
        values.put(0, "grüß dich");
        values.put(1, -9_007_199_254_740_993L);
        values.put(2, 3.25);
        values.put(3, true);
        values.put(4, new byte[] { 0, 1, (byte) 0xfe, (byte) 0xff });
        values.put(5, new Date(1_700_000_000_000L));
        values.put(6, new ObjectLink(3, 0));
        values.put(7, ULong.valueOf("9223372036854775813"));
        values.put(10, Map.of(0, "a", 3, "b"));
        values.put(11, Map.of(0, 1L, 1, -2L));
        return new Reporting(0, values);
    }
}
