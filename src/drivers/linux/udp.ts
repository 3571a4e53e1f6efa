/** Sends datagrams without an event loop: each call is one system call, done when it returns. */
import { done, type Effect } from '../../ports/effect.ts';
import * as libc from './libc.ts';
import { socketAddressOf } from './socket-address.ts';

export interface UdpSender {
  send(bytes: Uint8Array): Effect;
  close(): void;
}

/** A socket from `from`, any port, to one peer. What is wrong with it is said by each `send`. */
export function openUdpSender({ from, to, port }: { from: string; to: string; port: number }): UdpSender {
  const [local, remote] = [socketAddressOf(from, 0), socketAddressOf(to, port)];
  const domain = local.length === 16 ? libc.AF_INET : libc.AF_INET6;
  const fd = libc.socket(domain, libc.SOCK_DGRAM | libc.SOCK_NONBLOCK | libc.SOCK_CLOEXEC, 0);
  const bound = fd >= 0 && libc.bind(fd, local, local.length) === 0 && libc.connect(fd, remote, remote.length) === 0;
  const failure = bound ? undefined : libc.errnoName(libc.lastErrno());
  return {
    send(bytes) {
      if (failure === undefined && libc.send(fd, bytes, bytes.length, 0) >= 0) return done;
      return { ok: false, reason: `send to ${to}: ${failure ?? libc.errnoName(libc.lastErrno())}` };
    },
    close: () => void libc.close(fd),
  };
}
