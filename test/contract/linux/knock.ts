import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { TestLink } from '../../support/netns.ts';

/**
 * Which of the addresses accept packets from the peer, whose neighbour entries are fixed so that ARP plays no part. Port 1 is closed, so
 * a host that accepts packets answers with a reset; the host's own address, asked last on the same wire, marks the end.
 */
export async function accepts(net: TestLink, shared: string[]): Promise<string[]> {
  for (const address of shared) net.peer.run('ip', 'neigh', 'replace', address, 'lladdr', net.host.mac, 'dev', 'eth0', 'nud', 'permanent');
  const script = `
    const reached = [];
    const knock = (address, then) => require('node:net').connect(1, address).on('error', () => then(address));
    for (const address of ${JSON.stringify(shared)}) knock(address, (it) => reached.push(it));
    knock('${net.host.address4}', () => setTimeout(() => { console.log(JSON.stringify(reached.sort())); process.exit(); }, 20));`;
  return JSON.parse(await printed(net.peer.node('-e', script))) as string[];
}

/** What the program prints until its end. */
export async function printed(child: ChildProcess): Promise<string> {
  let text = '';
  (child.stdout as NodeJS.ReadableStream).on('data', (chunk: Buffer) => (text += chunk.toString()));
  await once(child, 'close');
  return text;
}
