import * as libc from './libc.ts';

const SO_NETNS_COOKIE = 71;

/** Number of this thread's network namespace, which no other one has until the machine restarts (Linux 5.14); undefined where the kernel does not tell. */
export function networkNamespace(): bigint | undefined {
  const fd = libc.socket(libc.AF_INET, libc.SOCK_DGRAM | libc.SOCK_CLOEXEC, 0);
  if (fd < 0) return undefined;
  const value = Buffer.alloc(8);
  const read = libc.getsockopt(fd, libc.SOL_SOCKET, SO_NETNS_COOKIE, value, Uint32Array.of(value.length));
  libc.close(fd);
  return read === 0 ? value.readBigUInt64LE(0) : undefined;
}
