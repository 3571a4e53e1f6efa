/** Bundles the programs into build/: a built agent needs half the memory of one that strips its types at start. Run by ./hale when a source is newer. */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');
const out = join(root, 'build');
const sources = [
  'cli/main',
  'cli/sim-worker',
  'agent/guardian/main',
  'drivers/etcd/hash-worker',
  'drivers/proxy/worker',
  'lab/probe/main',
  'lab/probe/watcher',
  'lab/probe/fleet/main',
  'lab/standin/main',
  'lab/budgets/main',
  'lab/healing/main',
  'lab/nodes/kubelets/main',
  'lab/nodes/serve-power',
  'lab/await-ready',
  'lab/undo',
  'library/etcd',
];
const programs = [
  ...sources.map((path) => ({ in: join(root, 'src', `${path}.ts`), out: path })),
  ...['cli', 'gate-holder', 'datapath/driver', 'loss/clients', 'loss/connects', 'kubernetes/kept-gets'].map((path) => ({
    in: join(root, 'bench', `${path}.ts`),
    out: `bench/${path}`,
  })),
];
/** Chunks of earlier builds stay this long, because programs that still run may load them late. */
const KEEP_MS = 24 * 3600 * 1000;

const { outputFiles } = await build({
  entryPoints: programs,
  outdir: out,
  write: false,
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

// Chunks, whose names carry a hash of their content, before the programs that load them; each file appears whole or not at all,
// so that several builds at once and programs that start meanwhile do not disturb each other.
const entries = new Set(programs.flatMap((program) => [join(out, `${program.out}.js`), join(out, `${program.out}.js.map`)]));
const ordered = [...outputFiles].sort((a, b) => Number(entries.has(a.path)) - Number(entries.has(b.path)));
for (const file of [...ordered.map(({ path, contents }) => ({ path, contents })), { path: join(out, 'made'), contents: '' }]) {
  mkdirSync(dirname(file.path), { recursive: true });
  // Not the process's number: hosts of a lab that build at once are in namespaces of their own, where numbers repeat.
  const temporary = `${file.path}.${randomBytes(4).toString('hex')}`;
  writeFileSync(temporary, file.contents);
  renameSync(temporary, file.path);
}

const made = new Set(outputFiles.map(({ path }) => relative(out, path)));
for (const name of readdirSync(out)) {
  const path = join(out, name);
  const old = statSync(path, { throwIfNoEntry: false });
  if (name.includes('-') && !made.has(name) && old?.isFile() && Date.now() - old.mtimeMs > KEEP_MS) rmSync(path, { force: true });
}
