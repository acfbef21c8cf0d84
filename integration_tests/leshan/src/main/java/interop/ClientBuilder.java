package interop;

import java.security.cert.Certificate;
import java.util.Collection;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ScheduledExecutorService;
import org.eclipse.leshan.client.LeshanClient;
import org.eclipse.leshan.client.LeshanClientBuilder;
import org.eclipse.leshan.client.bootstrap.BootstrapConsistencyChecker;
import org.eclipse.leshan.client.endpoint.LwM2mClientEndpointsProvider;
import org.eclipse.leshan.client.engine.ClientEndpointNameProvider;
import org.eclipse.leshan.client.engine.RegistrationEngineFactory;
import org.eclipse.leshan.client.request.DefaultUplinkRequestSender;
import org.eclipse.leshan.client.request.UplinkRequestSender;
import org.eclipse.leshan.client.resource.LwM2mObjectEnabler;
import org.eclipse.leshan.client.send.DataSender;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.client.servers.ServersInfoExtractor;
import org.eclipse.leshan.client.util.LinkFormatHelper;
import org.eclipse.leshan.core.LwM2m.LwM2mVersion;
import org.eclipse.leshan.core.endpoint.EndPointUriHandler;
import org.eclipse.leshan.core.link.Link;
import org.eclipse.leshan.core.link.LinkSerializer;
import org.eclipse.leshan.core.link.lwm2m.attributes.LwM2mAttributeParser;
import org.eclipse.leshan.core.node.codec.LwM2mDecoder;
import org.eclipse.leshan.core.node.codec.LwM2mEncoder;
import org.eclipse.leshan.core.request.BindingMode;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.request.RegisterRequest;
import org.eclipse.leshan.core.request.UplinkRequest;
import org.eclipse.leshan.core.response.LwM2mResponse;

/**
 * Builds Leshan's client with two additions: it may register as LwM2M 1.0 (by itself Leshan always says 1.1), with queue mode in the
 * binding as 1.0 wants it, and it may keep its objects under an alternate path.
 */
final class ClientBuilder extends LeshanClientBuilder {
    private final String name;
    private final boolean oneZero;
    private final boolean queue;

    ClientBuilder(String name, boolean oneZero, boolean queue, String alternatePath) {
        super(name);
        this.name = name;
        this.oneZero = oneZero;
        this.queue = queue;
        setLinkFormatHelper(new LinkFormatHelper(oneZero ? LwM2mVersion.V1_0 : LwM2mVersion.V1_1) {
            @Override
            public Link[] getClientDescription(Collection<LwM2mObjectEnabler> enablers, String root,
                    List<ContentFormat> formats) {
                return super.getClientDescription(enablers, alternatePath == null ? root : alternatePath, formats);
            }
        });
    }

    @Override
    protected LeshanClient createLeshanClient(ClientEndpointNameProvider names,
            List<? extends LwM2mObjectEnabler> objects, List<DataSender> senders, List<Certificate> trust,
            RegistrationEngineFactory engine, BootstrapConsistencyChecker checker, Map<String, String> attributes,
            Map<String, String> bootstrapAttributes, LwM2mEncoder encoder, LwM2mDecoder decoder,
            ScheduledExecutorService executor, LinkSerializer serializer, LinkFormatHelper helper,
            ServersInfoExtractor servers, LwM2mAttributeParser parser, EndPointUriHandler uris,
            LwM2mClientEndpointsProvider endpoints) {
        // Captured variables are there before the constructor of the class above runs; fields of its own would not be.
        String ownName = name;
        boolean asOneZero = oneZero;
        boolean queueMode = queue;
        class NamedClient extends LeshanClient implements Named {
            NamedClient() {
                super(names, objects, senders, trust, engine, checker, attributes, bootstrapAttributes, encoder,
                        decoder, executor, serializer, helper, servers, parser, uris, endpoints);
            }

            @Override
            public String endpoint() {
                return ownName;
            }

            @Override
            protected UplinkRequestSender createRequestSender(LwM2mClientEndpointsProvider provider) {
                return asOneZero ? new OneZeroSender(provider, queueMode) : super.createRequestSender(provider);
            }
        }
        return new NamedClient();
    }

    /** Registers as LwM2M 1.0. */
    private static final class OneZeroSender extends DefaultUplinkRequestSender {
        private final boolean queue;

        OneZeroSender(LwM2mClientEndpointsProvider provider, boolean queue) {
            super(provider);
            this.queue = queue;
        }

        @Override
        @SuppressWarnings("unchecked")
        public <T extends LwM2mResponse> T send(LwM2mServer server, UplinkRequest<T> request, long timeout)
                throws InterruptedException {
            if (request instanceof RegisterRequest register) {
                EnumSet<BindingMode> binding = EnumSet.copyOf(register.getBindingMode());
                if (queue) {
                    binding.add(BindingMode.Q);
                }
                return super.send(server,
                        (UplinkRequest<T>) (UplinkRequest<?>) new RegisterRequest(register.getEndpointName(),
                                register.getLifetime(), "1.0", binding, null, register.getSmsNumber(),
                                register.getObjectLinks(), register.getAdditionalAttributes()),
                        timeout);
            }
            return super.send(server, request, timeout);
        }
    }
}
