/** Builds the programs, then becomes the built bench, so that agents, API servers and probe all run from bundles, as under ./hale. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
execFileSync(process.execPath, [join(root, 'scripts/build.ts')], { stdio: ['ignore', 2, 2] });
process.execve?.(process.execPath, [process.execPath, join(root, 'build/bench/cli.js'), ...process.argv.slice(2)], process.env);
