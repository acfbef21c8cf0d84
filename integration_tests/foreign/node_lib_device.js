// A LwM2M client made with lwm2m-node-lib, which speaks LwM2M 1.0 with values as text.
//
//     node node_lib_device.js PORT ENDPOINT
//
// It registers, prints "registered LOCATION", then obeys one command per line: "set OBJECT RESOURCE VALUE", "update LIFETIME",
// "deregister", and prints one line per thing that happens.
"use strict";
const readline = require("readline");
const { client } = require("lwm2m-node-lib");

const [port, endpoint] = process.argv.slice(2);
const say = (...words) => console.log(words.join(" "));
const check = (error) => {
  if (error) {
    say("failed", error.name, error.message);
  }
};

client.init({
  client: {
    lifetime: "300", version: "1.0", logLevel: "FATAL", observe: { period: 100 }, ipProtocol: "udp4", serverProtocol: "udp4",
    formats: [{ name: "lightweightm2m/text", value: 1541 }], writeFormat: "lightweightm2m/text",
  },
});
client.registry.create("/3/0", check);
client.registry.setResource("/3/0", "0", "node", check);
client.registry.setResource("/3/0", "9", "100", check);
client.registry.create("/3303/0", check);
client.registry.setResource("/3303/0", "5700", "20.5", check);

client.register("127.0.0.1", port, "", endpoint, (error, device) => {
  if (error) {
    say("failed", error.name, error.message);
    process.exit(1);
  }
  client.setHandler(device.serverInfo, "write", (object, instance, resource, value, done) => {
    say("written", `/${object}/${instance}/${resource}`, value);
    done(null);
  });
  client.setHandler(device.serverInfo, "execute", (object, instance, resource, value, done) => {
    say("executed", `/${object}/${instance}/${resource}`, value);
    done(null);
  });
  client.setHandler(device.serverInfo, "read", (object, instance, resource, value, done) => done(null, value));
  say("registered", device.location);

  const input = readline.createInterface({ input: process.stdin });
  input.on("line", (line) => {
    const [command, ...words] = line.split(" ");
    if (command === "set") {
      client.registry.setResource(words[0], words[1], words[2], (failure) => (check(failure), say("set", ...words)));
    } else if (command === "update") {
      client.update(device, (failure) => (failure ? check(failure) : say("updated")));
    } else if (command === "deregister") {
      client.unregister(device, (failure) => (failure ? check(failure) : say("deregistered")));
    }
  });
  input.on("close", () => process.exit(0));
});
