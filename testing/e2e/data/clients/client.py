"""What the Python client sees: one flow a run, named by the first argument."""

import io
import os
import queue
import sys
import tempfile
import threading
import time

import yaml
from kubernetes import client, config, dynamic, utils, watch
from kubernetes.client.rest import ApiException
from kubernetes.stream import portforward, stream

NS = "python"
config.load_kube_config()
core, apps = client.CoreV1Api(), client.AppsV1Api()


def cm(name, data=None, labels=None):
    meta = client.V1ObjectMeta(name=name, labels=labels)
    return client.V1ConfigMap(api_version="v1", kind="ConfigMap", metadata=meta, data=data)


def wait_until(look, seconds=30):
    end = time.time() + seconds
    while time.time() < end:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise SystemExit("waited too long")


def failure(work):
    try:
        work()
        print("no failure")
    except ApiException as error:
        print(error.status, error.reason)
        print(yaml.safe_load(error.body)["message"])


def start():
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=NS)))
    pod = yaml.safe_load(
        """
        apiVersion: v1
        kind: Pod
        metadata: {name: web, labels: {app: web}}
        spec:
          terminationGracePeriodSeconds: 0
          containers:
          - name: web
            image: busybox:1.36
            command: [sh, -c, 'mkdir /www; echo page > /www/index.html; echo started; exec httpd -f -p 8080 -h /www']
        """
    )
    core.create_namespaced_pod(NS, pod)
    wait_until(lambda: core.read_namespaced_pod("web", NS).status.phase == "Running")
    print(core.read_namespaced_pod("web", NS).status.container_statuses[0].ready)
    version = client.VersionApi().get_code()
    print(version.major, version.minor)


def objects():
    created = core.create_namespaced_config_map(NS, cm("one", {"a": "1"}, {"set": "x"}))
    print(created.metadata.name, created.metadata.uid is not None)
    failure(lambda: core.create_namespaced_config_map(NS, cm("one")))
    failure(lambda: core.read_namespaced_config_map("none", NS))
    failure(lambda: core.create_namespaced_config_map(NS, cm("Bad Name")))
    patched = core.patch_namespaced_config_map("one", NS, {"data": {"b": "2"}})
    print(patched.data)
    patched = core.patch_namespaced_config_map("one", NS, [{"op": "remove", "path": "/data/a"}])
    print(patched.data)
    patched.data = {"c": "3"}
    replaced = core.replace_namespaced_config_map("one", NS, patched)
    print(replaced.data)
    failure(lambda: core.replace_namespaced_config_map("one", NS, patched))
    applied = core.patch_namespaced_config_map(
        "one", NS, {"apiVersion": "v1", "kind": "ConfigMap", "data": {"c": "3", "d": "4"}},
        field_manager="python", force=True, _content_type="application/apply-patch+yaml",
    )
    print(applied.data, sorted((f.manager, f.operation) for f in applied.metadata.managed_fields))
    listed = core.list_namespaced_config_map(NS, label_selector="set=x")
    print([item.metadata.name for item in listed.items])
    dry = core.create_namespaced_config_map(NS, cm("dry"), dry_run="All")
    print(dry.metadata.name)
    gone = core.delete_namespaced_config_map("one", NS)
    print(gone["status"], gone["details"]["kind"])
    for number in range(5):
        core.create_namespaced_config_map(NS, cm(f"page-{number}", labels={"set": "pages"}))
    page, names = None, []
    while True:
        part = core.list_namespaced_config_map(NS, label_selector="set=pages", limit=2, _continue=page)
        names.append([item.metadata.name for item in part.items])
        page = part.metadata._continue
        if not page:
            break
    print(names, part.metadata.remaining_item_count)
    core.delete_collection_namespaced_config_map(NS, label_selector="set=pages")
    print(len(core.list_namespaced_config_map(NS, label_selector="set=pages").items))


def watching():
    start_at = core.list_namespaced_config_map(NS).metadata.resource_version

    def change():
        core.create_namespaced_config_map(NS, cm("seen", labels={"set": "watched"}))
        core.patch_namespaced_config_map("seen", NS, {"data": {"a": "1"}})
        core.patch_namespaced_config_map("seen", NS, {"metadata": {"labels": {"set": "other"}}})
        core.patch_namespaced_config_map("seen", NS, {"metadata": {"labels": {"set": "watched"}}})
        core.delete_namespaced_config_map("seen", NS)

    change()
    watcher = watch.Watch()
    for event in watcher.stream(core.list_namespaced_config_map, NS, resource_version=start_at,
                                label_selector="set=watched", timeout_seconds=10):
        print(event["type"], event["object"].metadata.name, event["object"].data)
        if event["type"] == "DELETED" and (event["object"].metadata.labels or {}).get("set") == "watched":
            watcher.stop()
    began = time.time()
    for _ in watch.Watch().stream(core.list_namespaced_config_map, NS, label_selector="set=none", timeout_seconds=1):
        pass
    print("timed out after a second:", 0.8 < time.time() - began < 3)


def expired():
    """A watch and a list from before the server's history, which began with its last start."""
    core.create_namespaced_config_map(NS, cm("kept", {"a": "1"}, {"set": "old"}))
    try:
        for event in watch.Watch().stream(core.list_namespaced_config_map, NS, resource_version="1", timeout_seconds=5):
            print(event["type"])
    except ApiException as error:
        print(error.status, error.reason.rsplit(":", 1)[0])
    failure(lambda: core.list_namespaced_config_map(NS, resource_version="1", resource_version_match="Exact"))
    listed = core.list_namespaced_config_map(NS, resource_version="0", label_selector="set=old")
    print([item.metadata.name for item in listed.items])
    failure(lambda: core.list_namespaced_config_map(NS, _continue="nonsense", limit=1))
    failure(lambda: core.list_namespaced_config_map(NS, resource_version="nonsense"))


def workloads():
    manifest = {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "idle"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "idle"}},
                 "template": {"metadata": {"labels": {"app": "idle"}},
                              "spec": {"terminationGracePeriodSeconds": 0, "containers": [
                                  {"name": "idle", "image": "busybox:1.36", "command": ["sleep", "1000"]}]}}},
    }
    apps.create_namespaced_deployment(NS, manifest)
    wait_until(lambda: apps.read_namespaced_deployment_status("idle", NS).status.available_replicas == 1)
    scale = apps.read_namespaced_deployment_scale("idle", NS)
    print(scale.kind, scale.spec.replicas, scale.status.selector)
    scale.spec.replicas = 2
    print(apps.replace_namespaced_deployment_scale("idle", NS, scale).spec.replicas)
    wait_until(lambda: apps.read_namespaced_deployment("idle", NS).status.available_replicas == 2)
    print(apps.patch_namespaced_deployment_scale("idle", NS, {"spec": {"replicas": 0}}).spec.replicas)
    apps.delete_namespaced_deployment("idle", NS, propagation_policy="Foreground")
    wait_until(lambda: not core.list_namespaced_pod(NS, label_selector="app=idle").items)
    print("gone")


def streams():
    print(core.read_namespaced_pod_log("web", NS), end="")
    print(core.read_namespaced_pod_log("web", NS, timestamps=True, tail_lines=1), end="")
    print(stream(core.connect_get_namespaced_pod_exec, "web", NS, command=["echo", "hello"], stdout=True,
                 stderr=True, stdin=False, tty=False), end="")
    running = stream(core.connect_get_namespaced_pod_exec, "web", NS, command=["sh"], stdout=True, stderr=True,
                     stdin=True, tty=False, _preload_content=False)
    running.write_stdin("echo typed\n")
    print(running.readline_stdout(timeout=10))
    running.write_stdin("echo wrong >&2; exit 3\n")
    running.run_forever(timeout=10)
    print(running.read_stderr().strip(), running.returncode)
    try:
        stream(core.connect_get_namespaced_pod_exec, "none", NS, command=["true"], stdout=True)
    except ApiException as error:
        print(str(error.reason).split(" -+-+- ")[0][:30])
    forward = portforward(core.connect_get_namespaced_pod_portforward, "web", NS, ports="8080")
    socket = forward.socket(8080)
    socket.settimeout(10)
    socket.sendall(b"GET /index.html HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = b""
    while True:
        part = socket.recv(4096)
        if not part:
            break
        answer += part
    print(answer.split(b"\r\n")[0].decode(), answer.split(b"\r\n\r\n")[1].decode().strip(), forward.error(8080))
    forward = portforward(core.connect_get_namespaced_pod_portforward, "web", NS, ports="9")
    socket = forward.socket(9)
    socket.settimeout(10)
    print(socket.recv(10), "refused" in (wait_until(lambda: forward.error(9))))
    print(core.connect_get_namespaced_pod_proxy_with_path("web:8080", NS, "index.html").strip())
    lines = []
    for line in watch.Watch().stream(core.read_namespaced_pod_log, "web", NS, follow=True):
        lines.append(line)
        break
    print(lines)


def dynamics():
    dyn = dynamic.DynamicClient(client.ApiClient())
    api = dyn.resources.get(api_version="v1", kind="ConfigMap")
    print(api.create(body={"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "dyn"}}, namespace=NS).kind)
    print(api.patch(body={"data": {"x": "y"}}, name="dyn", namespace=NS,
                    content_type="application/merge-patch+json").data.to_dict())
    print(dyn.server_side_apply(api, name="dyn", namespace=NS, field_manager="dyn", force_conflicts=True,
                                body={"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "dyn"},
                                      "data": {"x": "z"}}).data.x)
    print(api.get(name="dyn", namespace=NS).data.x)
    for event in api.watch(namespace=NS, name="dyn", timeout=1):
        print(event["type"], event["object"].metadata.name)
    print(api.delete(name="dyn", namespace=NS).status)
    crds = dyn.resources.get(api_version="apiextensions.k8s.io/v1", kind="CustomResourceDefinition")
    with open("crd.yml") as file:
        crds.create(body=yaml.safe_load(file))
    wait_until(lambda: any(c.type == "Established" and c.status == "True"
                           for c in (crds.get(name="kettles.kitchen.example").status or {}).conditions or []))
    own = client.CustomObjectsApi()
    made = own.create_namespaced_custom_object("kitchen.example", "v1", NS, "kettles", {
        "apiVersion": "kitchen.example/v1", "kind": "Kettle", "metadata": {"name": "big"}, "spec": {"litres": 3}})
    print(made["spec"])
    failure(lambda: own.create_namespaced_custom_object("kitchen.example", "v1", NS, "kettles", {
        "apiVersion": "kitchen.example/v1", "kind": "Kettle", "metadata": {"name": "no"}, "spec": {"litres": "x"}}))
    print(own.patch_namespaced_custom_object_status("kitchen.example", "v1", NS, "kettles", "big",
                                                    {"status": {"cups": 2}})["status"])
    crds.delete(name="kettles.kitchen.example")


def from_yaml():
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: file-a}\n---\napiVersion: v1\nkind: Secret\n" \
           "metadata: {name: file-b}\nstringData: {a: b}\n"
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        utils.create_from_yaml(client.ApiClient(), file.name, namespace=NS)
        print(core.read_namespaced_secret("file-b", NS).data)
        try:
            utils.create_from_yaml(client.ApiClient(), file.name, namespace=NS)
        except utils.FailToCreateError as error:
            print(len(error.api_exceptions), error.api_exceptions[0].status)


def election():
    from kubernetes.leaderelection import electionconfig, leaderelection
    from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock

    led = queue.Queue()

    class Over(Exception):
        pass

    def leading():
        led.put("leading")

    lock = LeaseLock("lead", NS, "me")
    settings = electionconfig.Config(lock, lease_duration=3, renew_deadline=2, retry_period=1,
                                     onstarted_leading=leading, onstopped_leading=None)
    threading.Thread(target=leaderelection.LeaderElection(settings).run, daemon=True).start()
    print(led.get(timeout=20))
    lease = client.CoordinationV1Api().read_namespaced_lease("lead", NS)
    print(lease.spec.holder_identity, lease.spec.lease_duration_seconds)


def end():
    core.delete_namespace(NS)
    wait_until(lambda: NS not in [n.metadata.name for n in core.list_namespace().items])
    print("gone")


globals()[sys.argv[1]]()
sys.stdout.flush()
# Without the interpreter's end: it aborts if the thread that leads logs then.
os._exit(0)
