package interop;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.InetAddress;
import java.security.cert.Certificate;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.eclipse.californium.core.coap.Request;
import org.eclipse.californium.core.config.CoapConfig;
import org.eclipse.californium.core.network.CoapEndpoint;
import org.eclipse.californium.core.network.interceptors.MessageInterceptor;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.scandium.config.DtlsConfig;
import org.eclipse.leshan.client.endpoint.ClientEndpointToolbox;
import org.eclipse.leshan.client.servers.ServerInfo;
import org.eclipse.leshan.transport.californium.client.endpoint.CaliforniumClientEndpointFactory;
import org.eclipse.leshan.transport.californium.client.endpoint.CaliforniumClientEndpointsProvider;
import org.eclipse.leshan.transport.californium.client.endpoint.coap.CoapClientEndpointFactory;
import org.eclipse.leshan.transport.californium.client.endpoint.coap.CoapClientProtocolProvider;
import org.eclipse.leshan.transport.californium.client.endpoint.coaps.CoapsClientProtocolProvider;

/** Californium and Scandium, as the test wants them. */
final class Transport {
    private static final int LARGEST_BODY = 4 << 20;

    private Transport() {
    }

    static CaliforniumClientEndpointsProvider provider(JsonNode start) {
        String alternatePath = start.path("alternatePath").textValue();
        CaliforniumClientEndpointsProvider.Builder builder = new CaliforniumClientEndpointsProvider.Builder(
                new CoapClientProtocolProvider() {
                    @Override
                    public CaliforniumClientEndpointFactory createDefaultEndpointFactory() {
                        return alternatePath == null ? super.createDefaultEndpointFactory()
                                : new AlternatePathFactory(alternatePath);
                    }
                }, new CoapsClientProtocolProvider());
        Configuration configuration = builder.createDefaultConfiguration();
        configuration.set(CoapConfig.MAX_RESOURCE_BODY_SIZE, LARGEST_BODY);
        if (start.has("blockSize")) {
            configuration.set(CoapConfig.PREFERRED_BLOCK_SIZE, start.path("blockSize").intValue());
            configuration.set(CoapConfig.MAX_MESSAGE_SIZE, start.path("blockSize").intValue());
        }
        // -1: the extension is not offered.
        configuration.set(DtlsConfig.DTLS_CONNECTION_ID_LENGTH, start.path("connectionId").asInt(-1) < 0 ? null
                : Integer.valueOf(start.path("connectionId").intValue()));
        configuration.set(DtlsConfig.DTLS_RETRANSMISSION_TIMEOUT, 2, TimeUnit.SECONDS);
        builder.setConfiguration(configuration);
        builder.setClientAddress(InetAddress.getLoopbackAddress());
        return builder.build();
    }

    /** Leshan announces an alternate path but serves its objects at the root: the first segment of each request is taken off. */
    private static final class AlternatePathFactory extends CoapClientEndpointFactory {
        private final String segment;

        AlternatePathFactory(String alternatePath) {
            segment = alternatePath.substring(1);
        }

        @Override
        public CoapEndpoint createCoapEndpoint(InetAddress address, Configuration configuration, ServerInfo server,
                boolean clientInitiatedOnly, List<Certificate> trust, ClientEndpointToolbox toolbox) {
            CoapEndpoint endpoint = super.createCoapEndpoint(address, configuration, server, clientInitiatedOnly,
                    trust, toolbox);
            endpoint.addInterceptor(new MessageInterceptor() {
                @Override
                public void receiveRequest(Request request) {
                    List<String> path = request.getOptions().getUriPath().stream()
                            .map(option -> option.getStringValue()).toList();
                    boolean inside = !path.isEmpty() && path.get(0).equals(segment);
                    String left = inside ? String.join("/", path.subList(1, path.size())) : "outside/" + segment;
                    request.getOptions().setUriPath(left);
                }
            });
            return endpoint;
        }
    }
}
