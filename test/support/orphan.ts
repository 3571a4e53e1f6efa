/** Child of process.test.ts. Starts itself once more: that one blocks in a read that nothing comes to, and prints how it ended. */
import { spawn } from 'node:child_process';
import { readSync } from 'node:fs';
import { interruptAtParentsEnd } from '../../src/drivers/linux/parent.ts';

if (process.argv[2] === undefined) {
  // Both have the same standard input, so that the end of this process does not end the read.
  spawn(process.execPath, [process.argv[1] as string, 'blocks'], { stdio: 'inherit' });
} else {
  interruptAtParentsEnd();
  console.log('blocks');
  try {
    readSync(0, Buffer.alloc(1));
  } catch (error) {
    console.log((error as NodeJS.ErrnoException).code);
  }
  process.exit();
}
