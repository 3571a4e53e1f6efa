import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below the range from which the kernel takes ports for connections (ip_local_port_range), so that none takes that of a server which is down. */
const LOWEST = 12_000;
const PER_WORKER = 5000;
/** Test files that run side by side take different ones, also of servers that are down for a while. */
const FIRST = LOWEST + (Number(process.env['VITEST_POOL_ID'] ?? 0) % 4) * PER_WORKER;

/** Ports of 127.0.0.1 that were free a moment ago, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = randomInt(FIRST, FIRST + PER_WORKER);
    if (!ports.has(port) && (await isFree(port))) ports.add(port);
  }
  return [...ports];
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const heard = new Promise<boolean>((resolve) => server.once('error', () => resolve(false)).once('listening', () => resolve(true)));
  server.listen(port, '127.0.0.1');
  if (!(await heard)) return false;
  await once(server.close(), 'close');
  return true;
}
