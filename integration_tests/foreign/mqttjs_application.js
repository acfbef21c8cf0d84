// An application made with MQTT.js.
//
//     node mqttjs_application.js PORT VERSION         (VERSION: 4 for MQTT 3.1.1, 5)
//
// Subscribes to lwm2m/#, then publishes what standard input says: JSON objects, one per line, with topic, payload, and for MQTT 5
// responseTopic and correlation. Prints "ready", then one JSON object per message: topic, payload, correlation, ep (user property).
"use strict";
const mqtt = require("mqtt");
const readline = require("readline");

const [port, version] = process.argv.slice(2).map(Number);
const client = mqtt.connect({ host: "127.0.0.1", port, protocol: "mqtt", protocolVersion: version });

client.on("connect", () => client.subscribe("lwm2m/#", { qos: 1 }, () => console.log("ready")));
client.on("message", (topic, payload, packet) => {
  const properties = packet.properties || {};
  console.log(JSON.stringify({
    topic,
    payload: JSON.parse(payload),
    correlation: properties.correlationData ? properties.correlationData.toString() : null,
    ep: (properties.userProperties || {}).ep,
  }));
});

const input = readline.createInterface({ input: process.stdin });
input.on("line", (line) => {
  const { topic, payload, responseTopic, correlation } = JSON.parse(line);
  const properties = responseTopic ? { responseTopic, correlationData: Buffer.from(correlation) } : undefined;
  client.publish(topic, JSON.stringify(payload), { qos: 1, properties });
});
input.on("close", () => client.end(true, () => process.exit(0)));
