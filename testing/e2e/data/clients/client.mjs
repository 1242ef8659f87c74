// What the JavaScript client sees: one flow a run, named by the first argument.

import * as k8s from '@kubernetes/client-node';
import net from 'node:net';
import { PassThrough, Writable } from 'node:stream';

const NS = 'javascript';
const kc = new k8s.KubeConfig();
kc.loadFromDefault();
const core = kc.makeApiClient(k8s.CoreV1Api);
const apps = kc.makeApiClient(k8s.AppsV1Api);
const say = (...parts) => console.log(parts.map((p) => (typeof p === 'string' ? p : JSON.stringify(p))).join(' '));
const pause = (millis) => new Promise((done) => setTimeout(done, millis));

async function until(look) {
  for (let i = 0; i < 600; i++) {
    const found = await look();
    if (found) return found;
    await pause(50);
  }
  throw new Error('waited too long');
}

async function failure(work) {
  try {
    await work();
    say('no failure');
  } catch (error) {
    const body = typeof error.body === 'string' ? JSON.parse(error.body) : error.body;
    say(error.code, body.reason, body.message);
  }
}

function collect() {
  let text = '';
  const to = new Writable({
    write(chunk, _encoding, done) {
      text += chunk;
      done();
    },
  });
  return { to, text: () => text };
}

const flows = {
  async start() {
    await core.createNamespace({ body: { metadata: { name: NS } } });
    const spec = {
      terminationGracePeriodSeconds: 0,
      containers: [
        {
          name: 'web',
          image: 'busybox:1.36',
          stdin: true,
          tty: true,
          command: ['sh', '-c', 'mkdir /www; echo page > /www/index.html; httpd -p 8080 -h /www; echo started; exec sh'],
        },
      ],
    };
    await core.createNamespacedPod({ namespace: NS, body: { metadata: { name: 'web' }, spec } });
    await until(async () => (await core.readNamespacedPod({ name: 'web', namespace: NS })).status.phase === 'Running');
    say('running');
  },

  async objects() {
    const body = { metadata: { name: 'one', labels: { set: 'x' } }, data: { a: '1' } };
    say((await core.createNamespacedConfigMap({ namespace: NS, body })).data);
    await failure(() => core.createNamespacedConfigMap({ namespace: NS, body }));
    await failure(() => core.readNamespacedConfigMap({ namespace: NS, name: 'none' }));
    const patch = async (type, content) => {
      const options = k8s.setHeaderOptions('Content-Type', type);
      const result = await core.patchNamespacedConfigMap(
        { namespace: NS, name: 'one', body: content, fieldManager: 'js', force: type.includes('apply') || undefined },
        options,
      );
      say(type, result.data);
    };
    await patch(k8s.PatchStrategy.MergePatch, { data: { b: '2' } });
    await patch(k8s.PatchStrategy.StrategicMergePatch, { data: { c: '3' } });
    await patch(k8s.PatchStrategy.JsonPatch, [{ op: 'remove', path: '/data/a' }]);
    await patch(k8s.PatchStrategy.ServerSideApply, { apiVersion: 'v1', kind: 'ConfigMap', data: { d: '4' } });
    const listed = await core.listNamespacedConfigMap({ namespace: NS, labelSelector: 'set=x' });
    say(listed.items.map((item) => item.metadata.name));
    const one = await core.readNamespacedConfigMap({ namespace: NS, name: 'one' });
    one.data = { e: '5' };
    say((await core.replaceNamespacedConfigMap({ namespace: NS, name: 'one', body: one })).data);
    await failure(() => core.replaceNamespacedConfigMap({ namespace: NS, name: 'one', body: one }));
    say((await core.deleteNamespacedConfigMap({ namespace: NS, name: 'one' })).status);
  },

  async generic() {
    const client = k8s.KubernetesObjectApi.makeApiClient(kc);
    const spec = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'generic', namespace: NS }, data: { a: '1' } };
    say((await client.create(spec)).data);
    spec.data = { a: '2' };
    say((await client.patch(spec)).data);
    say((await client.read(spec)).data);
    say((await client.list('v1', 'ConfigMap', NS)).items.map((item) => item.metadata.name));
    say((await client.delete(spec)).status);
  },

  async watching() {
    const watch = new k8s.Watch(kc);
    const path = `/api/v1/namespaces/${NS}/configmaps`;
    const seen = [];
    const list = await core.listNamespacedConfigMap({ namespace: NS });
    const query = { resourceVersion: list.metadata.resourceVersion, allowWatchBookmarks: true };
    const controller = await watch.watch(path, query, (type, object) => seen.push(`${type} ${object.metadata.name}`), () => {});
    await core.createNamespacedConfigMap({ namespace: NS, body: { metadata: { name: 'seen' } } });
    await core.deleteNamespacedConfigMap({ namespace: NS, name: 'seen' });
    await until(() => seen.length >= 2);
    controller.abort();
    say(seen);
  },

  // From before the server's history, which began with its last start.
  async expired() {
    const path = `/api/v1/namespaces/${NS}/configmaps`;
    const seen = await new Promise((done) => {
      new k8s.Watch(kc).watch(path, { resourceVersion: '1' }, (type, object) => done([type, object.code, object.reason]), done);
    });
    say(seen);
    const exact = { namespace: NS, resourceVersion: '1', resourceVersionMatch: 'Exact' };
    await failure(() => core.listNamespacedConfigMap(exact));
  },

  async informer() {
    const path = `/api/v1/namespaces/${NS}/configmaps`;
    const list = () => core.listNamespacedConfigMap({ namespace: NS, labelSelector: 'set=informed' });
    const informer = k8s.makeInformer(kc, path, list, 'set=informed');
    const seen = [];
    for (const verb of ['add', 'update', 'delete']) informer.on(verb, (object) => seen.push(`${verb} ${object.metadata.name}`));
    informer.on('error', (error) => seen.push(`error ${error}`));
    const body = (name) => ({ metadata: { name, labels: { set: 'informed' } } });
    await core.createNamespacedConfigMap({ namespace: NS, body: body('before') });
    await informer.start();
    await core.createNamespacedConfigMap({ namespace: NS, body: body('after') });
    await until(() => seen.length >= 2);
    await core.replaceNamespacedConfigMap({ namespace: NS, name: 'after', body: { ...body('after'), data: { a: '1' } } });
    await until(() => seen.length >= 3);
    say(informer.list().map((object) => object.metadata.name).sort());
    await core.deleteNamespacedConfigMap({ namespace: NS, name: 'before' });
    await until(() => seen.length >= 4);
    say(seen);
    await informer.stop();
  },

  async streams() {
    const exec = new k8s.Exec(kc);
    const [out, err] = [collect(), collect()];
    const status = await new Promise((done) =>
      exec.exec(NS, 'web', 'web', ['sh', '-c', 'echo out; echo err >&2; exit 3'], out.to, err.to, null, false, done),
    );
    say(out.text().trim(), err.text().trim(), status.status, status.reason, status.details.causes);
    const input = new PassThrough();
    const typed = collect();
    const ended = new Promise((done) => exec.exec(NS, 'web', 'web', ['cat'], typed.to, null, input, false, done));
    input.write('typed\n');
    await until(() => typed.text().includes('typed'));
    input.end();
    say((await ended).status);
    const log = new k8s.Log(kc);
    const lines = new PassThrough();
    const logged = collect();
    lines.pipe(logged.to);
    await log.log(NS, 'web', 'web', lines, { follow: false, tailLines: 50 });
    await until(() => logged.text().includes('started'));
    say(logged.text().split('\n')[0].trim());
    const attach = new k8s.Attach(kc);
    const screen = collect();
    const keys = new PassThrough();
    const socket = await attach.attach(NS, 'web', 'web', screen.to, null, keys, true);
    keys.write('echo $((40+2)) attached\n');
    await until(() => screen.text().includes('42 attached'));
    socket.close();
    say('attached');
    const forward = new k8s.PortForward(kc, false);
    const server = net.createServer((connection) => forward.portForward(NS, 'web', [8080], connection, null, connection));
    await new Promise((done) => server.listen(0, '127.0.0.1', done));
    const page = await fetch(`http://127.0.0.1:${server.address().port}/index.html`, { headers: { connection: 'close' } });
    say(page.status, (await page.text()).trim());
    server.close();
  },

  async workloads() {
    const template = {
      metadata: { labels: { app: 'idle' } },
      spec: { terminationGracePeriodSeconds: 0, containers: [{ name: 'idle', image: 'busybox:1.36', command: ['sleep', '1000'] }] },
    };
    const body = { metadata: { name: 'idle' }, spec: { replicas: 1, selector: { matchLabels: { app: 'idle' } }, template } };
    await apps.createNamespacedDeployment({ namespace: NS, body });
    const at = { name: 'idle', namespace: NS };
    await until(async () => (await apps.readNamespacedDeployment(at)).status.availableReplicas === 1);
    const scale = await apps.readNamespacedDeploymentScale(at);
    scale.spec.replicas = 0;
    say((await apps.replaceNamespacedDeploymentScale({ ...at, body: scale })).spec.replicas ?? 'none');
    await until(async () => !(await apps.readNamespacedDeployment(at)).status.replicas);
    say((await apps.deleteNamespacedDeployment(at)).status);
  },

  async end() {
    await core.deleteNamespace({ name: NS });
    await until(async () => !(await core.listNamespace()).items.some((n) => n.metadata.name === NS));
    say('gone');
  },
};

await flows[process.argv[2]]();
process.exit(0);
