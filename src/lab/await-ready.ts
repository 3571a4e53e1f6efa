/** A program of its own, run inside a host: waits until every URL answers 200. */
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 30;

interface Task {
  urls: string[];
  ca: string;
  cert: string;
  key: string;
  timeoutMs: number;
}

const task = JSON.parse(process.argv[2] as string) as Task;
const agent = new Agent({ ca: readFileSync(task.ca), cert: readFileSync(task.cert), key: readFileSync(task.key), keepAlive: true });

/** Why the URL is not ready, or undefined when it is. */
function ask(url: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const call = request(url, { agent, timeout: 1000 }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode === 200 ? undefined : `status ${response.statusCode}`));
    });
    call.on('timeout', () => call.destroy(new Error('no answer within 1 s')));
    call.on('error', (error) => resolve(error.message));
    call.end();
  });
}

async function awaitReady(url: string): Promise<string | undefined> {
  const deadline = performance.now() + task.timeoutMs;
  for (;;) {
    const reason = await ask(url);
    if (reason === undefined) return undefined;
    if (performance.now() > deadline) return `${url}: ${reason}`;
    await sleep(POLL_MS);
  }
}

const reasons = (await Promise.all(task.urls.map(awaitReady))).filter((reason) => reason !== undefined);
agent.destroy();
if (reasons.length > 0) {
  process.stderr.write(`${reasons.join('\n')}\n`);
  process.exitCode = 1;
}
