/**
 * Child of the bench `gate`: holds the address as an agent does, accepts connections for it, and says the end of each lease as a line,
 * before it asks the kernel for it.
 */
import { writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { boottime } from '../src/drivers/linux/boottime.ts';
import { listenFreebind } from '../src/drivers/linux/listen.ts';
import { ADDRESS, type Lock, openLock } from './gate-lock.ts';

const [lock, holdMs, renewMs, port] = process.argv.slice(2) as [Lock, string, string, string];
const gate = openLock(lock);
createServer((socket) => socket.destroy()).listen({ fd: listenFreebind({ address: ADDRESS, port: Number(port) }) });

function renew(): void {
  const until = boottime.now() + Number(holdMs);
  writeSync(1, `${until}\n`);
  const opened = gate.open(until);
  if (!opened.ok) writeSync(2, `${opened.reason}\n`);
}

// Otherwise the next one would find the kernel's deadline of this one.
process.once('SIGTERM', () => {
  gate.remove();
  process.exit(0);
});
renew();
setInterval(renew, Number(renewMs));
