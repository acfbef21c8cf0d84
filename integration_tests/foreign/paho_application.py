"""An application made with Eclipse Paho's Python client.

    paho_application.py PORT VERSION         (VERSION: 4 for MQTT 3.1.1, 5)

Subscribes to lwm2m/#, then publishes what standard input says: JSON objects, one per line, with topic, payload, and for MQTT 5 responseTopic and
correlation. Prints "ready", then one JSON object per message: topic, payload, correlation, ep (user property).
"""
import json
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties


def say(thing):
    print(json.dumps(thing), flush=True)


def connected(client, *_):
    client.subscribe("lwm2m/#", qos=1)


def received(client, _, message):
    properties = message.properties
    correlation = getattr(properties, "CorrelationData", None)
    say({
        "topic": message.topic,
        "payload": json.loads(message.payload),
        "correlation": correlation.decode() if correlation else None,
        "ep": dict(getattr(properties, "UserProperty", [])).get("ep"),
    })


port, version = int(sys.argv[1]), int(sys.argv[2])
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=version)
client.on_connect = connected
client.on_subscribe = lambda *_: print("ready", flush=True)
client.on_message = received
client.connect("127.0.0.1", port)
client.loop_start()
for line in sys.stdin:
    command = json.loads(line)
    properties = None
    if "responseTopic" in command:
        properties = Properties(PacketTypes.PUBLISH)
        properties.ResponseTopic = command["responseTopic"]
        properties.CorrelationData = command["correlation"].encode()
    client.publish(command["topic"], json.dumps(command["payload"]), qos=1, properties=properties).wait_for_publish(10)
client.disconnect()
