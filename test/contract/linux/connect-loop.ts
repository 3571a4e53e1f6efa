/** Connects to an address again and again, until it is ended: `connect-loop.ts ADDRESS PORT`. Prints a line for every hundred connections, and every failure. */
import { parseIp } from '../../../src/base/address.ts';
import * as libc from '../../../src/drivers/linux/libc.ts';
import { socketAddress } from '../../../src/drivers/linux/socket-address.ts';

const SO_LINGER = 13;
const [address = '', port = ''] = process.argv.slice(2);
const remote = socketAddress(parseIp(address) as Uint8Array, Number(port));
// Closed by a reset, so that no port is held in TIME_WAIT.
const linger = new Uint8Array(Int32Array.of(1, 0).buffer);
for (let made = 1; ; made++) {
  const fd = libc.socket(libc.AF_INET, libc.SOCK_STREAM, 0);
  libc.setsockopt(fd, libc.SOL_SOCKET, SO_LINGER, linger, linger.length);
  if (libc.connect(fd, remote, remote.length) !== 0) console.log(`failed: ${libc.errnoName(libc.lastErrno())}`);
  libc.close(fd);
  if (made % 100 === 0) console.log(`made ${made}`);
}
