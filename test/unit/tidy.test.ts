/** The house rules that the type checker and the linter cannot see. Each rule is a function over a file's text, and is tried on a bad file first. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, posix } from 'node:path';
import { type ParamPattern, parseSync, type TSType, Visitor } from 'oxc-parser';
import { describe, expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const sources = globSync('src/**/*.ts', { cwd: root, exclude: ['src/**/gen/**'] }).toSorted();
const read = (path: string) => readFileSync(join(root, path), 'utf8');
/** `path: complaint`, for every complaint of the rule. */
const complaints = (paths: readonly string[], rule: (text: string, path: string) => string[]) =>
  paths.flatMap((path) => rule(read(path), path).map((complaint) => `${path}: ${complaint}`));
const layerOf = (path: string) => path.split('/')[1] as string;

/** What each layer may import from, besides itself. */
const LAYERS: Record<string, readonly string[]> = {
  base: [],
  core: ['base'],
  ports: ['base', 'core'],
  engine: ['base', 'core', 'ports'],
  drivers: ['base', 'core', 'ports'],
  // The simulator drives the production engines.
  sim: ['base', 'core', 'ports', 'engine'],
  lab: ['base', 'core', 'ports', 'engine', 'drivers', 'sim'],
  agent: ['base', 'core', 'ports', 'engine', 'drivers'],
  library: ['base', 'core', 'ports', 'engine', 'drivers'],
  cli: ['base', 'core', 'ports', 'engine', 'drivers', 'sim', 'lab', 'agent'],
};

/** Layers whose every run is the same: time and chance come in as arguments. */
const REPEATABLE = ['base', 'core', 'engine', 'sim'];

/** Packages that a repeatable layer or the ports may use: they compute, and reach nothing. */
const PURE_PACKAGES: Record<string, readonly string[]> = { core: ['yaml', 'zod'] };

const WORLD =
  /(?<![.\w#$])(?:Date\.now\b|new Date\(\)|Math\.random\b|performance\.|process\.|crypto\.|set(?:Timeout|Interval|Immediate)\(|fetch\(|console\.|globalThis\b)/g;

/** Calls that read a clock, roll dice or touch the machine; comments and strings do not count. */
function worldly(text: string): string[] {
  return codeOnly(text).match(WORLD) ?? [];
}

function codeOnly(text: string): string {
  const { program, comments } = parseSync('source.ts', text);
  const spans: { start: number; end: number }[] = [...comments];
  new Visitor({
    Literal: (node) => void spans.push(node),
    TemplateElement: (node) => void spans.push(node),
  }).visit(program);
  return spans.reduce((code, { start, end }) => code.slice(0, start) + ' '.repeat(end - start) + code.slice(end), text);
}

interface Import {
  from: string;
  typeOnly: boolean;
}

/** Every module that a file names: `import`, `export … from`, `import()`, and `import('…')` as a type. */
function importsOf(text: string): Import[] {
  const { module, program } = parseSync('source.ts', text);
  const typed: Import[] = [];
  new Visitor({ TSImportType: ({ source }) => void typed.push({ from: source.value, typeOnly: true }) }).visit(program);
  return [
    ...module.staticImports.map(({ moduleRequest, entries }) => ({
      from: moduleRequest.value,
      typeOnly: entries.length > 0 && entries.every(({ isType }) => isType),
    })),
    ...module.staticExports.flatMap(({ entries }) =>
      entries.flatMap(({ moduleRequest, isType }) => (moduleRequest ? [{ from: moduleRequest.value, typeOnly: isType }] : [])),
    ),
    ...module.dynamicImports.map(({ moduleRequest: { start, end } }) => ({ from: text.slice(start + 1, end - 1), typeOnly: false })),
    ...typed,
  ];
}

/** Why each import that `path` must not have is wrong. */
function wrongImports(path: string, text: string): string[] {
  const layer = layerOf(path);
  const closed = layer === 'ports' || REPEATABLE.includes(layer);
  return importsOf(text).flatMap(({ from, typeOnly }) => {
    if (!from.startsWith('.')) return closed && !PURE_PACKAGES[layer]?.includes(from) ? [`${layer} must not import ${from}`] : [];
    const target = posix.join(posix.dirname(path), from);
    const other = layerOf(target);
    if (!target.startsWith('src/')) return [`${target} lies outside src`];
    if (other !== layer && !LAYERS[layer]?.includes(other)) return [`${layer} must not import ${other}`];
    if (layer === 'ports' && other === 'core' && !typeOnly) return ['ports may import only types from core'];
    return [];
  });
}

/** Names that say nothing, so that anything may land in them. */
function hasVagueName(path: string): boolean {
  return /^(utils?|helpers?|common|misc|shared|stuff)$/.test(basename(path).replace(/\..*$/, ''));
}

/**
 * Exported functions and public methods that are called like `show(status, true)`. A lone argument is clear from the name of the function,
 * and an assertion takes what it asserts.
 */
function positionalBooleans(text: string): string[] {
  const found: string[] = [];
  const check = (name: string, params: readonly ParamPattern[]) => {
    if (params.length > 1 && params.some(isBoolean)) found.push(name);
  };
  new Visitor({
    ExportNamedDeclaration({ declaration }) {
      if (declaration?.type === 'FunctionDeclaration' || declaration?.type === 'TSDeclareFunction')
        if (declaration.returnType?.typeAnnotation.type !== 'TSTypePredicate') check(declaration.id?.name ?? '', declaration.params);
      if (declaration?.type !== 'VariableDeclaration') return;
      for (const { id, init } of declaration.declarations) {
        if (id.type === 'Identifier' && init?.type === 'ArrowFunctionExpression') check(id.name, init.params);
      }
    },
    MethodDefinition({ key, value, accessibility }) {
      if (key.type === 'Identifier' && accessibility !== 'private') check(key.name, value.params);
    },
    TSMethodSignature({ key, params }) {
      if (key.type === 'Identifier') check(key.name, params);
    },
  }).visit(parseSync('source.ts', text).program);
  return found;
}

function isBoolean(parameter: ParamPattern): boolean {
  if (parameter.type === 'AssignmentPattern') {
    return (parameter.right.type === 'Literal' && typeof parameter.right.value === 'boolean') || isBoolean(parameter.left);
  }
  if (parameter.type !== 'Identifier') return false;
  const says = (type: TSType | undefined): boolean =>
    type?.type === 'TSBooleanKeyword' || (type?.type === 'TSUnionType' && type.types.some(says));
  return says(parameter.typeAnnotation?.typeAnnotation);
}

const REGISTRY = 'registry.npmjs';

/** What names one machine or one registry, and means nothing on another. */
function localNames(text: string, checkout: string): string[] {
  const paths = text.match(/(?<![\w.*/-])\/(?:home|Users|work)\/[A-Za-z]\w*/g) ?? [];
  return [...[checkout, REGISTRY, '"resolved":'].filter((name) => text.includes(name)), ...paths];
}

describe('the same inputs give the same run', () => {
  test('a call that touches the world is seen, a word in a comment or a string is not', () => {
    expect(worldly('const a = Date.now() + Math.random(); setTimeout(f, 1); process.exit();')).toHaveLength(4);
    expect(worldly('/** no Date.now */ const a = `process.exit ${performance.now()}` + "fetch()";')).toEqual(['performance.']);
    expect(worldly('host.process.stop(); new Date(ms); refetch();')).toEqual([]);
  });

  test('no repeatable layer makes one', () => {
    const repeatable = sources.filter((path) => REPEATABLE.includes(layerOf(path)));
    expect(repeatable.length).toBeGreaterThan(30);
    expect(complaints(repeatable, worldly)).toEqual([]);
  });
});

describe('imports point inwards', () => {
  test('an import that points outwards is seen, however it is written', () => {
    expect(wrongImports('src/core/lease/x.ts', "import { a } from '../../engine/a.ts';")).toEqual(['core must not import engine']);
    expect(wrongImports('src/engine/x.ts', "export { a } from '../drivers/a.ts';")).toEqual(['engine must not import drivers']);
    expect(wrongImports('src/agent/x.ts', "const a = await import('../lab/a.ts');")).toEqual(['agent must not import lab']);
    expect(wrongImports('src/drivers/x.ts', "let a: import('../sim/a.ts').A;")).toEqual(['drivers must not import sim']);
    expect(wrongImports('src/core/x.ts', "import 'node:fs';")).toEqual(['core must not import node:fs']);
    expect(wrongImports('src/ports/x.ts', "import { a } from '../core/a.ts';")).toEqual(['ports may import only types from core']);
    expect(wrongImports('src/cli/x.ts', "import a from '../../test/a.ts';")).toEqual(['test/a.ts lies outside src']);
    expect(wrongImports('src/ports/x.ts', "import type { A } from '../core/a.ts'; import { b } from './b.ts';")).toEqual([]);
  });

  test('none does', () => {
    expect(complaints(sources, (text, path) => wrongImports(path, text))).toEqual([]);
  });

  test.each(Object.entries(LAYERS))('src/%s/tsconfig.json builds the same wall', (layer, allowed) => {
    const config = JSON.parse(read(`src/${layer}/tsconfig.json`)) as { references: { path: string }[] };
    expect(config.references.map(({ path }) => basename(path)).toSorted()).toEqual(allowed.toSorted());
  });
});

/** The real project files, around one file for each import of one layer from another. */
function buildWall(folder: string): string {
  const names = Object.keys(LAYERS);
  cpSync(join(root, 'tsconfig.base.json'), join(folder, 'tsconfig.base.json'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  for (const layer of names) {
    mkdirSync(join(folder, 'src', layer), { recursive: true });
    cpSync(join(root, `src/${layer}/tsconfig.json`), join(folder, `src/${layer}/tsconfig.json`));
    writeFileSync(join(folder, `src/${layer}/index.ts`), 'export const one = 1;\n');
    for (const other of names.filter((name) => name !== layer)) {
      writeFileSync(
        join(folder, `src/${layer}/from-${other}.ts`),
        `import { one } from '../${other}/index.ts';\nexport const two = one + one;\n`,
      );
    }
  }
  const projects = names.map((layer) => join(folder, 'src', layer));
  return spawnSync(join(root, 'node_modules/.bin/tsc'), ['--build', '--pretty', 'false', ...projects], { encoding: 'utf8' }).stdout;
}

test('the wall stands: the compiler refuses every import that points outwards, and no other', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hale-wall-'));
  try {
    const refused = [...buildWall(folder).matchAll(/src\/(\w+)\/from-(\w+)\.ts\S*: error TS6307/g)].map(
      ([, layer, other]) => `${layer} <- ${other}`,
    );
    const outward = Object.entries(LAYERS).flatMap(([layer, allowed]) =>
      Object.keys(LAYERS)
        .filter((other) => other !== layer && !allowed.includes(other))
        .map((other) => `${layer} <- ${other}`),
    );
    expect([...new Set(refused)].toSorted()).toEqual(outward.toSorted());
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('no file has a name that says nothing', () => {
  expect(['src/core/utils.ts', 'test/helpers.test.ts', 'src/base/misc.ts'].every(hasVagueName)).toBe(true);
  expect(hasVagueName('src/base/address.ts')).toBe(false);
  expect(globSync('{src,test,scripts,bench}/**/*', { cwd: root }).filter(hasVagueName)).toEqual([]);
});

describe('no positional booleans', () => {
  test('a boolean among the arguments is seen, one in an options object is not', () => {
    expect(positionalBooleans('export function add(address: string, force: boolean) {}')).toEqual(['add']);
    expect(positionalBooleans('export const add = (address: string, force = false) => address;')).toEqual(['add']);
    expect(
      positionalBooleans('export class A { add(address: string, force?: boolean | undefined) {} #own(a: string, b: boolean) {} }'),
    ).toEqual(['add']);
    expect(positionalBooleans('export interface A { add(address: string, force: boolean): void }')).toEqual(['add']);
    expect(positionalBooleans('export function add(address: string, { force }: { force: boolean }) {}')).toEqual([]);
  });

  test('there is none', () => {
    expect(complaints(sources, positionalBooleans)).toEqual([]);
  });
});

describe('nothing names one machine', () => {
  test('a path of this machine and a registry are seen', () => {
    expect(localNames(`see ${join(root, 'src/base')}`, root)).toContain(root);
    expect(localNames(`"resolved": "https://${REGISTRY}.org/a.tgz"`, root)).toHaveLength(2);
    expect(localNames('cd /home/ann/hale', root)).toEqual(['/home/ann']);
    expect(localNames('see src/base, /etc/hale and https://example.net/home/ann', root)).toEqual([]);
  });

  test('no committed text file does', () => {
    const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root, encoding: 'utf8' });
    const files = listed.split('\n').filter((path) => path !== '' && existsSync(join(root, path)));
    const texts = files.filter((path) => path !== 'test/unit/tidy.test.ts' && !read(path).includes('\0'));
    expect(texts.length).toBeGreaterThan(100);
    expect(complaints(texts, (text) => localNames(text, root))).toEqual([]);
  });
});
