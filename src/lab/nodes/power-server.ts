/**
 * The management controllers of control-plane hosts, for whoever is inside one: from there no other host's processes can be seen. A process outside, behind a
 * socket in the lab's folder, which is a file of all hosts.
 */
import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HaleError } from '../../base/error.ts';
import { programFile } from '../../drivers/program.ts';
import { labsFolder, readJson, writeJson } from '../folder.ts';
import type { Lab } from '../lab.ts';
import { endProcess, identify, type ProcessIdentity } from '../process.ts';
import type { NodePower } from './power.ts';

export type PowerOrder = 'state' | 'on' | 'off';

const ANSWER_TIMEOUT_MS = 20_000;
const START_TIMEOUT_MS = 20_000;
const POLL_MS = 50;

export function powerSocket(labFolder: string): string {
  return join(labFolder, 'power.sock');
}

const identityFile = (labFolder: string): string => join(labFolder, 'power-server.json');

/** Resolves when it listens; it ends with the lab. */
export async function startPowerServer(lab: Lab, signal: AbortSignal | undefined): Promise<void> {
  const log = openSync(join(lab.folder, 'power-server.log'), 'a');
  const child = spawn(process.execPath, [programFile('lab/nodes/serve-power'), lab.plan.name], {
    cwd: '/',
    detached: true,
    stdio: ['ignore', log, log],
    env: { ...process.env, HALE_LAB_DIR: labsFolder() },
  });
  closeSync(log);
  child.on('error', () => undefined);
  child.unref();
  const identity = child.pid === undefined ? undefined : identify(child.pid);
  if (identity !== undefined) writeJson(identityFile(lab.folder), identity);
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (!existsSync(powerSocket(lab.folder))) {
    signal?.throwIfAborted();
    if (identity !== undefined && child.exitCode === null && performance.now() < deadline) {
      await sleep(POLL_MS);
      continue;
    }
    throw new HaleError({
      code: 'lab_power_server_failed',
      kind: 'world',
      message: `what switches the lab's control-plane hosts did not start; see ${join(lab.folder, 'power-server.log')}`,
    });
  }
}

export async function endPowerServer(labFolder: string): Promise<void> {
  const identity = readJson<ProcessIdentity>(identityFile(labFolder));
  if (identity !== undefined) await endProcess(identity, 'group');
}

/** Rejects with HaleError `lab_power_unreachable`. */
export function askPowerServer(labFolder: string, { node, order }: { node: string; order: PowerOrder }): Promise<NodePower> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void =>
      reject(
        new HaleError({
          code: 'lab_power_unreachable',
          kind: 'world',
          message: `the management controller of ${node} does not answer: ${reason}`,
        }),
      );
    const options = { socketPath: powerSocket(labFolder), method: 'POST', path: `/${node}/${order}`, timeout: ANSWER_TIMEOUT_MS };
    const call = request(options, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => (text += part));
      answer.on('end', () => (answer.statusCode === 200 ? resolve(text as NodePower) : fail(text)));
    });
    call.on('timeout', () => call.destroy(new Error('no answer within 20 s')));
    call.on('error', (error) => fail(error.message));
    call.end();
  });
}

/** Whether this process runs in a host of a lab, whose first process is that of a lab (init.ts). */
export function isInsideHost(): boolean {
  return readFileSync('/proc/1/cmdline', 'utf8').split('\0').includes('hale-lab');
}
