/** Whose rights the tests have: in a user namespace, where they run for an ordinary user, the only user is root, and no file can be given to another. */
import { readFileSync } from 'node:fs';

const isRoot = process.getuid?.() === 0;

/** Root of the machine, who may become anybody. */
export const IS_MACHINE_ROOT = isRoot && /^\s+0\s+0\s+4294967295$/m.test(readFileSync('/proc/self/uid_map', 'utf8'));

/** Whether something can be run without root's rights. */
export const CAN_BE_NOBODY = IS_MACHINE_ROOT || !isRoot;
