/** Bundles the programs into build/: a built agent needs half the memory of one that strips its types at start. Run by ./hale when a source is newer. */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');
const programs = ['cli/main', 'drivers/proxy/worker', 'lab/probe/main', 'lab/standin/main', 'lab/await-ready', 'lab/undo'];
const fresh = join(root, `build.${process.pid}`);

await build({
  entryPoints: [
    ...programs.map((program) => ({ in: join(root, 'src', `${program}.ts`), out: program })),
    { in: join(root, 'bench/cli.ts'), out: 'bench/cli' },
  ],
  outdir: fresh,
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  // Native code finds its own files from where it was installed.
  external: ['koffi'],
  banner: { js: "import { createRequire as hale } from 'node:module'; const require = hale(import.meta.url);" },
  sourcemap: 'linked',
  // V8 keeps the source text of what it runs; names stay, for readable stacks.
  minifyWhitespace: true,
  minifySyntax: true,
  logLevel: 'warning',
});
writeFileSync(join(fresh, 'made'), '');
// Swapped in at once, so that a program that starts meanwhile finds the old tree or the new one.
rmSync(`${fresh}.old`, { recursive: true, force: true });
try {
  renameSync(join(root, 'build'), `${fresh}.old`);
} catch {
  // The first build replaces nothing.
}
renameSync(fresh, join(root, 'build'));
rmSync(`${fresh}.old`, { recursive: true, force: true });
