/** The C library calls that the Linux drivers make. Numbers are those of the kernel's generic headers, valid on x86-64 and arm64. */
import koffi, { type KoffiFunc } from 'koffi';
import { constants } from 'node:os';

// Symbols of the running program, so that it works with glibc and with musl.
const libc = koffi.load(null);

/**
 * errno(3) of this thread. V8 makes system calls of its own between any two lines (a lock that is waited for, a file of the CPU's clock), and
 * their errors land in it too, so it is read right after each call.
 */
const errnoCell = new Int32Array(koffi.view(libc.func('void *__errno_location()')(), 4));
let last = 0;

function func<F extends (...parameters: never[]) => unknown>(signature: string): F {
  return kept(libc.func(signature) as unknown as F);
}

function kept<F extends (...parameters: never[]) => unknown>(native: F): F {
  return ((...parameters) => {
    const result = native(...parameters);
    last = errnoCell[0] as number;
    return result;
  }) as F;
}

export const socket: (domain: number, type: number, protocol: number) => number = func('int socket(int, int, int)');
export const bind: (fd: number, address: Uint8Array, length: number) => number = func('int bind(int, const uint8_t *, uint32_t)');
export const connect: (fd: number, address: Uint8Array, length: number) => number = func('int connect(int, const uint8_t *, uint32_t)');
export const setsockopt: (fd: number, level: number, name: number, value: Uint8Array, length: number) => number = func(
  'int setsockopt(int, int, int, const uint8_t *, uint32_t)',
);
/** `length` goes in as the room there is, and comes back as what was written. */
export const getsockopt: (fd: number, level: number, name: number, value: Uint8Array, length: Uint32Array) => number = func(
  'int getsockopt(int, int, int, uint8_t *, uint32_t *)',
);
koffi.struct('sock_fprog', { len: 'uint16_t', filter: 'const uint8_t *' });
/** SO_ATTACH_FILTER with a struct sock_fprog; `len` counts instructions of 8 bytes. */
export const setFilter: (fd: number, level: number, name: number, program: { len: number; filter: Uint8Array }, length: number) => number =
  func('int setsockopt(int, int, int, const sock_fprog *, uint32_t)');
type Transfer = (fd: number, bytes: Uint8Array, length: number, flags: number) => number;
const nativeSend: Transfer = libc.func('intptr_t send(int, const uint8_t *, size_t, int)');
const nativeRecv: Transfer = libc.func('intptr_t recv(int, uint8_t *, size_t, int)');
export const send = kept(nativeSend);
export const recv = kept(nativeRecv);
export const sendto: (fd: number, bytes: Uint8Array, length: number, flags: number, to: Uint8Array, toLength: number) => number = func(
  'intptr_t sendto(int, const uint8_t *, size_t, int, const uint8_t *, uint32_t)',
);
/** With a struct msghdr. */
export const recvmsg: (fd: number, message: Uint8Array, flags: number) => number = func('intptr_t recvmsg(int, uint8_t *, int)');
/** For structures that point to other memory; valid while the caller keeps `memory`. */
export const addressOf = (memory: ArrayBufferView): bigint => koffi.address(memory);
/** In a thread of the pool, which the caller's thread does not wait for. The number of an error is not known then. */
export const sendAside = (fd: number, bytes: Uint8Array): Promise<number> => aside(nativeSend, [fd, bytes, bytes.length, 0]);
export const recvAside = (fd: number, bytes: Uint8Array): Promise<number> => aside(nativeRecv, [fd, bytes, bytes.length, 0]);
export const read: (fd: number, bytes: Uint8Array, length: number) => number = func('intptr_t read(int, uint8_t *, size_t)');
/** With a request whose argument is a buffer. */
export const ioctl: (fd: number, request: number, argument: Uint32Array) => number = func('int ioctl(int, unsigned long, uint32_t *)');
export const timerfdCreate: (clock: number, flags: number) => number = func('int timerfd_create(int, int)');
/** The third argument is a struct itimerspec of a 64-bit Linux; the old value is not asked for. */
export const timerfdSettime: (fd: number, flags: number, value: BigInt64Array, old: null) => number = func(
  'int timerfd_settime(int, int, const int64_t *, void *)',
);
/** `length` as for getsockopt. */
export const getsockname: (fd: number, address: Uint8Array, length: Uint32Array) => number = func(
  'int getsockname(int, uint8_t *, uint32_t *)',
);
export const listen: (fd: number, backlog: number) => number = func('int listen(int, int)');
/** `length` as for getsockopt. */
export const accept4: (fd: number, address: Uint8Array, length: Uint32Array, flags: number) => number = func(
  'int accept4(int, uint8_t *, uint32_t *, int)',
);
export const shutdown: (fd: number, how: number) => number = func('int shutdown(int, int)');
export const epollCreate: (flags: number) => number = func('int epoll_create1(int)');
/** The last argument is a struct epoll_event. */
export const epollControl: (epoll: number, operation: number, fd: number, event: Uint8Array) => number = func(
  'int epoll_ctl(int, int, int, const uint8_t *)',
);
export const epollWait: (epoll: number, events: Uint8Array, most: number, timeoutMs: number) => number = func(
  'int epoll_wait(int, uint8_t *, int, int)',
);
export const close: (fd: number) => number = func('int close(int)');
export const clockGettime: (clock: number, time: Uint32Array) => number = func('int clock_gettime(int, uint32_t *)');
export const schedSetscheduler: (pid: number, policy: number, parameters: Int32Array) => number = func(
  'int sched_setscheduler(int, int, const int *)',
);
export const pipe2: (ends: Int32Array, flags: number) => number = func('int pipe2(int *, int)');
export const dup3: (from: number, to: number, flags: number) => number = func('int dup3(int, int, int)');
export const fcntl: (fd: number, command: number, value: number) => number = func('int fcntl(int, int, int)');
export const prctl: (option: number, value: number) => number = func('int prctl(int, unsigned long)');
/** With `flag` 1, system calls that the signal interrupts end with EINTR. */
export const siginterrupt: (signal: number, flag: number) => number = func('int siginterrupt(int, int)');
export const flock: (fd: number, operation: number) => number = func('int flock(int, int)');
/** Moves the calling thread into the namespace that `fd` stands for. */
export const setns: (fd: number, type: number) => number = func('int setns(int, int)');
/** _exit(2): of all threads, and nothing is run before. */
export const exitNow: (code: number) => void = func('void _exit(int)');
/** Any system call of three arguments: number first, -1 for a failure. */
export const syscall3: (number: number, command: number, attributes: Uint8Array, size: number) => number = func(
  'long syscall(long, int, uint8_t *, unsigned int)',
);
const mmap: (address: number, length: number, protection: number, flags: number, fd: number, offset: number) => bigint = func(
  'void *mmap(uintptr_t, size_t, int, int, int, int64_t)',
);
const munmap: (address: bigint, length: number) => number = func('int munmap(void *, size_t)');

const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const MAP_FAILED = 2n ** 64n - 1n;

/** The first `length` bytes behind a descriptor as memory; undefined when the kernel refuses. Not to be touched after `unmap`. */
export function mapShared(fd: number, length: number): { memory: ArrayBuffer; unmap(): void } | undefined {
  const address = mmap(0, length, PROT_READ_WRITE, MAP_SHARED, fd, 0);
  if (address === MAP_FAILED) return undefined;
  return { memory: koffi.view(address, length), unmap: () => void munmap(address, length) };
}

export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const AF_PACKET = 17;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;

export const EPERM = constants.errno.EPERM;
export const LOCK_EX = 2;
export const LOCK_NB = 4;

export const ENOENT = constants.errno.ENOENT;
export const EAGAIN = constants.errno.EAGAIN;
export const ENODEV = constants.errno.ENODEV;
export const EINVAL = constants.errno.EINVAL;
export const EEXIST = constants.errno.EEXIST;
export const ENOBUFS = constants.errno.ENOBUFS;
export const EADDRINUSE = constants.errno.EADDRINUSE;
export const EADDRNOTAVAIL = constants.errno.EADDRNOTAVAIL;
export const EINTR = constants.errno.EINTR;
export const EPROTO = constants.errno.EPROTO;

function aside<T extends unknown[]>(call: (...parameters: T) => number, parameters: T): Promise<number> {
  return new Promise((resolve, reject) => {
    (call as KoffiFunc<typeof call>).async(...parameters, (error: Error | null, result: number) => {
      if (error === null) resolve(result);
      else reject(error);
    });
  });
}

/** errno(3) after the last call of this module, which has to have failed. */
export function lastErrno(): number {
  return last;
}

// Where two names share a number (EAGAIN, EWOULDBLOCK), the first is the usual one and is set last.
const namesByErrno = new Map(
  Object.entries(constants.errno)
    .toReversed()
    .map(([name, number]) => [number, name]),
);

/** The failure of a call that this machine does not have. */
export function noSuchCall(): -1 {
  last = constants.errno.ENOSYS;
  return -1;
}

/** `EPERM` for 1; the number itself when it has no name here. */
export function errnoName(errno: number): string {
  return namesByErrno.get(errno) ?? `errno ${errno}`;
}

/** Bytes of a C `int`, as most socket options want it. */
export function cInt(value: number): Uint8Array {
  return new Uint8Array(Int32Array.of(value).buffer);
}

export function setIntOption(fd: number, option: { level: number; name: number; value: number }): boolean {
  return setsockopt(fd, option.level, option.name, cInt(option.value), 4) === 0;
}
