import { assert } from '../../base/assert.ts';
import * as libc from './libc.ts';
import { pollReadable } from './poll.ts';

export const EPOLLIN = 0x1;
export const EPOLLOUT = 0x4;
/** Told whether or not it is waited for, as EPOLLHUP is. */
export const EPOLLERR = 0x8;

const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;

// struct epoll_event is packed on x86-64 alone (include/uapi/linux/eventpoll.h): u32 events, then 64 bits of ours: descriptor and tag.
const [WORDS, AT_FD] = process.arch === 'x64' ? [3, 1] : [4, 2];
const BATCH = 256;
/** Batches served before the event loop may look at messages and timers. */
const ROUNDS = 16;

export interface Watched {
  readonly fd: number;
  /** `events` are those waited for that have come, EPOLLERR and EPOLLHUP. */
  onReady(events: number): void;
}

interface Slot {
  watched: Watched;
  events: number;
  tag: number;
}

/** Waits for many descriptors at once, level-triggered (epoll(7)), inside Node's own loop: libuv waits for the one descriptor of all. */
export class Epoll {
  readonly #fd = libc.epollCreate(EPOLL_CLOEXEC);
  readonly #poll: { close(): void };
  readonly #slots: (Slot | undefined)[] = [];
  readonly #ready = new Uint32Array(BATCH * WORDS);
  readonly #readyBytes = new Uint8Array(this.#ready.buffer);
  readonly #event = new Uint32Array(WORDS);
  readonly #eventBytes = new Uint8Array(this.#event.buffer);
  #tag = 0;
  #open = true;

  constructor() {
    assert(this.#fd >= 0, 'there is a descriptor left for epoll');
    this.#poll = pollReadable(this.#fd, () => this.#serve());
  }

  /** Waits for these events of the descriptor from now on, for whoever asked last; 0 is for none, not even errors. */
  wait(watched: Watched, events: number): void {
    const slot = this.#slots[watched.fd];
    if (slot === undefined ? events === 0 : slot.watched === watched && slot.events === events) return;
    const operation = slot === undefined ? EPOLL_CTL_ADD : events === 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    const next = events === 0 ? undefined : { watched, events, tag: slot?.tag ?? (this.#tag = (this.#tag + 1) >>> 0) };
    this.#slots[watched.fd] = next;
    this.#event[0] = events;
    this.#event[AT_FD] = watched.fd;
    this.#event[AT_FD + 1] = next?.tag ?? 0;
    assert(libc.epollControl(this.#fd, operation, watched.fd, this.#eventBytes) === 0, `epoll_ctl ${operation}: the descriptor is open`);
  }

  /** To be called when the descriptor is closed, which takes it out of the kernel's set. */
  forget(fd: number): void {
    this.#slots[fd] = undefined;
  }

  close(): void {
    this.#open = false;
    this.#poll.close();
    libc.close(this.#fd);
  }

  #serve(): void {
    for (let round = 0; round < ROUNDS; round++) {
      if (!this.#open) return;
      const count = libc.epollWait(this.#fd, this.#readyBytes, BATCH, 0);
      if (count <= 0) return;
      for (let i = 0; i < count; i++) {
        const slot = this.#slots[this.#ready[i * WORDS + AT_FD] as number];
        // The tag tells a descriptor that was closed in this batch from the new one that has its number now.
        if (slot !== undefined && slot.tag === this.#ready[i * WORDS + AT_FD + 1]) slot.watched.onReady(this.#ready[i * WORDS] as number);
      }
    }
  }
}
