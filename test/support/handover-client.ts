/** Child of handover.test.ts, run inside the client of a lab: `open N [PORT]` (from that port) opens connection N, `ask N` asks over it; answers with the server's name, or why there is none. */
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

const PATIENCE_MS = 3000;
const [address] = process.argv.slice(2) as [string];
const sockets = new Map<string, Socket>();

function answerOf(socket: Socket, start: () => void): Promise<string> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve('silence'), PATIENCE_MS);
    const finish = (text: string) => {
      clearTimeout(timer);
      socket.removeAllListeners();
      socket.on('error', () => {});
      resolve(text);
    };
    socket.once('data', (bytes: Buffer) => finish(bytes.toString().trim()));
    socket.once('error', (error: NodeJS.ErrnoException) => finish(error.code ?? 'error'));
    socket.once('close', () => finish('closed'));
    start();
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  const [order, id, port] = line.split(' ') as [string, string, string?];
  const socket =
    order === 'open' ? connect({ host: address, port: 8443, ...(port && { localPort: Number(port) }) }) : (sockets.get(id) as Socket);
  sockets.set(id, socket);
  process.stdout.write(`${await answerOf(socket, () => socket.write('?'))}\n`);
}
process.exit(0);
