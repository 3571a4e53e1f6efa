/** The kubelets of a host's nodes, as a program of its own there: what lies between kwok and the API, and the nodes' machines. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { openNodeStates } from '../state.ts';
import { openApi } from './api.ts';
import { beat } from './heartbeat.ts';
import { openLink } from './link.ts';
import { runMachines } from './machines.ts';
import type { KubeletsOptions } from './options.ts';
import { register } from './register.ts';

const REPORT_MS = 250;

const options = JSON.parse(readFileSync(process.argv[2] as string, 'utf8')) as KubeletsOptions;
const api = openApi(options.kubeconfig);
const link = openLink(api, new Set(options.nodes.map(({ name }) => name)));
await once(link.server.listen(options.port, '127.0.0.1'), 'listening');

const say = (line: string): void => void process.stderr.write(`${new Date().toISOString()} ${line}\n`);
void runMachines({
  nodes: options.nodes,
  states: openNodeStates(options.statesFolder),
  link,
  seed: options.seed ?? randomUUID(),
  register: (node, bootId) => register(api, node, { versions: options.versions, bootId, now: new Date().toISOString() }),
  beat: (node, course) => void beat({ api, node, say, ...course }),
  say,
});

/** For whoever waits until the nodes are there. */
let reported = '';
for (;;) {
  const names = JSON.stringify(link.inService().toSorted());
  if (names !== reported) {
    writeFileSync(`${options.reportFile}.part`, names);
    renameSync(`${options.reportFile}.part`, options.reportFile);
    reported = names;
  }
  await sleep(REPORT_MS);
}
