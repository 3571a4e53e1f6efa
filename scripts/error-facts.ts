/** Reads out of the source text which errors for people there are, so that docs/reference/errors.md cannot fall behind. */
import { type Expression, type NewExpression, type ObjectExpression, parseSync, type Program, Visitor } from 'oxc-parser';

export interface ErrorFacts {
  code: string;
  /** Undefined for a problem of a cluster.yaml: those come together, inside one error. */
  kind: string | undefined;
  /** With `{name}` where a value stands. */
  message: string;
  remedy: string | undefined;
}

type Constants = ReadonlyMap<string, Expression>;

/** Every `new HaleError({…})` of a file, and every entry of the `wordings` of cluster.yaml. */
export function readErrors(file: string, source: string): ErrorFacts[] {
  const { program } = parseSync(file, source, { preserveParens: false });
  const constants = readConstants(program);
  const facts: ErrorFacts[] = [];
  new Visitor({
    NewExpression(made) {
      const [argument] = made.arguments;
      if (made.callee.type !== 'Identifier' || made.callee.name !== 'HaleError') return;
      if (argument?.type !== 'ObjectExpression') throw new Error(`${file}: a HaleError is made from something else than its facts`);
      for (const known of callsOfMaker(program, made, constants)) facts.push(...readFacts(argument, known));
    },
    VariableDeclarator({ id, init }) {
      if (id.type === 'Identifier' && id.name === 'wordings' && init !== null) facts.push(...readWordings(init, constants));
    },
  }).visit(program);
  return facts;
}

function readConstants(program: Program): Constants {
  const constants = new Map<string, Expression>();
  new Visitor({
    VariableDeclarator({ id, init }) {
      if (id.type === 'Identifier' && init !== null) constants.set(id.name, init);
    },
  }).visit(program);
  return constants;
}

/** What is known where the error is made: the constants of the file; in `const fail = (code, …) => new HaleError(…)`, for each call, its arguments too. */
function callsOfMaker(program: Program, made: NewExpression, constants: Constants): Constants[] {
  const [name, maker] = [...constants].find(([, init]) => init.type === 'ArrowFunctionExpression' && init.body === made) ?? [];
  if (maker?.type !== 'ArrowFunctionExpression') return [constants];
  const calls: Constants[] = [];
  new Visitor({
    CallExpression({ callee, arguments: values }) {
      if (callee.type !== 'Identifier' || callee.name !== name) return;
      const bound = maker.params.flatMap((parameter, i): [string, Expression][] =>
        parameter.type === 'Identifier' && values[i] !== undefined ? [[parameter.name, values[i] as Expression]] : [],
      );
      calls.push(new Map([...constants, ...bound]));
    },
  }).visit(program);
  return calls;
}

function readFacts(argument: ObjectExpression, constants: Constants): ErrorFacts[] {
  const { code, kind, message, remedy } = Object.fromEntries(entries(argument));
  if (code === undefined || kind === undefined || message === undefined) throw new Error('a HaleError without code, kind or message');
  const facts = { kind: wording(kind, constants), message: wording(message, constants) };
  if (code.type === 'ConditionalExpression') {
    const branches = ['consequent', 'alternate'] as const;
    const sameBranch = (at: (typeof branches)[number]) => (remedy?.type === 'ConditionalExpression' ? remedy[at] : remedy);
    return branches.map((at) => ({ ...facts, code: wording(code[at], constants), remedy: optional(sameBranch(at), constants) }));
  }
  const isCarried = code.type === 'MemberExpression' || (code.type === 'Identifier' && !constants.has(code.name));
  if (!isCarried) return [{ ...facts, code: wording(code, constants), remedy: optional(remedy, constants) }];
  // A code that a value carries: its file words the way out of each in `remedies`.
  const remedies = constants.get('remedies');
  if (remedies === undefined) throw new Error('a HaleError whose code comes from a value, in a file without `remedies`');
  return entries(remedies).map(([name, text]) => ({ ...facts, code: name, remedy: wording(text, constants) }));
}

function optional(node: Expression | undefined, constants: Constants): string | undefined {
  return node && wording(node, constants);
}

function readWordings(init: Expression, constants: Constants): ErrorFacts[] {
  return entries(init).map(([code, word]) => {
    const body = word.type === 'ArrowFunctionExpression' && word.expression ? (word.body as Expression) : undefined;
    const { message, remedy } = Object.fromEntries(body === undefined ? [] : entries(body));
    if (message === undefined || remedy === undefined) throw new Error(`wordings.${code} is no function that returns message and remedy`);
    return { code, kind: undefined, message: wording(message, constants), remedy: wording(remedy, constants) };
  });
}

/** Keys and values of an object literal, also behind `satisfies` or `as`. */
function entries(node: Expression): [string, Expression][] {
  if (node.type === 'TSSatisfiesExpression' || node.type === 'TSAsExpression') return entries(node.expression);
  if (node.type !== 'ObjectExpression') return [];
  return node.properties.flatMap((property): [string, Expression][] =>
    property.type === 'Property' && property.key.type === 'Identifier' ? [[property.key.name, property.value as Expression]] : [],
  );
}

/** The fixed words of an expression, with `{name}` for what is only known when it happens. */
function wording(node: Expression, constants: Constants): string {
  switch (node.type) {
    case 'Literal':
      return String(node.value);
    case 'TemplateLiteral':
      return node.quasis.map(({ value }, i) => (value.cooked ?? '') + blank(node.expressions[i])).join('');
    case 'ConditionalExpression':
      return [node.consequent, node.alternate].map((branch) => wording(branch, constants)).join(' / ');
    case 'Identifier': {
      const constant = constants.get(node.name);
      const fixed = constant?.type === 'Literal' || constant?.type === 'TemplateLiteral' || constant?.type === 'ConditionalExpression';
      return fixed ? wording(constant, constants) : blank(node);
    }
    default:
      return blank(node);
  }
}

/** What the name of a value survives: `names.join(', ')` is still the names. */
const KEEPS_NAME = ['join', 'map', 'filter', 'trim'];

/** `{path}` for `path`, `{name}` for `JSON.stringify(host.name)`, `{names}` for `names.join(', ')`; `…` for what has no name. */
function blank(node: Expression | undefined): string {
  if (node === undefined) return '';
  if (node.type === 'Identifier') return `{${node.name}}`;
  if (node.type === 'MemberExpression' && node.property.type === 'Identifier') return `{${node.property.name}}`;
  if (node.type === 'LogicalExpression') return blank(node.right.type === 'Literal' ? node.left : node.right);
  if (node.type !== 'CallExpression') return '…';
  const { callee, arguments: values } = node;
  if (callee.type === 'MemberExpression' && callee.property.type === 'Identifier' && KEEPS_NAME.includes(callee.property.name)) {
    return blank(callee.object);
  }
  const [value] = values;
  return value === undefined || value.type === 'SpreadElement' ? blank(callee) : blank(value);
}
