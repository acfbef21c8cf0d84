"""A LwM2M client made with aiocoap, a CoAP implementation that shares nothing with the gateway.

    aiocoap_device.py HOST PORT ENDPOINT [IDENTITY KEY]      (with a pre-shared key in hex: over DTLS)

It registers, then obeys one command per line on standard input and prints one line per thing that happens:

    register                  -> registered LOCATION CODE
    register-large N          -> registered LOCATION CODE      (object list of N instances, in blocks)
    update [QUERY]            -> updated CODE
    deregister                -> deregistered CODE
    set VALUE                 -> set VALUE                     (battery level; observers are notified)
    quit

Resources: /3/0/0 text; /3/0/1 answers after a second (separate response); /3/0/2 text of 100,000 characters (Block2);
/3/0/9 observable number; /3/0/4 execute; /5/0/0 takes any PUT (Block1); /3/0/13 takes a PUT.
"""
import asyncio
import socket
import sys

import aiocoap
from aiocoap import resource

LARGE = "".join(f"{number:09};" for number in range(10_000)).encode()


def say(*words):
    print(*words, flush=True)


class Text(resource.Resource):
    def __init__(self, text):
        super().__init__()
        self.text = text

    async def render_get(self, request):
        return aiocoap.Message(payload=self.text, content_format=0)


class Slow(resource.Resource):
    async def render_get(self, request):
        await asyncio.sleep(1)
        return aiocoap.Message(payload=b"slow", content_format=0)


class Battery(resource.ObservableResource):
    def __init__(self):
        super().__init__()
        self.value = 100

    def set(self, value):
        self.value = value
        self.updated_state()

    def update_observation_count(self, count):
        say("observers", count)

    async def render_get(self, request):
        return aiocoap.Message(payload=str(self.value).encode(), content_format=0)


class Reboot(resource.Resource):
    async def render_post(self, request):
        say("executed", request.payload.decode() or "-")
        return aiocoap.Message(code=aiocoap.CHANGED)


class Writable(resource.Resource):
    def __init__(self, name):
        super().__init__()
        self.name = name

    async def render_put(self, request):
        say("written", self.name, request.opt.content_format, len(request.payload), request.payload[-16:].hex())
        return aiocoap.Message(code=aiocoap.CHANGED)


class Device:
    def __init__(self, host, port, endpoint, identity=None, key=None):
        self.base = f"{'coaps' if identity else 'coap'}://{host}:{port}"
        self.identity = identity
        self.key = key
        self.endpoint = endpoint
        self.location = []
        self.battery = Battery()

    async def start(self):
        site = resource.Site()
        site.add_resource(["3", "0", "0"], Text(b"aiocoap"))
        site.add_resource(["3", "0", "1"], Slow())
        site.add_resource(["3", "0", "2"], Text(LARGE))
        site.add_resource(["3", "0", "4"], Reboot())
        site.add_resource(["3", "0", "9"], self.battery)
        site.add_resource(["3", "0", "13"], Writable("time"))
        site.add_resource(["5", "0", "0"], Writable("package"))
        # Port 0 is "the default port" to aiocoap: look for a free one, again if somebody was faster.
        for attempt in range(10):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            try:
                transports = ["udp6", "tinydtls"] if self.identity else None
                self.context = await aiocoap.Context.create_server_context(
                    site, bind=("127.0.0.1", port), transports=transports
                )
                if self.identity:
                    secret = {"psk": {"hex": self.key}, "client-identity": {"ascii": self.identity}}
                    self.context.client_credentials.load_from_dict({f"{self.base}/*": {"dtls": secret}})
                return
            except OSError:
                if attempt == 9:
                    raise

    async def request(self, code, path, query=(), payload=b""):
        message = aiocoap.Message(code=code, uri=self.base, payload=payload)
        message.opt.uri_path = tuple(path)
        message.opt.uri_query = tuple(query)
        if payload:
            message.opt.content_format = 40
        return await self.context.request(message).response

    async def register(self, links):
        query = (f"ep={self.endpoint}", "lt=300", "lwm2m=1.0")
        response = await self.request(aiocoap.POST, ["rd"], query, links.encode())
        self.location = response.opt.location_path
        say("registered", "/".join(("",) + tuple(self.location)) or "-", response.code.dotted)

    async def obey(self, line):
        command, *words = line.split()
        if command == "register":
            await self.register("</3/0>,</5/0>")
        elif command == "register-large":
            await self.register(",".join(f"</3303/{at}>" for at in range(int(words[0]))))
        elif command == "update":
            response = await self.request(aiocoap.POST, self.location, words)
            say("updated", response.code.dotted)
        elif command == "deregister":
            response = await self.request(aiocoap.DELETE, self.location)
            say("deregistered", response.code.dotted)
        elif command == "set":
            self.battery.set(int(words[0]))
            say("set", words[0])
        else:
            raise SystemExit(f"unknown command {command}")


async def main():
    device = Device(*sys.argv[1:])
    await device.start()
    say("ready")
    loop = asyncio.get_running_loop()
    while True:
        line = await loop.run_in_executor(None, sys.stdin.readline)
        if not line or line.strip() == "quit":
            break
        await device.obey(line)
    await device.context.shutdown()


asyncio.run(main())
