import koffi from 'koffi';

/** Handles that nobody refers to are collected and go silent, so all open ones are kept here. */
const open = new Set<ReturnType<typeof koffi.node.poll>>();

/** Calls back on the event loop whenever `fd` is readable or has an error to fetch; the callback reads until EAGAIN. Close it before the descriptor. */
export function pollReadable(fd: number, onReadable: () => void): { close(): void } {
  // libuv stops watching a descriptor with an error on it (an interface that went down), and it must be watched again afterwards.
  // koffi passes libuv's status first, which its type declaration leaves out.
  const callback = (status: unknown): void => {
    try {
      onReadable();
    } catch (error) {
      // An exception must not pass through native code: it would surface at some other callback, or never.
      setImmediate(() => {
        throw error;
      });
    }
    if (typeof status === 'number' && status < 0 && open.has(handle)) handle.start(callback);
  };
  const handle = koffi.node.poll(fd, callback);
  open.add(handle);
  return {
    close() {
      if (!open.delete(handle)) return;
      handle.close();
    },
  };
}
