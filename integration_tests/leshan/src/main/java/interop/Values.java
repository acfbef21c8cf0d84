package interop;

import com.fasterxml.jackson.databind.JsonNode;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Date;
import java.util.Map;
import java.util.TreeMap;
import org.eclipse.leshan.core.link.DefaultLinkParser;
import org.eclipse.leshan.core.link.DefaultLinkSerializer;
import org.eclipse.leshan.core.link.Link;
import org.eclipse.leshan.core.link.LinkParseException;
import org.eclipse.leshan.core.model.ResourceModel.Type;
import org.eclipse.leshan.core.node.LwM2mResource;
import org.eclipse.leshan.core.node.ObjectLink;
import org.eclipse.leshan.core.util.Hex;
import org.eclipse.leshan.core.util.datatype.ULong;

/** Values of resources as JSON, so that a test can name and compare them. */
final class Values {
    /** Longer bytes are told by length and digest. */
    private static final int LONGEST = 64;

    private Values() {
    }

    static Object toJson(LwM2mResource resource) {
        if (!resource.isMultiInstances()) {
            return toJson(resource.getValue());
        }
        Map<String, Object> instances = new TreeMap<>();
        resource.getInstances().forEach((id, instance) -> instances.put(id.toString(), toJson(instance.getValue())));
        return instances;
    }

    static Object toJson(Object value) {
        if (value instanceof byte[] bytes) {
            return bytes.length <= LONGEST ? Hex.encodeHexString(bytes) : bytes.length + " bytes " + digest(bytes);
        }
        if (value instanceof String text && text.length() > LONGEST) {
            return text.length() + " characters";
        }
        if (value instanceof Date date) {
            return date.getTime() / 1000;
        }
        if (value instanceof Link[] links) {
            return new DefaultLinkSerializer().serializeCoreLinkFormat(links);
        }
        if (value instanceof ObjectLink link) {
            return link.encodeToString();
        }
        if (value instanceof ULong) {
            return value.toString();
        }
        return value;
    }

    static Object fromJson(JsonNode json, Type type) {
        return switch (type) {
        case INTEGER -> json.longValue();
        case FLOAT -> json.doubleValue();
        case BOOLEAN -> json.booleanValue();
        case TIME -> new Date(json.longValue() * 1000);
        case UNSIGNED_INTEGER -> ULong.valueOf(json.asText());
        case OPAQUE -> Hex.decodeHex(json.textValue().toCharArray());
        case OBJLNK -> ObjectLink.decodeFromString(json.textValue());
        case CORELINK -> links(json.textValue());
        default -> json.textValue();
        };
    }

    private static Link[] links(String text) {
        try {
            return new DefaultLinkParser().parseCoreLinkFormat(text.getBytes(java.nio.charset.StandardCharsets.UTF_8));
        } catch (LinkParseException e) {
            throw new IllegalArgumentException(text, e);
        }
    }

    static String digest(byte[] bytes) {
        try {
            return Hex.encodeHexString(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
