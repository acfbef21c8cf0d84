package interop;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import org.eclipse.leshan.client.LeshanClient;
import org.eclipse.leshan.client.engine.DefaultRegistrationEngineFactory;
import org.eclipse.leshan.client.observer.LwM2mClientObserverAdapter;
import org.eclipse.leshan.client.resource.LwM2mInstanceEnabler;
import org.eclipse.leshan.client.resource.ObjectEnabler;
import org.eclipse.leshan.client.send.ManualDataSender;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.ResponseCode;
import org.eclipse.leshan.core.model.ObjectModel;
import org.eclipse.leshan.core.node.LwM2mPath;
import org.eclipse.leshan.core.request.ContentFormat;
import org.eclipse.leshan.core.request.DeregisterRequest;
import org.eclipse.leshan.core.request.RegisterRequest;
import org.eclipse.leshan.core.request.UpdateRequest;
import org.eclipse.leshan.core.response.SendResponse;

/** One device; obeys its commands one after the other. */
final class Device {
    private static final long TIMEOUT_MS = 30_000;
    private static final int NO_RETRY_MS = 600_000;

    private final String name;
    private final LeshanClient client;
    private final ExecutorService queue = Executors.newSingleThreadExecutor();

    Device(JsonNode start, List<ObjectModel> models, ScheduledExecutorService shared) {
        name = start.path("ep").textValue();
        boolean queueMode = start.path("queue").asBoolean();
        ClientBuilder builder = new ClientBuilder(name, start.path("version").asText("1.1").equals("1.0"), queueMode,
                start.path("alternatePath").textValue());
        builder.setObjects(Objects.enablers(start, models));
        builder.setDataSenders(new ManualDataSender());
        builder.setSharedExecutor(shared);
        builder.setRegistrationEngineFactory(new DefaultRegistrationEngineFactory().setRequestTimeoutInMs(TIMEOUT_MS)
                .setDeregistrationTimeoutInMs(TIMEOUT_MS).setRetryWaitingTimeInMs(NO_RETRY_MS)
                .setQueueMode(queueMode));
        builder.setEndpointsProviders(Transport.provider(start));
        client = builder.build();
        client.addObserver(new Teller());
    }

    void obey(JsonNode command) {
        queue.execute(() -> {
            try {
                carryOut(command);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            } catch (Exception e) {
                Events.tell(name, "failed", "do", command.path("do").textValue(), "error", e.toString());
            }
        });
    }

    private void carryOut(JsonNode command) throws InterruptedException {
        switch (command.path("do").textValue()) {
        case "start" -> client.start();
        case "update" -> client.triggerRegistrationUpdate();
        case "set" -> set(command);
        case "send" -> send(command);
        case "collect" -> sender().collectData(LwM2mPath.getLwM2mPathList(paths(command)));
        case "send-collected" -> sender().sendCollectedData(server(), format(command), TIMEOUT_MS, false);
        case "stop" -> {
            client.destroy(command.path("deregister").asBoolean(true));
            Events.tell(name, "stopped");
            queue.shutdown();
        }
        default -> throw new IllegalArgumentException("no such command");
        }
    }

    private void set(JsonNode command) {
        LwM2mPath path = new LwM2mPath(command.path("path").textValue());
        ObjectEnabler object = (ObjectEnabler) client.getObjectTree().getObjectEnabler(path.getObjectId());
        LwM2mInstanceEnabler instance = object.getInstance(path.getObjectInstanceId());
        ((Reporting) instance).set(path.getResourceId(), command.path("value"));
        Events.tell(name, "set", "path", path.toString());
    }

    private void send(JsonNode command) throws InterruptedException {
        SendResponse response = client.getSendService().sendData(server(), format(command), paths(command), TIMEOUT_MS);
        Events.tell(name, "sent", "code", response == null ? "timeout" : code(response.getCode()));
    }

    private ManualDataSender sender() {
        return client.getSendService().getDataSender(ManualDataSender.DEFAULT_NAME, ManualDataSender.class);
    }

    private LwM2mServer server() {
        return client.getRegisteredServers().values().iterator().next();
    }

    private static ContentFormat format(JsonNode command) {
        return ContentFormat.fromName(command.path("format").textValue());
    }

    private static List<String> paths(JsonNode command) {
        List<String> paths = new ArrayList<>();
        command.path("paths").forEach(path -> paths.add(path.textValue()));
        return paths;
    }

    private static String code(ResponseCode code) {
        return code == null ? "none" : "%d.%02d".formatted(code.getCode() / 100, code.getCode() % 100);
    }

    private final class Teller extends LwM2mClientObserverAdapter {
        @Override
        public void onRegistrationSuccess(LwM2mServer server, RegisterRequest request, String location) {
            Events.tell(name, "registered", "location", location);
        }

        @Override
        public void onRegistrationFailure(LwM2mServer server, RegisterRequest request, ResponseCode code, String error,
                Exception cause) {
            Events.tell(name, "registration-failed", "code", code(code), "error", String.valueOf(cause));
        }

        @Override
        public void onRegistrationTimeout(LwM2mServer server, RegisterRequest request) {
            Events.tell(name, "registration-failed", "code", "timeout");
        }

        @Override
        public void onUpdateSuccess(LwM2mServer server, UpdateRequest request) {
            Events.tell(name, "updated");
        }

        @Override
        public void onUpdateFailure(LwM2mServer server, UpdateRequest request, ResponseCode code, String error,
                Exception cause) {
            Events.tell(name, "update-failed", "code", code(code), "error", String.valueOf(cause));
        }

        @Override
        public void onUpdateTimeout(LwM2mServer server, UpdateRequest request) {
            Events.tell(name, "update-failed", "code", "timeout");
        }

        @Override
        public void onDeregistrationSuccess(LwM2mServer server, DeregisterRequest request) {
            Events.tell(name, "deregistered");
        }

        @Override
        public void onDeregistrationFailure(LwM2mServer server, DeregisterRequest request, ResponseCode code,
                String error, Exception cause) {
            Events.tell(name, "deregistration-failed", "code", code(code));
        }

        @Override
        public void onUnexpectedError(Throwable error) {
            Events.tell(name, "failed", "error", String.valueOf(error));
        }
    }
}
