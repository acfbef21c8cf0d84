package interop;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;
import java.util.TreeMap;
import org.eclipse.leshan.client.resource.SimpleInstanceEnabler;
import org.eclipse.leshan.client.servers.LwM2mServer;
import org.eclipse.leshan.core.model.ResourceModel;
import org.eclipse.leshan.core.node.LwM2mMultipleResource;
import org.eclipse.leshan.core.node.LwM2mResource;
import org.eclipse.leshan.core.node.LwM2mSingleResource;
import org.eclipse.leshan.core.request.argument.Arguments;
import org.eclipse.leshan.core.response.ExecuteResponse;
import org.eclipse.leshan.core.response.WriteResponse;

/** An object instance that tells what the server does to it. */
public class Reporting extends SimpleInstanceEnabler {

    public Reporting() {
    }

    Reporting(int id, Map<Integer, Object> values) {
        super(id, values);
    }

    protected final void tell(String event, Object... details) {
        if (getLwM2mClient() instanceof Named client) {
            Events.tell(client.endpoint(), event, details);
        }
    }

    @Override
    public WriteResponse write(LwM2mServer server, boolean replace, int resource, LwM2mResource value) {
        ResourceModel model = getModel().resources.get(resource);
        if (model != null && model.multiple) {
            resources.putIfAbsent(resource, LwM2mMultipleResource.newResource(resource, Map.of(), model.type));
        }
        WriteResponse response = super.write(server, replace, resource, value);
        tell("written", "path", getResourcePath(resource).toString(), "value", Values.toJson(value), "replace", replace,
                "code", response.getCode().getCode());
        return response;
    }

    @Override
    public ExecuteResponse execute(LwM2mServer server, int resource, Arguments arguments) {
        Map<String, Object> told = new TreeMap<>();
        arguments.forEach(argument -> told.put(String.valueOf(argument.getDigit()), argument.getValue()));
        tell("executed", "path", getResourcePath(resource).toString(), "args", told);
        return ExecuteResponse.success();
    }

    @Override
    public void onDelete(LwM2mServer server) {
        tell("deleted", "path", "/" + getModel().id + "/" + getId());
    }

    /** A value of this device's own accord; observers are notified. */
    void set(int resource, JsonNode value) {
        ResourceModel model = getModel().resources.get(resource);
        resources.put(resource,
                LwM2mSingleResource.newResource(resource, Values.fromJson(value, model.type), model.type));
        fireResourcesChange(getResourcePath(resource));
    }
}
