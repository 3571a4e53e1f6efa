import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DrillResult } from '../../src/core/drill/result.ts';
import { replacePair } from '../../src/drivers/pki/replace.ts';
import { agentStatus } from '../../src/lab/drill/agents.ts';
import { onFakedClock, setClock } from '../../src/lab/faults/agent.ts';
import type { LabHost } from '../../src/lab/host.ts';
import { createLab, type Lab } from '../../src/lab/lab.ts';
import { serviceArgv } from '../../src/lab/services.ts';
import {
  another,
  answersAtAddress,
  becomes,
  etcdctl,
  expiredCertificate,
  foreignCertificate,
  haleStatus,
  kubectl,
  leavesBalancer,
  readPair,
  restartEtcd,
  servingCertificate,
  startControllersAgain,
  steady,
} from '../support/control-plane-lab.ts';
import { hale } from '../support/hale.ts';
import { kubernetesProblem } from '../support/kubernetes.ts';
import { labImpossible, statuses } from '../support/lab.ts';
import { leaks, secretsOf } from '../support/secrets.ts';

const problem = labImpossible ?? kubernetesProblem('kube-controller-manager', 'kube-scheduler', 'kubectl');
const ALL_SERVED = Array<string>(12).fill('200 ok');
const TIMEOUT_MS = 400_000;

describe.skipIf(problem !== undefined)(`a lab of three hosts with real API servers ${problem ?? ''}`, () => {
  let base: string;
  let lab: Lab;

  beforeAll(async () => {
    base = mkdtempSync(join(tmpdir(), 'hale-kubernetes-test-'));
    process.env['HALE_LAB_DIR'] = base;
    lab = await createLab({ name: 'kubernetes' });
    await steady(lab);
  }, TIMEOUT_MS);
  afterAll(async () => {
    await lab?.down();
    rmSync(base, { recursive: true, force: true });
    delete process.env['HALE_LAB_DIR'];
  });

  /** The holder of the lab at rest, and its term: none of these days moves the address. */
  async function atRest(): Promise<{ holder: LabHost; term: number }> {
    const holder = await steady(lab);
    return { holder, term: (await agentStatus(holder))?.term as number };
  }
  async function expectUnmoved({ holder, term }: { holder: LabHost; term: number }): Promise<void> {
    expect(await agentStatus(holder)).toMatchObject({ role: 'holder', term });
    expect(await answersAtAddress(lab)).toEqual(ALL_SERVED);
  }

  describe('drills', () => {
    // What no slow machine excuses: the bounds of the outage are judged by the drill, and measured in bench/.
    test.each(['owner-crash', 'apiserver-crash', 'apiserver-drain'])(
      '%s: no acknowledged write and no watch event is lost, one holder at a time',
      async (name) => {
        const { stdout, stderr, code } = await hale(['drill', 'run', name, '--name', lab.plan.name, '--json'], { cwd: base });
        expect(stdout, stderr).toMatch(/^\{.*\}\n$/);
        const result = JSON.parse(stdout) as DrillResult;
        expect(result).toMatchObject({ scenario: name, apiserver: expect.stringMatching(/^kube-apiserver v/) });
        expect([code, result.reasons.length > 0]).toEqual(result.verdict === 'pass' ? [0, false] : [1, true]);
        expect(result.holders).toMatchObject({ maxSimultaneous: 1, overlapMs: 0 });
        const kept = { lostWrites: 0, overwrittenWrites: 0, unreadWriters: 0, lostEvents: 0, duplicateEvents: 0, disorderedEvents: 0 };
        expect(result.fleet, result.reasons.join('; ')).toMatchObject({ ...kept, cutOff: 0, watchers: 500, writers: 50 });
        expect(result.fleet?.committedWrites).toBeGreaterThan(0);
        expect(result.holderAfter === result.holderBefore).toBe(name !== 'owner-crash');
        expect(readFileSync(result.report as string, 'utf8')).toContain('<svg');
      },
      TIMEOUT_MS,
    );
  });

  describe('bad days', () => {
    test('the tests know what must not be shown', () => {
      const secrets = secretsOf(lab.plan, (name) => lab.host(name).folder);
      const places = secrets.map(({ place }) => place).join('\n');
      for (const place of ['encryption key lab', 'token of etcd', 'cluster.key', 'sa.key', 'ca.key', 'super-admin.conf']) {
        expect(places).toContain(place);
      }
      expect(leaks(`{"x":"${secrets.at(-1)?.text}"}`, secrets)).not.toEqual([]);
      expect(leaks('{}', secrets)).toEqual([]);
    });

    test.each([
      {
        what: 'of another authority, on a backend',
        pick: (holder: LabHost) => another(lab, holder),
        make: foreignCertificate,
        seen: (end: string) => `, valid until ${end}, is signed by another CN=kubernetes than the authority that this host trusts`,
        own: () => 'apiserver: signed by another CN=kubernetes than ca that is here',
      },
      {
        what: "that has expired, on the holder's own host",
        pick: (holder: LabHost) => holder,
        make: expiredCertificate,
        seen: (end: string) => ` expired on ${end}`,
        own: (end: string) => `apiserver: expired on ${end}`,
      },
    ])(
      'a certificate $what: its API server leaves the balancer, the address stays, and status names certificate and end',
      async ({ pick, make, seen, own }) => {
        const before = await atRest();
        const host = pick(before.holder);
        const target = servingCertificate(host);
        const good = readPair(target);
        const bad = await make(lab, host);
        const end = new X509Certificate(bad.certPem).validToDate.toISOString();
        replacePair(target, bad);
        try {
          await leavesBalancer(lab, host, /^its certificate is refused: /);
          await expectUnmoved(before);
          const { controlPlane } = await haleStatus(lab, another(lab, host));
          expect(controlPlane.apiservers.find(({ name }) => name === host.name)).toEqual({
            name: host.name,
            ready: false,
            failing: [],
            problem: `its certificate (CN=kube-apiserver)${seen(end)}`,
          });
          expect((await haleStatus(lab, host)).certificates).toContain(own(end));
        } finally {
          replacePair(target, good);
        }
        expect((await steady(lab)).name).toBe(before.holder.name);
        expect((await haleStatus(lab, host)).certificates).toEqual([]);
      },
      TIMEOUT_MS,
    );

    test.each([
      { where: 'a backend', pick: (holder: LabHost) => another(lab, holder) },
      { where: 'the holder', pick: (holder: LabHost) => holder },
    ])(
      'the etcd of $where does not answer: its API server leaves the balancer and returns, the address stays',
      async ({ pick }) => {
        const before = await atRest();
        const host = pick(before.holder);
        host.signal('etcd', 'STOP');
        try {
          await leavesBalancer(lab, host, /^failing: (.*, )?etcd(,|$)/);
          await expectUnmoved(before);
          const status = await becomes('status names the failing check', {
            look: () => haleStatus(lab, another(lab, host)),
            wanted: ({ controlPlane }) => controlPlane.apiservers.some(({ name, ready }) => name === host.name && ready === false),
          });
          const row = status.controlPlane.apiservers.find(({ name }) => name === host.name);
          expect(row?.failing.map(({ check }) => check)).toContain('etcd');
          const member = status.etcd.find(({ endpoint }) => endpoint === `https://${host.addresses[0]}:2379`);
          expect(member?.problem).toContain('no answer');
        } finally {
          host.signal('etcd', 'CONT');
        }
        expect((await steady(lab)).name).toBe(before.holder.name);
        await startControllersAgain(lab);
      },
      TIMEOUT_MS,
    );

    test(
      'etcd is full: writes are refused and reads are not, the address stays, status names alarm, member and way out, which works',
      async () => {
        const before = await atRest();
        const host = another(lab, before.holder);
        const argv = serviceArgv(lab.plan, host, 'etcd');
        await restartEtcd(host, [...argv, `--quota-backend-bytes=${24 * 1024 ** 2}`]);
        try {
          await steady(lab);
          expect(await fill(host)).toContain('mvcc: database space exceeded');
          expect((await kubectl(lab, 'create', 'configmap', 'refused', '--namespace=default')).stderr).toContain('database space exceeded');
          expect(await kubectl(lab, 'get', 'namespace', 'default')).toMatchObject({ code: 0 });
          // While a slow disk works through what was written, an API server may find its etcd slow.
          await becomes('every API server is ready', {
            look: () => answersAtAddress(lab),
            wanted: (answers) => answers.every((answer) => answer === '200 ok'),
          });
          await expectUnmoved(before);
          const { etcdAlarms, backends } = await haleStatus(lab, another(lab, host));
          expect(etcdAlarms).toEqual([
            expect.stringMatching(
              new RegExp(`^alarm NOSPACE of ${host.name} \\(member [0-9a-f]+\\): .*compact.*defrag.*hale etcd reclaim-space`),
            ),
          ]);
          expect(backends.map(({ state }) => state)).toEqual(['ready', 'ready', 'ready']);
          // docs/guide/etcd.md
          const deleted = await etcdctl(host, ['del', '--prefix', '/hale-test/', '--write-out=json']);
          const { header } = JSON.parse(deleted.stdout) as { header: { revision: number } };
          for (const args of [['compact', '--physical', `${header.revision}`], ['defrag'], ['alarm', 'disarm']]) {
            expect(await etcdctl(host, args)).toMatchObject({ code: 0 });
          }
          const look = async () => (await haleStatus(lab, another(lab, host))).etcdAlarms;
          await becomes('no alarm is left', { look, wanted: (alarms) => alarms.length === 0 });
          const again = () => kubectl(lab, 'create', 'configmap', 'taken', '--namespace=default');
          await becomes('writes are taken again', { look: again, wanted: ({ code }) => code === 0 });
        } finally {
          await restartEtcd(host, argv);
          await startControllersAgain(lab);
        }
        expect((await steady(lab)).name).toBe(before.holder.name);
      },
      TIMEOUT_MS,
    );

    // Kubernetes and etcd read the clock without the C library, which is where it is faked: they keep the right one.
    describe('the clock of one host is off by a year, for hale', () => {
      let restore: (() => Promise<void>) | undefined;
      beforeAll(async () => {
        restore = await lab.prepare('clock-jump');
      }, TIMEOUT_MS);
      afterAll(async () => await restore?.(), TIMEOUT_MS);

      const everyApiserver = (words: string) => Array.from({ length: 3 }, () => expect.stringMatching(words) as unknown);
      const problems = ({ controlPlane }: Awaited<ReturnType<typeof haleStatus>>) => controlPlane.apiservers.map(({ problem: why }) => why);
      const seesNoneReady = (host: LabHost) =>
        becomes('no API server is ready, as that host sees it', {
          look: () => agentStatus(host),
          wanted: (status) =>
            status?.backends.every(({ state, reason }) => state === 'draining' && reason.startsWith('its certificate is')) ?? false,
        });

      test(
        'a year behind, on a follower: no lease changes, and its status asks for the clock',
        async () => {
          const before = await atRest();
          const host = another(lab, before.holder);
          setClock(host, '-366d');
          try {
            await seesNoneReady(host);
            await expectUnmoved(before);
            await becomes('the holder hears that it finds none', {
              look: async () => (await agentStatus(before.holder))?.members.find(({ name }) => name === host.name),
              wanted: (seen) => seen?.alive === true && seen.fitness === 'poor',
            });
            const status = await haleStatus(lab, host, onFakedClock);
            expect(problems(status)).toEqual(
              everyApiserver('^its certificate .* is not valid before .*; the clock of this host is 366 days behind its clock$'),
            );
            expect(status.certificates).toContainEqual(
              expect.stringMatching(/^apiserver: not valid before .*is the clock of this host right/),
            );
          } finally {
            setClock(host, '+0');
          }
          expect((await steady(lab)).name).toBe(before.holder.name);
        },
        TIMEOUT_MS,
      );

      test(
        'a year ahead, on the holder: it hands the address over in order, and resets nobody',
        async () => {
          const { holder } = await atRest();
          const logged = agentLog(holder).length;
          setClock(holder, '+366d');
          try {
            const after = await becomes('another host holds the address', {
              look: () => statuses(lab),
              wanted: (all) => all.some((status) => status?.role === 'holder' && status.host !== holder.name),
            });
            expect(after.filter((status) => status?.role === 'holder')).toHaveLength(1);
            expect(agentLog(holder).slice(logged)).toMatch(/"reason":"handed-over".*no longer holding the address/);
            expect(await answersAtAddress(lab)).toEqual(ALL_SERVED);
            const status = await haleStatus(lab, holder, onFakedClock);
            expect(problems(status)).toEqual(
              everyApiserver('^its certificate .* expired on .*; the clock of this host is 366 days ahead of its clock$'),
            );
            expect(status.certificates).toContainEqual(expect.stringMatching(/^apiserver: expired on /));
          } finally {
            setClock(holder, '+0');
          }
          await steady(lab);
        },
        TIMEOUT_MS,
      );
    });
  });
});

const agentLog = (host: LabHost): string => readFileSync(join(host.folder, 'log/agent.log'), 'utf8');

/** Writes until etcd refuses, and returns how it does. */
async function fill(host: LabHost): Promise<string> {
  const value = 'x'.repeat(1024 ** 2);
  for (let i = 0; i < 64; i++) {
    const { code, stderr } = await etcdctl(host, ['put', `/hale-test/${i}`], value);
    if (code !== 0) return stderr;
  }
  return 'it took 64 MiB';
}
