/** HAProxy and keepalived in a lab, from the very files that `hale render` writes: the address is there before the API, and on one host whatever happens. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { awaitPeer } from '../../../bench/peer.ts';
import { installRendered, startHaproxy, startKeepalived } from '../../../bench/rendered-keepalived.ts';
import { strike } from '../../../bench/strike.ts';
import { CA_COPY } from '../../../src/core/render/haproxy-keepalived/paths.ts';
import { findProgram } from '../../../src/lab/find-program.ts';
import type { LabHost } from '../../../src/lab/host.ts';
import { STAND_IN } from '../../../src/lab/kubernetes/programs.ts';
import { createLab, type Lab } from '../../../src/lab/lab.ts';
import { stopDaemon } from '../../../src/lab/stop.ts';
import { untilWithin } from '../../support/hale.ts';
import { hostsWithAddress, labImpossible } from '../../support/lab.ts';
import { IS_MACHINE_ROOT } from '../../support/user.ts';

const missing = ['haproxy', 'keepalived', 'curl'].filter((program) => findProgram(program) === undefined);
/** In a user namespace the package's /etc/haproxy is somebody else's, on the lab's hosts as well. */
const notRoot = IS_MACHINE_ROOT ? undefined : 'skipped: needs root of the machine';
const skipped = labImpossible ?? notRoot ?? (missing.length > 0 ? `skipped: ${missing.join(', ')} not installed` : undefined);

/** Twice of what the check takes to fail four times, and a move. */
const MOVE_MS = 20_000;
/** Longer than the check of a failing host takes to give up the address. */
const UNMOVED_MS = 11_000;

describe.skipIf(skipped !== undefined)(`keepalived and HAProxy as rendered${skipped === undefined ? '' : ` (${skipped})`}`, () => {
  let base: string;
  let lab: Lab;

  beforeAll(async () => {
    base = mkdtempSync(join(tmpdir(), 'hale-rendered-'));
    process.env['HALE_LAB_DIR'] = base;
    lab = await createLab({ name: 'rendered', kubernetes: STAND_IN, services: [], datapath: 'proxy' });
    await installRendered(lab);
  });

  afterAll(async () => {
    await lab?.down();
    rmSync(base, { recursive: true });
    delete process.env['HALE_LAB_DIR'];
  });

  const holder = async (): Promise<LabHost> => {
    const names = await untilWithin(MOVE_MS, {
      what: 'one host has the address',
      look: () => hostsWithAddress(lab),
      wanted: (found) => found.length === 1,
    });
    return lab.host(names[0] as string);
  };

  /** curl's exit code, and what it got, at the shared address. */
  const ask = async (): Promise<string> => {
    const { addresses, port, dnsName } = lab.plan.endpoint;
    const url = `https://${dnsName}:${port}/readyz`;
    const resolve = ['--resolve', `${dnsName}:${port}:${addresses[0]}`];
    const { code, stdout } = await lab.client.exec([
      'curl',
      '-sS',
      '--max-time',
      '3',
      '--cacert',
      '/etc/kubernetes/pki/ca.crt',
      ...resolve,
      url,
    ]);
    return code === 0 ? stdout : `curl ${code}`;
  };

  const answers = () => untilWithin(MOVE_MS, { what: 'the API answers at the address', look: ask, wanted: (said) => said === 'ok' });

  const killHaproxy = (host: LabHost) => host.exec(['sh', '-c', 'kill -9 $(pidof haproxy)']);

  test('the address is there before the first API server: a connection is closed, it does not hang', async () => {
    await Promise.all(lab.controlPlane.map((host) => startHaproxy(host)));
    await Promise.all(lab.controlPlane.map((host) => startKeepalived(host)));
    const first = await holder();
    // HAProxy takes its servers for alive until three checks have failed; the check of keepalived runs all the while.
    await sleep(UNMOVED_MS);
    expect(await hostsWithAddress(lab)).toEqual([first.name]);
    expect(await ask()).toMatch(/^curl (35|56)$/);
  });

  test('once API servers run it answers there, and the address has not moved', async () => {
    const before = (await holder()).name;
    await lab.startEtcd();
    await lab.startApiservers();
    await answers();
    expect(await hostsWithAddress(lab)).toEqual([before]);
  });

  test('the API server of the host with the address stops: HAProxy turns to the others, and the address stays', async () => {
    const before = await holder();
    await stopDaemon(before, 'apiserver');
    await sleep(UNMOVED_MS);
    expect(await ask()).toBe('ok');
    expect(await hostsWithAddress(lab)).toEqual([before.name]);
    await before.restart('apiserver');
  });

  test('a dead HAProxy loses the address, and does not get it back when it returns', async () => {
    const before = await holder();
    await killHaproxy(before);
    await untilWithin(MOVE_MS, {
      what: `another host than ${before.name} has the address`,
      look: () => hostsWithAddress(lab),
      wanted: (names) => names.length === 1 && names[0] !== before.name,
    });
    await answers();
    const after = await hostsWithAddress(lab);
    await startHaproxy(before);
    await sleep(UNMOVED_MS);
    expect(await hostsWithAddress(lab)).toEqual(after);
  });

  test('HAProxy takes no server for ready whose certificate another authority signed', async () => {
    const host = lab.controlPlane.find(({ name }) => name !== 'cp1') as LabHost;
    const health = async () =>
      (await host.exec(['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', 'http://127.0.0.1:8404/healthz'])).stdout;
    await untilWithin(MOVE_MS, { what: 'HAProxy finds a server ready', look: health, wanted: (code) => code === '200' });
    await host.exec(['cp', '/etc/kubernetes/pki/etcd/ca.crt', CA_COPY]);
    await killHaproxy(host);
    await startHaproxy(host);
    await untilWithin(MOVE_MS, { what: 'HAProxy finds no server ready', look: health, wanted: (code) => code === '503' });
    await host.exec(['cp', '/etc/kubernetes/pki/ca.crt', CA_COPY]);
    await killHaproxy(host);
    await startHaproxy(host);
    await untilWithin(MOVE_MS, { what: 'HAProxy finds a server ready again', look: health, wanted: (code) => code === '200' });
  });

  test('the host with the address loses its power: another one has it, alone, and the API answers', async () => {
    const before = await awaitPeer(lab, { name: 'keepalived with HAProxy', daemons: ['haproxy', 'keepalived'] });
    const { holders, holderBefore, holderAfter, requests } = await strike(lab, {
      fault: 'crash',
      holder: before,
      signal: new AbortController().signal,
    });
    expect([holderBefore, holders.maxSimultaneous, requests.failedBeforeFault]).toEqual([before.name, 1, 0]);
    expect(holderAfter).not.toBeNull();
    expect(holderAfter).not.toBe(before.name);
    expect(await hostsWithAddress(lab)).toEqual([holderAfter]);
    expect(await ask()).toBe('ok');
  });

  test('no API server is left: the address stays where it is', async () => {
    const before = await holder();
    for (const host of lab.controlPlane) if (host.isOn()) await stopDaemon(host, 'apiserver');
    await sleep(UNMOVED_MS);
    expect(await hostsWithAddress(lab)).toEqual([before.name]);
  });
});
