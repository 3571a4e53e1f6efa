/** A TCP socket bound to an address that may not be on this host yet: ip(7) IP_FREEBIND, ipv6(7). */
import { hostPort, ipBytes } from '../../base/address.ts';
import { HaleError } from '../../base/error.ts';
import * as libc from './libc.ts';
import { socketAddress } from './socket-address.ts';

const SO_REUSEADDR = 2;
const IPPROTO_IP = 0;
const IPPROTO_IPV6 = 41;
const IP_FREEBIND = 15;
const IPV6_FREEBIND = 78;
const IPV6_V6ONLY = 26;

/**
 * Descriptor of a bound, not yet listening socket, for `net.Server.listen({ fd })`, which owns it from then on.
 * Throws HaleError `listen_refused`, for example EADDRINUSE.
 */
export function listenFreebind({ address, port }: { address: string; port: number }): number {
  const bytes = ipBytes(address);
  const v6 = bytes.length === 16;
  const domain = v6 ? libc.AF_INET6 : libc.AF_INET;
  const fd = libc.socket(domain, libc.SOCK_STREAM | libc.SOCK_NONBLOCK | libc.SOCK_CLOEXEC, 0);
  if (fd < 0) throw listenRefused({ address, port, step: 'socket' });
  const options = [
    { level: libc.SOL_SOCKET, name: SO_REUSEADDR, value: 1 },
    v6 ? { level: IPPROTO_IPV6, name: IPV6_FREEBIND, value: 1 } : { level: IPPROTO_IP, name: IP_FREEBIND, value: 1 },
    ...(v6 ? [{ level: IPPROTO_IPV6, name: IPV6_V6ONLY, value: 1 }] : []),
  ];
  const local = socketAddress(bytes, port);
  const step = options.every((option) => libc.setIntOption(fd, option)) ? 'bind' : 'setsockopt';
  if (step === 'bind' && libc.bind(fd, local, local.length) === 0) return fd;
  const error = listenRefused({ address, port, step });
  libc.close(fd);
  throw error;
}

/** The error of the last call that failed. */
export function listenRefused({ address, port, step }: { address: string; port: number; step: string }): HaleError {
  return new HaleError({
    code: 'listen_refused',
    kind: 'world',
    message: `listen on ${hostPort(address, port)}: ${step} failed with ${libc.errnoName(libc.lastErrno())}`,
    remedy: `Look for another listener with \`ss -ltnp sport = :${port}\`; a port under 1024 needs CAP_NET_BIND_SERVICE.`,
  });
}
