import koffi from 'koffi';
import { constants } from 'node:os';
import { expect, test } from 'vitest';
import * as libc from '../../../src/drivers/linux/libc.ts';

test('the error of a call is still known after V8 had errors of its own', () => {
  expect(libc.close(-1)).toBe(-1);
  koffi.errno(constants.errno.ENOENT);
  expect(libc.lastErrno()).toBe(constants.errno.EBADF);
});

test('so is that of memory that cannot be mapped', () => {
  expect(libc.mapShared(-1, 4096)).toBeUndefined();
  koffi.errno(0);
  expect(libc.errnoName(libc.lastErrno())).toBe('EBADF');
});
