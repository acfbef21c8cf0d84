package interop;

import java.util.Map;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.node.LwM2mResource;
import org.eclipse.leshan.core.node.LwM2mSingleResource;
import org.eclipse.leshan.core.request.argument.Arguments;
import org.eclipse.leshan.core.response.ExecuteResponse;
import org.eclipse.leshan.core.response.WriteResponse;

/** Firmware Update (object 5), push only: idle → downloaded → updating → idle with result 1. */
public final class Firmware extends Reporting {
    private static final int PACKAGE = 0;
    private static final int UPDATE = 2;
    private static final int STATE = 3;
    private static final int RESULT = 5;
    private static final long IDLE = 0;
    private static final long DOWNLOADED = 2;

    public Firmware() {
        super(0, Map.of(1, "", STATE, IDLE, RESULT, 0L, 9, 1L));
    }

    @Override
    public WriteResponse write(LwM2mServer server, boolean replace, int resource, LwM2mResource value) {
        WriteResponse response = super.write(server, replace, resource, value);
        if (resource == PACKAGE && response.isSuccess()) {
            // Write only: the package is not kept among the readable values.
            resources.remove(PACKAGE);
            become(STATE, ((byte[]) value.getValue()).length == 0 ? IDLE : DOWNLOADED);
        }
        return response;
    }

    @Override
    public ExecuteResponse execute(LwM2mServer server, int resource, Arguments arguments) {
        if (resource != UPDATE || !Long.valueOf(DOWNLOADED).equals(resources.get(STATE).getValue())) {
            return ExecuteResponse.methodNotAllowed();
        }
        ExecuteResponse response = super.execute(server, resource, arguments);
        become(STATE, IDLE);
        become(RESULT, 1L);
        return response;
    }

    private void become(int resource, long value) {
        resources.put(resource, LwM2mSingleResource.newIntegerResource(resource, value));
        fireResourcesChange(getResourcePath(resource));
    }
}
