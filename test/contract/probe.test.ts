import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ConnectionRecord } from '../../src/core/drill/record.ts';
import { createAuthority } from '../../src/drivers/pki/authority.ts';
import type { ProbeOptions } from '../../src/lab/probe/options.ts';
import { type Probe, startProbe } from '../../src/lab/probe/process.ts';

const CONNECTIONS = 6;
const dir = mkdtempSync(join(tmpdir(), 'hale-probe-'));
const probes: Probe[] = [];
/** Plain sockets by the client's port; a TLS socket cannot be reset. */
const accepted = new Map<number, Socket>();
/** By their client's port: how often each connection that asked for keep-alive was used, in order of their first request. */
const longLived = new Map<number, number>();
/** Of six the fourth says nothing after its first answer. */
const IDLE = 3;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let server: Server;
let port: number;

const answerOk = (_: IncomingMessage, response: ServerResponse): void => {
  response.writeHead(200, { 'X-Hale-Server': 'cp1' }).end('ok');
};

beforeAll(async () => {
  const authority = await createAuthority({ commonName: 'probe test', validityDays: 1 });
  const pair = await authority.issue({ commonName: 'api', dnsNames: ['api.test'], ipAddresses: [], usages: ['server'], validityDays: 1 });
  writeFileSync(join(dir, 'ca.crt'), authority.certPem);
  server = createServer({ cert: pair.certPem, key: pair.keyPem }, (request, response) => {
    if (request.headers.connection === 'keep-alive') {
      const clientPort = request.socket.remotePort as number;
      longLived.set(clientPort, (longLived.get(clientPort) ?? 0) + 1);
    }
    answer(request, response);
  });
  server.on('connection', (socket: Socket) => accepted.set(socket.remotePort as number, socket));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  port = (server.address() as AddressInfo).port;
});

afterEach(async () => {
  await Promise.all(probes.splice(0).map((probe) => probe.abandon()));
  longLived.clear();
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(dir, { recursive: true });
});

async function start(change: Partial<ProbeOptions> = {}): Promise<Probe> {
  const options: ProbeOptions = {
    address: '127.0.0.1',
    port,
    serverName: 'api.test',
    caFile: join(dir, 'ca.crt'),
    intervalMs: 20,
    timeoutMs: 500,
    connections: CONNECTIONS,
    outFile: join(dir, 'probe.ndjson'),
    ...change,
  };
  const probe = await startProbe([], options);
  probes.push(probe);
  return probe;
}

/** What is left of the kernel's keep-alive timer on the client's side, in seconds. */
function keepAliveSeconds(clientPort: number): number {
  const said = execFileSync('ss', ['-Htno', 'state', 'established', `sport = :${clientPort}`], { encoding: 'utf8' });
  return Number(/timer:\(keepalive,(\d+)sec/.exec(said)?.[1]);
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('probe', () => {
  test('records each request with its server, and keeps its long-lived connections', async () => {
    answer = answerOk;
    const probe = await start();
    await pause(1500);
    const { requests, connections } = await probe.stop();
    expect(requests.length).toBeGreaterThan(30);
    for (const request of requests) {
      expect(request).toMatchObject({ ok: true, server: 'cp1' });
      expect(request.endMs).toBeGreaterThan(request.startMs);
    }
    expect(longLived.size).toBe(CONNECTIONS);
    expect(connections).toHaveLength(CONNECTIONS);
    for (const connection of connections) {
      expect(connection).toMatchObject({ server: 'cp1' });
      // Answered again after the first time: kept alive, not merely opened.
      expect(connection.lastAnswerMs - connection.openedMs).toBeGreaterThan(900);
      expect(connection).not.toHaveProperty('resetMs');
      expect(connection).not.toHaveProperty('waitingSinceMs');
    }
  });

  test('a connection that the server resets is noted with its moment and never reopened', async () => {
    answer = answerOk;
    const probe = await start();
    await pause(100);
    const [first, second] = [...longLived.keys()].map((clientPort) => accepted.get(clientPort)) as [Socket, Socket];
    first.resetAndDestroy();
    second.end();
    await pause(1500);
    const { connections } = await probe.stop();
    expect(longLived.size).toBe(CONNECTIONS);
    expect(connections.filter(({ resetMs }) => resetMs !== undefined)).toHaveLength(2);
    expect(connections.filter(({ resetMs, waitingSinceMs }) => resetMs === undefined && waitingSinceMs === undefined)).toHaveLength(
      CONNECTIONS - 2,
    );
  });

  test('an idle connection says nothing until it is asked at the end, and neither does its kernel', async () => {
    answer = answerOk;
    const probe = await start({ intervalMs: null });
    const idlePort = [...longLived.keys()][IDLE] as number;
    const heard = (accepted.get(idlePort) as Socket).bytesRead;
    await pause(2500);
    const uses = [...longLived.values()];
    expect((accepted.get(idlePort) as Socket).bytesRead).toBe(heard);
    expect(keepAliveSeconds(idlePort)).toBeGreaterThan(20);
    const { connections } = await probe.stop();
    expect(uses.map((count) => count > 1)).toEqual(uses.map((_, i) => i !== IDLE));
    expect(longLived.get(idlePort)).toBe(2);
    expect(connections.map(({ idle }) => idle === true)).toEqual(uses.map((_, i) => i === IDLE));
    for (const connection of connections) expect(connection).not.toHaveProperty('waitingSinceMs');
  });

  test('an idle connection that is told is noted at that moment, and one that is not by its last question', async () => {
    const seen = async (whenIdle: (socket: Socket) => void): Promise<ConnectionRecord> => {
      answer = answerOk;
      longLived.clear();
      const probe = await start({ intervalMs: null });
      whenIdle(accepted.get([...longLived.keys()][IDLE] as number) as Socket);
      await pause(700);
      return (await probe.stop()).connections[IDLE] as ConnectionRecord;
    };
    for (const told of [await seen((socket) => socket.resetAndDestroy()), await seen((socket) => void socket.end())]) {
      expect(told).toHaveProperty('resetMs');
      expect(told).not.toHaveProperty('waitingSinceMs');
    }
    const untold = await seen(() => void (answer = (request) => void request.socket.destroy()));
    expect(untold.resetMs).toBeGreaterThanOrEqual(untold.waitingSinceMs as number);
  });

  test('a server that falls silent neither delays the next requests nor looks like a reset', async () => {
    answer = answerOk;
    const probe = await start();
    await pause(100);
    answer = () => {};
    await pause(1500);
    const { requests, connections } = await probe.stop();
    const failed = requests.filter(({ ok }) => !ok);
    // Closed loop with a time-out of 500 ms would have sent 4.
    expect(failed.length).toBeGreaterThan(40);
    for (const { error } of failed) expect(error).toBe('time-out');
    for (const { waitingSinceMs, resetMs } of connections) {
      expect(waitingSinceMs).toBeDefined();
      expect(resetMs).toBeUndefined();
    }
  });

  test('a server with the wrong name fails every request', async () => {
    answer = answerOk;
    const probe = await start({ serverName: 'other.test' });
    await pause(200);
    const { requests, connections } = await probe.stop();
    expect(new Set(requests.map(({ error }) => error))).toEqual(new Set(['ERR_TLS_CERT_ALTNAME_INVALID']));
    for (const connection of connections) expect(connection).toHaveProperty('resetMs');
    expect(requests.length).toBeGreaterThan(0);
  });

  test('its process ends when its stdin closes', async () => {
    answer = answerOk;
    const probe = await start();
    expect(process.kill(probe.pid, 0)).toBe(true);
    await probe.abandon();
    expect(() => process.kill(probe.pid, 0)).toThrow('ESRCH');
  });

  test('a probe that cannot start says why', async () => {
    await expect(start({ caFile: join(dir, 'absent.crt') })).rejects.toMatchObject({
      code: 'probe_failed',
      message: expect.stringContaining('absent.crt'),
    });
  });
});
