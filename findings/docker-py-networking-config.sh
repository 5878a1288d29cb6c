#!/bin/sh
# docker-py 7.2.0: containers.create() drops the endpoint configuration, such as a fixed address, without a word.
#
# `networking_config` is a dict of endpoint configurations by network. It is left out of the request
#   - if it has no key for `network`. That is so, too, for the SDK's own docker.types.NetworkingConfig, which the
#     low-level API takes under the same name: its only key is EndpointsConfig;
#   - if there is no `network` at all. containers.run() raises in this case, create() does not.
# In the first case the request has {"NetworkingConfig": {"mynet": null}}, without the EndpointsConfig of the engine's
# API: NetworkMode alone names the network, and nothing the address. A server of the script shows what is requested.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" -q --disable-pip-version-check install docker==7.2.0

"$dir/venv/bin/python" - >"$dir/seen" <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import docker
from docker.types import EndpointConfig, NetworkingConfig

requested = []


class Engine(BaseHTTPRequestHandler):
    def do_POST(self):
        requested.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.answer(201, {"Id": "1", "Warnings": []})

    def do_GET(self):
        self.answer(200, {"Id": "1"})

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Engine)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = docker.DockerClient(base_url=f"tcp://127.0.0.1:{server.server_port}", version="1.41")
endpoint = EndpointConfig("1.41", ipv4_address="10.5.0.2")
for name, options in {
    "dict": {"network": "mynet", "networking_config": {"mynet": endpoint}},
    "NetworkingConfig": {"network": "mynet", "networking_config": NetworkingConfig({"mynet": endpoint})},
    "other key": {"network": "mynet", "networking_config": {"project_mynet": endpoint}},
    "no network": {"networking_config": {"mynet": endpoint}},
}.items():
    requested.clear()
    client.containers.create("image", **options)
    print(f"{name}:", json.dumps(requested[0].get("NetworkingConfig")))
try:
    client.containers.run("image", networking_config={"mynet": endpoint})
except RuntimeError as error:
    print("no network, run():", type(error).__name__)
PYTHON

cat >"$dir/expected" <<'END'
dict: {"EndpointsConfig": {"mynet": {"IPAMConfig": {"IPv4Address": "10.5.0.2"}}}}
NetworkingConfig: {"mynet": null}
other key: {"mynet": null}
no network: null
no network, run(): RuntimeError
END
echo "docker-py 7.2.0, API 1.41, the NetworkingConfig of the request for a container with a fixed address:"
cat "$dir/seen"
diff "$dir/expected" "$dir/seen" || { echo "CHANGED: docker-py behaves differently now"; exit 1; }
