"""Webhooks on this machine: python3 webhook.py PORT CERTIFICATE KEY."""

import base64
import http.server
import json
import ssl
import sys


def mutate(request):
    """Puts a label and a sidecar into pods."""
    kind = request["kind"]["kind"]
    if kind != "Pod" or request["operation"] != "CREATE":
        return {"allowed": True}
    patch = [
        {"op": "add", "path": "/metadata/labels/injected", "value": "yes"},
        {
            "op": "add",
            "path": "/spec/containers/-",
            "value": {"name": "sidecar", "image": "busybox:1.36", "command": ["sh", "-c", "echo beside; sleep 3600"]},
        },
    ]
    text = base64.b64encode(json.dumps(patch).encode()).decode()
    return {"allowed": True, "patchType": "JSONPatch", "patch": text, "warnings": ["a sidecar was put in"]}


def validate(request):
    """Lets nobody make or delete what is called forbidden."""
    if request.get("name") != "forbidden":
        return {"allowed": True}
    why = f"{request['userInfo']['username']} may not {request['operation']} it"
    return {"allowed": False, "status": {"code": 403, "reason": "Forbidden", "message": why}}


def convert(request):
    """v1 says `size`, v2 says `replicas`."""
    version = request["desiredAPIVersion"]
    new = version.endswith("/v2")
    converted = []
    for item in request["objects"]:
        if item["spec"].get("size") == 13 or item["spec"].get("replicas") == 13:
            failed = {"status": "Failure", "message": "thirteen cannot be converted"}
            return {"uid": request["uid"], "result": failed, "convertedObjects": []}
        old, now = ("size", "replicas") if new else ("replicas", "size")
        spec = dict(item["spec"])
        if old in spec:
            spec[now] = spec.pop(old)
        converted.append({**item, "apiVersion": version, "spec": spec})
    return {"uid": request["uid"], "result": {"status": "Success"}, "convertedObjects": converted}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = self.path.split("?")[0]
        answers = {"/mutate": mutate, "/validate": validate, "/convert": convert}
        if path not in answers:
            self.send_error(404)
            return
        response = answers[path](review["request"])
        response["uid"] = review["request"]["uid"]
        answer = {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


port, certificate, key = int(sys.argv[1]), sys.argv[2], sys.argv[3]
server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
print("listening", flush=True)
server.serve_forever()
