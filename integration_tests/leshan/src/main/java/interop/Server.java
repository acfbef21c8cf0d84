package interop;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.eclipse.californium.elements.config.Configuration;
import org.eclipse.californium.elements.config.UdpConfig;
import org.eclipse.leshan.core.endpoint.Protocol;
import org.eclipse.leshan.core.observation.CompositeObservation;
import org.eclipse.leshan.core.observation.Observation;
import org.eclipse.leshan.core.observation.SingleObservation;
import org.eclipse.leshan.core.request.ObserveRequest;
import org.eclipse.leshan.core.request.ReadRequest;
import org.eclipse.leshan.core.response.ObserveCompositeResponse;
import org.eclipse.leshan.core.response.ObserveResponse;
import org.eclipse.leshan.server.LeshanServer;
import org.eclipse.leshan.server.LeshanServerBuilder;
import org.eclipse.leshan.server.model.StaticModelProvider;
import org.eclipse.leshan.server.observation.ObservationListener;
import org.eclipse.leshan.server.registration.Registration;
import org.eclipse.leshan.server.registration.RegistrationListener;
import org.eclipse.leshan.server.registration.RegistrationUpdate;
import org.eclipse.leshan.transport.californium.server.endpoint.CaliforniumServerEndpointsProvider;
import org.eclipse.leshan.transport.californium.server.endpoint.coap.CoapServerProtocolProvider;

/**
 * Leshan's server library with its defaults, to be measured: {@code Server PORT OBJECTS}. It counts registrations and decoded notifications and
 * tells {@code counts REGISTERED NOTIFICATIONS} when they change. Commands on standard input: {@code observe N}, {@code read MILLISECONDS WINDOW},
 * {@code gc}.
 */
public final class Server {
    private static final long TIMEOUT_MS = 60_000;
    private static final int RECEIVE_BUFFER = 4 << 20;
    private static final int TELL_EACH_MS = 5;

    private final AtomicLong registered = new AtomicLong();
    private final AtomicLong notifications = new AtomicLong();
    private final List<Registration> registrations = Collections.synchronizedList(new ArrayList<>());
    private final LeshanServer server;
    private long toldRegistered;
    private long toldNotifications;

    private Server(int port, String objects) {
        CaliforniumServerEndpointsProvider.Builder endpoints = new CaliforniumServerEndpointsProvider.Builder(
                new CoapServerProtocolProvider());
        Configuration configuration = endpoints.createDefaultConfiguration();
        // As large as the gateway's.
        configuration.set(UdpConfig.UDP_RECEIVE_BUFFER_SIZE, RECEIVE_BUFFER);
        endpoints.setConfiguration(configuration);
        endpoints.addEndpoint(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), Protocol.COAP);
        server = new LeshanServerBuilder().setEndpointsProviders(endpoints.build())
                .setObjectModelProvider(new StaticModelProvider(Objects.models(objects))).build();
        server.getRegistrationService().addListener(new Registrations());
        server.getObservationService().addListener(new Notifications());
        server.start();
    }

    public static void main(String[] arguments) throws IOException, InterruptedException {
        Server server = new Server(Integer.parseInt(arguments[0]), arguments[1]);
        Executors.newSingleThreadScheduledExecutor().scheduleWithFixedDelay(server::tell, TELL_EACH_MS, TELL_EACH_MS,
                TimeUnit.MILLISECONDS);
        say("ready");
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String[] words = line.split(" ");
            switch (words[0]) {
            case "observe" -> server.observe(Integer.parseInt(words[1]));
            case "read" -> server.read(Long.parseLong(words[1]), Integer.parseInt(words[2]));
            case "gc" -> collect();
            default -> throw new IllegalArgumentException(line);
            }
        }
        System.exit(0);
    }

    private static synchronized void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    private void tell() {
        long nowRegistered = registered.get();
        long nowNotified = notifications.get();
        if (nowRegistered != toldRegistered || nowNotified != toldNotifications) {
            toldRegistered = nowRegistered;
            toldNotifications = nowNotified;
            say("counts " + nowRegistered + " " + nowNotified);
        }
    }

    private void observe(int devices) throws InterruptedException {
        Semaphore window = new Semaphore(50);
        AtomicLong done = new AtomicLong();
        for (Registration registration : new ArrayList<>(registrations.subList(0, devices))) {
            window.acquire();
            server.send(registration, new ObserveRequest(3303, 0, 5700), TIMEOUT_MS, response -> {
                if (response.isSuccess()) {
                    done.incrementAndGet();
                }
                window.release();
            }, error -> window.release());
        }
        window.acquire(50);
        say("observed " + done.get());
    }

    private void read(long milliseconds, int outstanding) throws InterruptedException {
        List<Registration> targets = new ArrayList<>(registrations);
        Semaphore window = new Semaphore(outstanding);
        AtomicLong done = new AtomicLong();
        AtomicLong failed = new AtomicLong();
        long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(milliseconds);
        for (int next = 0; System.nanoTime() < end; next++) {
            window.acquire();
            server.send(targets.get(next % targets.size()), new ReadRequest(3303, 0, 5700), TIMEOUT_MS, response -> {
                (response.isSuccess() ? done : failed).incrementAndGet();
                window.release();
            }, error -> {
                failed.incrementAndGet();
                window.release();
            });
        }
        window.acquire(outstanding);
        say("read " + done.get() + " " + failed.get());
    }

    private static void collect() throws InterruptedException {
        for (int time = 0; time < 3; time++) {
            System.gc();
            Thread.sleep(200);
        }
        Runtime runtime = Runtime.getRuntime();
        say("heap " + (runtime.totalMemory() - runtime.freeMemory()));
    }

    private final class Registrations implements RegistrationListener {
        @Override
        public void registered(Registration registration, Registration previous, Collection<Observation> observations) {
            registrations.add(registration);
            registered.incrementAndGet();
        }

        @Override
        public void updated(RegistrationUpdate update, Registration updated, Registration previous) {
            // not part of the load
        }

        @Override
        public void unregistered(Registration registration, Collection<Observation> observations, boolean expired,
                Registration next) {
            // not part of the load
        }
    }

    private final class Notifications implements ObservationListener {
        @Override
        public void newObservation(Observation observation, Registration registration) {
            // answered to the sender
        }

        @Override
        public void cancelled(Observation observation) {
            say("cancelled");
        }

        @Override
        public void onResponse(SingleObservation observation, Registration registration, ObserveResponse response) {
            if (response.isSuccess() && response.getContent() != null) {
                notifications.incrementAndGet();
            }
        }

        @Override
        public void onResponse(CompositeObservation observation, Registration registration,
                ObserveCompositeResponse response) {
            // not part of the load
        }

        @Override
        public void onError(Observation observation, Registration registration, Exception error) {
            say("error " + error);
        }
    }
}
