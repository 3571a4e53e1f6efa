/** Child of nat.test.ts: opens one connection after the other, each of which must hear something, until SIGTERM; then prints how many did, and what befell the others. */
import { once } from 'node:events';
import { connect } from 'node:net';

const [host, port] = process.argv.slice(2) as [string, string];
const failures: string[] = [];
let heard = 0;
let enough = false;
process.on('SIGTERM', () => (enough = true));

async function knock(): Promise<void> {
  const socket = connect({ host, port: Number(port) });
  try {
    await once(socket, 'data');
    heard++;
  } catch (error) {
    failures.push((error as NodeJS.ErrnoException).code ?? String(error));
  }
  socket.destroy();
}

await knock();
process.stdout.write('begun\n');
const isEnough = () => enough;
while (!isEnough()) await knock();
process.stdout.write(`${JSON.stringify({ heard, failures })}\n`);
