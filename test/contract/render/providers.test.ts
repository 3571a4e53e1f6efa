/** The programs that read the files of the endpoint's providers find nothing wrong with them. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { createAuthority } from '../../../src/drivers/pki/authority.ts';
import { findProgram } from '../../../src/lab/find-program.ts';
import { DUAL_STACK, hosts, IPV6, renderAll, textOf } from '../../support/rendered.ts';
import { type StagedHost, stageHost } from '../../support/staged-host.ts';
import { IS_MACHINE_ROOT } from '../../support/user.ts';

const canStage = spawnSync('unshare', ['--mount', '--net', 'true']).status === 0 && process.geteuid?.() === 0;
const why = (program: string): string | undefined =>
  canStage ? (findProgram(program) === undefined ? `${program} is not installed` : undefined) : 'namespaces need root';
/** keepalived trusts no script below a folder of another user, and programs become other users. */
const needsRoot = (program: string) => why(program) ?? (IS_MACHINE_ROOT ? undefined : 'needs root of the machine');
const title = (program: string, reason = why(program)) => (reason === undefined ? program : `${program} (skipped: ${reason})`);

const endpoint = (keys: object = {}) => ({
  provider: 'haproxy-keepalived',
  address: '10.0.0.100',
  port: 8443,
  interface: 'eth0',
  dnsName: 'api.example.com',
  ...keys,
});
const HK = { endpoint: endpoint() };
const ON_BALANCERS = {
  endpoint: endpoint({ port: 6443 }),
  haproxyKeepalived: { placement: 'balancers', balancers: hosts('lb', ['10.0.0.31/24', '10.0.0.32/24']) },
};
const onWorkers = (balancer: string, keys: { endpoint?: object } = {}) => ({
  ...keys,
  endpoint: endpoint({ ...keys.endpoint, provider: 'node-local', port: 6443 }),
  nodeLocal: { balancer },
});

/** Keys of cluster.yaml, and the host whose files are looked at. */
const PLACES: [string, Record<string, unknown>, string][] = [
  ['packages on the control plane', HK, 'cp2'],
  ['static pods', { ...HK, haproxyKeepalived: { placement: 'static-pods' } }, 'cp1'],
  ['balancers of their own', ON_BALANCERS, 'lb2'],
  ['the port of the API server, on the address alone', { endpoint: endpoint({ port: 6443 }), apiserver: { bind: 'host' } }, 'cp1'],
  ['RKE2 behind balancers', { ...ON_BALANCERS, distribution: 'rke2' }, 'lb1'],
  ['IPv6 alone', { ...IPV6, endpoint: endpoint(IPV6.endpoint) }, 'cp2'],
  ['both families', { ...DUAL_STACK, endpoint: endpoint(DUAL_STACK.endpoint) }, 'cp3'],
  ['one host', { ...HK, controlPlane: { hosts: hosts('cp', ['10.0.0.11/24']) } }, 'cp1'],
];

let staged: StagedHost | undefined;
afterEach(() => {
  staged?.remove();
  staged = undefined;
});

/** The host's files, with the authority that STEPS.md has copied there. */
async function stage(keys: Record<string, unknown>, host: string): Promise<StagedHost> {
  const { certPem } = await createAuthority({ commonName: 'kubernetes', validityDays: 1 });
  const ca = ['/etc/haproxy/kubernetes-ca.crt', '/etc/kubernetes/pki/ca.crt'].map((path) => ({ path, text: certPem, mode: 0o644 }));
  staged = stageHost([...(renderAll(keys).get(host)?.values() ?? []), ...ca]);
  return staged;
}

const DEBIAN_NGINX_STREAM = '/usr/lib/nginx/modules/ngx_stream_module.so';
/** Debian has it as a module, the image built in. */
const withStream = existsSync(DEBIAN_NGINX_STREAM) ? ['-g', `load_module ${DEBIAN_NGINX_STREAM};`] : [];

describe.skipIf(why('haproxy') !== undefined)(title('haproxy'), () => {
  test.each(PLACES)('%s', async (_, keys, host) => {
    const { code, output } = (await stage(keys, host)).run('haproxy', '-c', '-f', '/etc/haproxy/haproxy.cfg');
    expect(output).not.toMatch(/WARNING|ALERT/);
    expect(code).toBe(0);
  });

  test('on a worker', async () => {
    const { code, output } = (await stage(onWorkers('haproxy'), 'w1')).run('haproxy', '-c', '-f', '/etc/hale/api-proxy/haproxy.cfg');
    expect([code, output]).toEqual([0, expect.not.stringMatching(/WARNING|ALERT/)]);
  });
});

describe.skipIf(needsRoot('keepalived') !== undefined)(title('keepalived', needsRoot('keepalived')), () => {
  test.each(PLACES)('%s', async (_, keys, host) => {
    const conf = '--use-file=/etc/keepalived/keepalived.conf';
    const { code, output } = (await stage(keys, host)).run('keepalived', '--config-test', conf);
    expect([code, output]).toEqual([0, '']);
  });
});

describe.skipIf(why('nginx') !== undefined)(title('nginx'), () => {
  test.each([
    ['IPv4', {}],
    ['both families', DUAL_STACK],
  ])('on a worker, %s', async (_, keys) => {
    const { code, output } = (await stage(onWorkers('nginx', keys), 'w1')).run(
      'nginx',
      '-t',
      '-c',
      '/etc/hale/api-proxy/nginx.conf',
      ...withStream,
    );
    expect([code, output]).toEqual([0, expect.not.stringMatching(/\[(warn|emerg|error)\]/)]);
  });
});

describe.skipIf(why('systemd-analyze') !== undefined || why('haproxy') !== undefined || why('keepalived') !== undefined)(
  title('systemd-analyze'),
  () => {
    test("the packages' units with hale's drop-ins", async () => {
      const { code, output } = (await stage(HK, 'cp1')).run('systemd-analyze', 'verify', 'haproxy.service', 'keepalived.service');
      expect([code, output]).toEqual([0, '']);
    });
  },
);

/** As a container runs it: without any right but these, and with a file system that nobody can write to. */
const confined = (rights: readonly string[], user: string[], command: readonly string[]) => [
  '-c',
  `mount --bind -o ro /var /var && mount -t tmpfs -o mode=777 hale /run/haproxy && timeout 3 "$@"`,
  'sh',
  'setpriv',
  ...user,
  '--no-new-privs',
  `--bounding-set=${['-all', ...rights.map((right) => `+${right.toLowerCase()}`)].join(',')}`,
  '--inh-caps=-all',
  ...command,
];
const podOf = (keys: Record<string, unknown>, host: string, name: string) => {
  const { containers } = parse(textOf(renderAll(keys), host, `/etc/kubernetes/manifests/${name}.yaml`)).spec;
  const { command, args, securityContext } = containers[0];
  return { command: [...command, ...args] as string[], rights: (securityContext.capabilities.add ?? []) as string[] };
};
const STATIC_PODS = { ...HK, haproxyKeepalived: { placement: 'static-pods' } };
/** Of `timeout`: it ran until it was told to end. */
const RAN = 124;

describe.skipIf(['haproxy', 'keepalived', 'nginx'].some((program) => needsRoot(program) !== undefined))('in their Pods', () => {
  test('HAProxy needs no rights', async () => {
    const { command, rights } = podOf(STATIC_PODS, 'cp1', 'haproxy');
    const { code, output } = (await stage(STATIC_PODS, 'cp1')).run(
      'sh',
      ...confined(rights, ['--reuid=65534', '--regid=65534', '--clear-groups'], command),
    );
    expect([code, output]).toEqual([RAN, expect.not.stringMatching(/denied|not permitted/i)]);
  });

  test('keepalived has the rights that it needs', async () => {
    const { command, rights } = podOf(STATIC_PODS, 'cp1', 'keepalived');
    const { code, output } = (await stage(STATIC_PODS, 'cp1')).run('sh', ...confined(rights, [], command));
    expect(output).toContain('VRRP_Script(api) succeeded');
    expect([code, output]).toEqual([RAN, expect.not.stringMatching(/denied|not permitted/i)]);
  });

  test('nginx has the rights that it needs', async () => {
    const { command, rights } = podOf(onWorkers('nginx'), 'w1', 'api-proxy');
    const [program, ...args] = command.map((word) => (word === 'daemon off;' ? `${withStream[1] ?? ''} ${word}` : word)) as [
      string,
      ...string[],
    ];
    const { code, output } = (await stage(onWorkers('nginx'), 'w1')).run('sh', ...confined(rights, [], [program, ...args]));
    expect([code, output]).toEqual([RAN, expect.not.stringMatching(/\[(warn|emerg|error)\]|denied|not permitted/i)]);
  });
});

describe.skipIf(!canStage)('sh', () => {
  test.each(PLACES)('reads the check of %s', async (_, keys, host) => {
    expect((await stage(keys, host)).run('sh', '-n', '/etc/keepalived/check-api')).toEqual({ code: 0, output: '' });
  });

  test('the check passes where nobody serves the API', async () => {
    expect((await stage(HK, 'cp1')).run('/etc/keepalived/check-api').code).toBe(0);
  });
});
