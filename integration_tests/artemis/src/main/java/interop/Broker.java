package interop;

import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.activemq.artemis.core.config.impl.ConfigurationImpl;
import org.apache.activemq.artemis.core.server.embedded.EmbeddedActiveMQ;

/** {@code Broker PORT}: MQTT on the loopback interface, everything in memory, everybody let in. Ends with its standard input. */
public final class Broker {
    private Broker() {
    }

    public static void main(String[] arguments) throws Exception {
        Path folder = Files.createTempDirectory("artemis");
        ConfigurationImpl configuration = new ConfigurationImpl();
        configuration.setPersistenceEnabled(false);
        configuration.setSecurityEnabled(false);
        configuration.setJMXManagementEnabled(false);
        configuration.setBrokerInstance(folder.toFile());
        configuration.addAcceptorConfiguration("mqtt", "tcp://127.0.0.1:" + arguments[0] + "?protocols=MQTT");
        EmbeddedActiveMQ server = new EmbeddedActiveMQ();
        server.setConfiguration(configuration);
        server.start();
        System.out.println("ready");
        while (System.in.read() >= 0) {
            // until the test ends
        }
        System.exit(0);
    }
}
