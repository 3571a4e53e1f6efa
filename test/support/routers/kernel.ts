/** What the kernel of a host knows of TCP between BGP speakers. */
import type { TestHost } from '../netns.ts';

/** TCP sockets of the host in this state, from or to port 179. */
export function bgpSockets(host: TestHost, state: string): number {
  return host.run('ss', '-tnH', 'state', state, '( sport = :179 or dport = :179 )').split('\n').length - 1;
}

/** One of nstat(8), `TcpExtTCPMD5Failure`. */
export function counter(host: TestHost, name: string): number {
  return Number(new RegExp(`^${name} +(\\d+)`, 'm').exec(host.run('nstat', '-asz', name))?.[1]);
}

/** Drops what the host sends by TCP that matches one of these, until it is undone. */
export function dropSent(host: TestHost, ...matches: string[]): () => void {
  const chain = 'add chain inet mute sent { type filter hook output priority 0; }';
  const rules = matches.map((match) => `add rule inet mute sent meta l4proto tcp ${match} drop`);
  host.run('nft', ['add table inet mute', chain, ...rules].join('; '));
  return () => void host.run('nft', 'delete table inet mute');
}
