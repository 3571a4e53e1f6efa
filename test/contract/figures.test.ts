/** Figures of real kube-apiservers, against what a load of ours counted and measured itself. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { computeFigures, type Figures } from '../../src/core/apiserver/figures.ts';
import { judge } from '../../src/core/apiserver/judge.ts';
import { METRIC_NAMES } from '../../src/core/apiserver/metrics.ts';
import type { Scrape } from '../../src/core/apiserver/scrape.ts';
import { createKubernetesClient } from '../../src/drivers/kubernetes/client.ts';
import { readInstances } from '../../src/drivers/kubernetes/figures.ts';
import { type KubernetesAccess, readKubeconfig } from '../../src/drivers/kubernetes/kubeconfig.ts';
import { ApiserverMetrics } from '../../src/drivers/kubernetes/metrics.ts';
import type { Kubernetes } from '../../src/ports/kubernetes.ts';
import { ApiLoad, openWatch, type Place } from '../support/api-load.ts';
import { type KubernetesCluster, kubernetesProblem, startKubernetes } from '../support/kubernetes.ts';

const problem = kubernetesProblem();
const main = join(import.meta.dirname, '../../src/cli/main.ts');

const WEBHOOK = { host: '10.99.0.1', port: 9443 };
const CLOSED_PORT = 9444;
const DELAY_MS = 500;
const WATCH = '/api/v1/namespaces/default/configmaps?watch=true&resourceVersion=0';

const AUDIT_POLICY = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  rules: [{ level: 'Metadata', namespaces: ['audited'], resources: [{ group: '', resources: ['configmaps'] }] }, { level: 'None' }],
};

let own: string;
let cluster: KubernetesCluster;
let access: KubernetesAccess;
let client: Kubernetes;
let webhook: Server | undefined;
const scrapers: ApiserverMetrics[] = [];

const placeOf = (index: number): Place => {
  const { address: host, port } = cluster.apiservers[index] as KubernetesCluster['apiservers'][number];
  return { host, port };
};

const scraperOf = (index: number, credentials = access): ApiserverMetrics => {
  const scraper = new ApiserverMetrics(credentials, placeOf(index));
  scrapers.push(scraper);
  return scraper;
};

async function scrape(scraper: ApiserverMetrics): Promise<Scrape> {
  const result = await scraper.scrape(30_000);
  if (!result.ok) throw new Error(result.reason);
  return result.scrape;
}

/** Figures of what happens while `work` is done. */
async function during(scraper: ApiserverMetrics, work: () => Promise<unknown>): Promise<Figures & { fromMs: number; toMs: number }> {
  const first = await scrape(scraper);
  await work();
  const second = await scrape(scraper);
  return { ...computeFigures(first, second), fromMs: first.atMs, toMs: second.atMs };
}

async function make(path: string, body: object): Promise<void> {
  const { status, body: answer } = await client.request('POST', path, { body, timeoutMs: 30_000 });
  if (status !== 201) throw new Error(`POST ${path}: ${status} ${JSON.stringify(answer)}`);
}

const configMap = (name: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { a: 'b' } });
const namespace = (name: string) => make('/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });

/** Until it holds: an API server hears of its own configuration by a watch. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(200);
}

beforeAll(async () => {
  if (problem !== undefined) return;
  own = mkdtempSync(join(tmpdir(), 'hale-figures-'));
  writeFileSync(join(own, 'policy.json'), JSON.stringify(AUDIT_POLICY));
  // Every write to /dev/full fails as on a full disk.
  const audit = [`--audit-policy-file=${join(own, 'policy.json')}`, '--audit-log-path=/dev/full', '--audit-log-mode=blocking'];
  cluster = await startKubernetes({ apiservers: 2, arguments: audit });
  access = readKubeconfig(cluster.adminConf);
  client = createKubernetesClient({ kubeconfig: cluster.adminConf });
  for (const name of ['slow', 'open', 'shut', 'audited']) await namespace(name);
}, 180_000);

afterAll(async () => {
  for (const scraper of scrapers) scraper.close();
  client?.close();
  webhook?.closeAllConnections();
  webhook?.close();
  await cluster?.close();
  if (own !== undefined) rmSync(own, { recursive: true, force: true });
});

/** Runs the command line; this thread goes on, because it makes the load. */
function hale(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : (error.code as number), stdout, stderr }),
    );
  });
}

const webhookOf = (name: string, { port, failurePolicy }: { port: number; failurePolicy: string }) => ({
  name: `${name}.test.hale.dev`,
  clientConfig: { url: `https://${WEBHOOK.host}:${port}/`, caBundle: Buffer.from(cluster.authority.certPem).toString('base64') },
  rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }],
  namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': name } },
  failurePolicy,
  sideEffects: 'None',
  admissionReviewVersions: ['v1'],
  timeoutSeconds: 10,
});

/** Allows everything, but not at once. */
async function startWebhook(): Promise<void> {
  const pair = await cluster.authority.issue({
    commonName: 'webhook',
    dnsNames: [],
    ipAddresses: [WEBHOOK.host],
    usages: ['server'],
    validityDays: 1,
  });
  webhook = createServer({ cert: pair.certPem, key: pair.keyPem }, (req, res) => {
    let text = '';
    req.on('data', (chunk: Buffer) => (text += chunk.toString()));
    req.on('end', () => {
      const { uid } = (JSON.parse(text) as { request: { uid: string } }).request;
      const answer = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: { uid, allowed: true } };
      setTimeout(() => res.setHeader('content-type', 'application/json').end(JSON.stringify(answer)), DELAY_MS);
    });
  });
  await new Promise<void>((resolve) => void webhook?.listen(WEBHOOK.port, WEBHOOK.host, resolve));
  await make('/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations', {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name: 'test' },
    webhooks: [
      webhookOf('slow', { port: WEBHOOK.port, failurePolicy: 'Fail' }),
      webhookOf('open', { port: CLOSED_PORT, failurePolicy: 'Ignore' }),
      webhookOf('shut', { port: CLOSED_PORT, failurePolicy: 'Fail' }),
    ],
  });
  // The configuration is in force for all three at once.
  let made = 0;
  await until(async () => {
    const { status } = await client.request('POST', '/api/v1/namespaces/shut/configmaps', { body: configMap(`try-${made++}`) });
    return status === 500;
  });
}

const FLOW = 'flowcontrol.apiserver.k8s.io/v1';

/** The user may do everything, but has no seat beyond the one that a level without seats lends: a second request at the same time is refused. */
async function leaveNoSeats(user: string): Promise<void> {
  await make('/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: user },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
  });
  const limited = { nominalConcurrencyShares: 0, lendablePercent: 0, borrowingLimitPercent: 0, limitResponse: { type: 'Reject' } };
  await make(`/apis/${FLOW}/prioritylevelconfigurations`, {
    apiVersion: FLOW,
    kind: 'PriorityLevelConfiguration',
    metadata: { name: user },
    spec: { type: 'Limited', limited },
  });
  await make(`/apis/${FLOW}/flowschemas`, {
    apiVersion: FLOW,
    kind: 'FlowSchema',
    metadata: { name: user },
    spec: {
      matchingPrecedence: 100,
      priorityLevelConfiguration: { name: user },
      rules: [
        {
          subjects: [{ kind: 'User', user: { name: user } }],
          resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'] }],
        },
      ],
    },
  });
}

describe.skipIf(problem !== undefined)(`figures of real API servers${problem === undefined ? '' : `: ${problem}`}`, () => {
  test('requests are those that a load of its own counted', async () => {
    const load = new ApiLoad(placeOf(0), access);
    await make('/api/v1/namespaces/default/configmaps', configMap('asked-for'));
    const workers = Array.from({ length: 4 }, () => load.keepAsking('/api/v1/namespaces/default/configmaps/asked-for'));
    await sleep(500);
    const figures = await during(scraperOf(0), () => sleep(5000));
    load.stop();
    await Promise.all(workers);
    load.close();
    const counted = load.done.filter(({ endMs }) => endMs > figures.fromMs && endMs <= figures.toMs).length;
    expect(counted).toBeGreaterThan(100);
    const gets = figures.latency?.find(({ of }) => of === 'GET')?.requests ?? 0;
    expect(Math.abs(gets - counted) / counted, `${gets} GETs where ${counted} were sent`).toBeLessThan(0.1);
    const rate = (counted * 1000) / (figures.toMs - figures.fromMs);
    expect(Math.abs((figures.requestsPerSecond ?? 0) - rate) / rate, `${figures.requestsPerSecond}/s`).toBeLessThan(0.1);
    expect(Math.abs((figures.answersPerSecond?.['2xx'] ?? 0) - rate) / rate).toBeLessThan(0.1);
    expect(figures).toMatchObject({ restarted: false, missing: [], malformed: 0, dropped: 0 });
  });

  test('watches are counted, each once', async () => {
    const scraper = scraperOf(0);
    const watchesNow = async () => (await during(scraper, async () => {})).watches ?? Number.NaN;
    const before = await watchesNow();
    const watches = await Promise.all(Array.from({ length: 25 }, () => openWatch(placeOf(0), access, WATCH)));
    expect((await watchesNow()) - before).toBe(25);
    for (const end of watches) end();
    await until(async () => (await watchesNow()) === before);
  });

  test("p99 lies in a bucket between a webhook's delay, below which no request is, and what the clients measured", async () => {
    await startWebhook();
    const load = new ApiLoad(placeOf(0), access);
    const figures = await during(scraperOf(0), async () => {
      for (let round = 0; round < 4; round++) {
        const names = Array.from({ length: 10 }, (_, i) => `slow-${round}-${i}`);
        await Promise.all(names.map((name) => load.send('POST', '/api/v1/namespaces/slow/configmaps', configMap(name))));
      }
    });
    load.close();
    const posts = figures.latency?.find(({ of }) => of === 'POST');
    expect(posts?.requests).toBeGreaterThanOrEqual(40);
    const measured = load.done.map(({ ms }) => ms).toSorted((a, b) => a - b)[39] as number;
    const { lower = 0, upper = 0, value = 0 } = posts?.p99 ?? {};
    expect(upper * 1000, `${value} s of the server, ${measured} ms of its clients`).toBeGreaterThanOrEqual(DELAY_MS);
    expect(lower * 1000).toBeLessThanOrEqual(measured);
  });

  test('a webhook that does not answer, a full audit log and a user without seats are counted and found', async () => {
    await leaveNoSeats('crowd');
    const load = new ApiLoad(placeOf(0), readKubeconfig(await cluster.writeKubeconfig({ file: 'crowd.conf', commonName: 'crowd' })));
    const refusals = () => load.done.filter(({ status }) => status === 429).length;
    let round = 0;
    // All wait for the webhook together.
    const crowd = async () => {
      const names = Array.from({ length: 5 }, (_, i) => `crowd-${round}-${i}`);
      round++;
      await Promise.all(names.map((name) => load.send('POST', '/api/v1/namespaces/slow/configmaps', configMap(name))));
    };
    await until(async () => (await crowd(), refusals() > 0));
    const earlier = refusals();
    const figures = await during(scraperOf(0), async () => {
      await client.request('POST', '/api/v1/namespaces/shut/configmaps', { body: configMap('shut') });
      await make('/api/v1/namespaces/open/configmaps', configMap('open'));
      await make('/api/v1/namespaces/audited/configmaps', configMap('audited'));
      await crowd();
    });
    load.close();
    expect(figures.failures).toMatchObject({ webhookRefusals: { inWindow: 1 }, webhookLetThrough: { inWindow: 1 } });
    expect(figures.failures.auditEvents?.inWindow).toBeGreaterThanOrEqual(1);
    expect(figures.rejected).toBe(refusals() - earlier);
    expect(figures.rejected).toBeGreaterThan(0);
    const thresholds = {
      requestRateSpreadPercent: 15,
      requestP99Ms: 60_000,
      etcdRequestP99Ms: 60_000,
      memoryPercent: 100,
      inFlightPercent: 100,
      certificateDays: 1,
    };
    const findings = judge([{ name: 'cp1', figures, problem: null, hostMemoryBytes: null }], thresholds).filter(
      ({ verdict }) => verdict === 'finding',
    );
    expect(findings.map(({ id }) => id)).toEqual(expect.arrayContaining(['rejected', 'failures']));
  });

  test('every metric that figures are made of was served by now', async () => {
    const { series } = await scrape(scraperOf(0));
    expect(METRIC_NAMES.filter((name) => !series.has(name))).toEqual([]);
  });

  test('whoever is not allowed to read them, or meets another authority, is told so', async () => {
    const nobody = readKubeconfig(await cluster.writeKubeconfig({ file: 'nobody.conf', commonName: 'nobody' }));
    expect(await scraperOf(0, nobody).scrape(30_000)).toMatchObject({
      ok: false,
      reason: expect.stringMatching(/^HTTP 403: .*\/metrics$/),
    });
    const other = { ...access, ca: readFileSync(join(cluster.dir, 'ca.crt'), 'utf8') };
    expect(await scraperOf(0, other).scrape(30_000)).toMatchObject({ ok: false, reason: expect.stringContaining('certificate') });
    expect(await scraperOf(0, { ...access, serverName: 'another.example' }).scrape(30_000)).toMatchObject({
      ok: false,
      reason: expect.stringContaining('another.example'),
    });
  });

  test('an API server that does not answer delays the others no further than its deadline, and is told', async () => {
    const places = cluster.apiservers.map(({ name, address, port }) => ({ name, address, port, isHere: true }));
    const gone = { name: 'cp3', address: '10.99.0.3', port: 6443, isHere: false };
    const instances = await readInstances(access, { places: [...places, gone], seconds: 1 });
    expect(instances.map(({ figures }) => figures !== null)).toEqual([true, true, false]);
    expect(instances[2]?.problem).toContain('10.99.0.3');
    expect(instances[0]?.hostMemoryBytes).toBeGreaterThan(1e9);
  });

  test('`hale status --deep`: exit 1 and one JSON document, in which the loaded one stands out', async () => {
    const file = join(own, 'cluster.yaml');
    const hosts = cluster.apiservers.map(({ name, address }) => ({ name, address: `${address}/24` }));
    const description = {
      apiVersion: 'hale.dev/v1alpha1',
      kind: 'Cluster',
      name: 'test',
      endpoint: { address: '10.99.0.100' },
      controlPlane: { hosts },
      kubernetes: { kubeconfig: cluster.adminConf },
    };
    writeFileSync(file, JSON.stringify(description));
    const load = new ApiLoad(placeOf(0), access);
    const workers = Array.from({ length: 4 }, () => load.keepAsking('/api/v1/namespaces/default'));
    try {
      const run = await hale('status', '--config', file, '--deep', '--over', '5', '--json');
      expect(run).toMatchObject({ code: 1, stderr: '' });
      const { findings, judgements } = JSON.parse(run.stdout) as { findings: number; judgements: ReturnType<typeof judge> };
      expect(findings).toBe(judgements.filter(({ verdict }) => verdict === 'finding').length);
      expect(judgements.find(({ id }) => id === 'request-rate-spread')).toMatchObject({ verdict: 'finding', threshold: 15 });
    } finally {
      load.stop();
      await Promise.all(workers);
      load.close();
    }
    const read = await hale('status', '--config', file, '--deep', '--over', '1');
    expect(read.stdout).toMatch(/^API SERVER .*\n(kube-apiserver-\d .*\n){2}/);
    expect(read.stdout).toMatch(/\n\d+ findings, \d+ good, \d+ not judged\n$/);
  });

  test('a restart between two looks is seen, and nothing is computed from its counters', async () => {
    const server = cluster.apiservers[1] as KubernetesCluster['apiservers'][number];
    const scraper = scraperOf(1);
    const figures = await during(scraper, async () => {
      await server.kill();
      server.start();
      await server.untilReady();
    });
    expect(figures).toMatchObject({ restarted: true, requests: null, latency: null, etcdLatency: null });
    expect(figures.memoryBytes).toBeGreaterThan(1e7);
  }, 120_000);
});
