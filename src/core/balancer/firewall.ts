/** What rules of nftables, also those that iptables writes, do with the beginning of a connection: read from what `nft -j list ruleset` prints (libnftables-json(5)). */
import { familyOf, formatIp, parseIp, prefixContains } from '../../base/address.ts';

/** The first packet of a TCP connection, where it passes a hook. */
export interface Arrival {
  hook: 'ingress' | 'prerouting' | 'input' | 'forward' | 'output';
  address: string;
  port: number;
  interfaceName: string;
}

export interface Obstacle {
  what: string;
  /** The line that mends it; null where none does. */
  fix: string | null;
}

interface Chain {
  family: string;
  table: string;
  name: string;
  hook?: string;
  policy?: string;
}
interface Rule {
  chain: string;
  handle: unknown;
  expr: unknown[];
}
type Verdict = 'accept' | 'drop' | 'none';
interface Found {
  verdict: Verdict;
  by?: { chain: string; handle: unknown };
}
type Answer = 'yes' | 'no' | 'unknown';

/** Tables of this program. */
const OURS = /^hale(_|$)/;
const MAX_JUMPS = 16;

/** One obstacle for each chain of others that drops the arrival. What depends on more than address, port, interface and state is not judged, unless it names address or port. */
export function firewallObstacles(ruleset: unknown, arrival: Arrival): Obstacle[] {
  const { chains, rules } = readRuleset(ruleset);
  return chains.flatMap((chain) => {
    if (chain.hook !== arrival.hook || OURS.test(chain.table) || !seesFamily(chain.family, arrival)) return [];
    const rulesOf = (name: string) => rules.get(keyOf({ ...chain, name })) ?? [];
    const { verdict, by } = walk(chain.name, { arrival, rulesOf, depth: 0 });
    const place = `nftables table ${chain.family} ${chain.table}, chain ${chain.name}`;
    const traffic = `TCP to ${arrival.address} port ${arrival.port}`;
    if (verdict === 'drop') {
      const rule = by?.chain === chain.name ? `rule ${by.handle}` : `rule ${by?.handle} of chain ${by?.chain}`;
      return [{ what: `${place}, ${rule} drops ${traffic} at ${arrival.hook}`, fix: fixFor(chain, arrival) }];
    }
    if (verdict === 'none' && chain.policy === 'drop') {
      return [
        {
          what: `${place} drops what no rule accepts (policy drop), and none accepts ${traffic} at ${arrival.hook}`,
          fix: fixFor(chain, arrival),
        },
      ];
    }
    return [];
  });
}

function seesFamily(family: string, { address }: Arrival): boolean {
  if (family === 'ip') return familyOf(address) === 'IPv4';
  if (family === 'ip6') return familyOf(address) === 'IPv6';
  return family === 'inet' || family === 'netdev';
}

/** Where another program owns the rules, its own command, so that it does not undo the line. */
function fixFor({ family, table, name }: Chain, { address, port }: Arrival): string {
  if (table === 'firewalld') return `firewall-cmd --permanent --add-port=${port}/tcp && firewall-cmd --reload`;
  const isIptables = (family === 'ip' || family === 'ip6') && table === 'filter' && name === name.toUpperCase();
  if (isIptables) return `${family === 'ip' ? 'iptables' : 'ip6tables'} -I ${name} -p tcp -d ${address} --dport ${port} -j ACCEPT`;
  return `nft insert rule ${family} ${table} ${name} ${familyOf(address) === 'IPv4' ? 'ip' : 'ip6'} daddr ${address} tcp dport ${port} accept`;
}

interface Walk {
  arrival: Arrival;
  rulesOf: (chain: string) => Rule[];
  depth: number;
}

function walk(chain: string, context: Walk): Found {
  for (const rule of context.depth < MAX_JUMPS ? context.rulesOf(chain) : []) {
    const { arrival } = context;
    const answers = rule.expr.map((statement) => answerOf(statement, arrival));
    if (answers.some(({ answer }) => answer === 'no')) continue;
    const sure = answers.every(({ answer }) => answer === 'yes');
    // An accept for some clients shows that somebody thought of this traffic; a drop for some clients that names it is worth a look.
    if (!sure && !answers.some(({ names }) => names)) continue;
    const statement = rule.expr.find((one) => isObject(one) && VERDICTS.some((verdict) => verdict in one)) as
      | Record<string, unknown>
      | undefined;
    if (statement === undefined) continue;
    const target = isObject(statement.jump) ? statement.jump.target : isObject(statement.goto) ? statement.goto.target : undefined;
    if (typeof target === 'string') {
      const found = walk(target, { ...context, depth: context.depth + 1 });
      if (found.verdict !== 'none' || 'goto' in statement) return found;
    } else if ('accept' in statement) return { verdict: 'accept' };
    else if ('drop' in statement || 'reject' in statement) return { verdict: 'drop', by: { chain, handle: rule.handle } };
    else if (sure) return { verdict: 'none' };
  }
  return { verdict: 'none' };
}

const VERDICTS = ['accept', 'drop', 'reject', 'jump', 'goto', 'return'];
const HARMLESS = [...VERDICTS, 'counter', 'log', 'comment', 'mangle'];

function answerOf(statement: unknown, arrival: Arrival): { answer: Answer; names: boolean } {
  if (!isObject(statement)) return { answer: 'unknown', names: false };
  if (HARMLESS.some((name) => name in statement)) return { answer: 'yes', names: false };
  const { match } = statement;
  if (!isObject(match)) return { answer: 'unknown', names: false };
  const { answer, names } = compare(match.left, match.right, arrival);
  if (match.op !== '!=' || answer === 'unknown') return { answer, names };
  return { answer: answer === 'yes' ? 'no' : 'yes', names };
}

/** `names`: it asks for the address or the port itself. */
function compare(left: unknown, right: unknown, { address, port, interfaceName }: Arrival): { answer: Answer; names: boolean } {
  const not = { answer: 'unknown', names: false } as const;
  if (!isObject(left)) return not;
  const plain = (answer: Answer) => ({ answer, names: false });
  const named = (answer: Answer) => ({ answer, names: answer === 'yes' });
  if (isObject(left.payload)) {
    const { protocol, field } = left.payload;
    const family = familyOf(address) === 'IPv4' ? 'ip' : 'ip6';
    if ((protocol === 'tcp' || protocol === 'th') && field === 'dport') return named(contains(right, port));
    if (protocol === 'udp' || protocol === 'icmp' || protocol === 'icmpv6') return plain('no');
    if (protocol === 'ip' || protocol === 'ip6') {
      if (protocol !== family) return plain('no');
      if (field === 'daddr') return named(contains(right, address));
      if (field === 'protocol' || field === 'nexthdr') return plain(contains(right, 'tcp'));
    }
    return not;
  }
  if (isObject(left.meta)) {
    const { key } = left.meta;
    if (key === 'l4proto') return plain(contains(right, 'tcp'));
    if (key === 'nfproto') return plain(contains(right, familyOf(address).toLowerCase()));
    if (key === 'iifname' || key === 'iif') return plain(contains(right, interfaceName));
    return not;
  }
  if (isObject(left.ct) && left.ct.key === 'state') return plain(contains(right, 'new'));
  return not;
}

/** Whether what a rule asks for takes in the value. */
function contains(right: unknown, value: string | number): Answer {
  if (Array.isArray(right)) return anyOf(right.map((one) => contains(one, value)));
  if (typeof right === 'number' || typeof right === 'string') return containsOne(right, value);
  if (!isObject(right)) return 'unknown';
  if (Array.isArray(right.set)) return contains(right.set, value);
  if (isObject(right.elem)) return contains(right.elem.val, value);
  if (Array.isArray(right.range) && typeof value === 'number') {
    const [from, to] = right.range;
    return Number(from) <= value && value <= Number(to) ? 'yes' : 'no';
  }
  if (isObject(right.prefix) && typeof value === 'string') {
    const { addr, len } = right.prefix;
    return prefixContains({ address: String(addr), length: Number(len) }, value) ? 'yes' : 'no';
  }
  return 'unknown';
}

function containsOne(right: number | string, value: string | number): Answer {
  if (typeof right === 'string' && right.startsWith('@')) return 'unknown';
  if (typeof right === 'string' && right.endsWith('*')) return String(value).startsWith(right.slice(0, -1)) ? 'yes' : 'no';
  // Numbers of protocols stand for their names in rules that iptables wrote.
  if (value === 'tcp' && right === 6) return 'yes';
  const bytes = typeof right === 'string' ? parseIp(right) : undefined;
  return String(bytes === undefined ? right : formatIp(bytes)) === String(value) ? 'yes' : 'no';
}

function anyOf(answers: readonly Answer[]): Answer {
  return answers.includes('yes') ? 'yes' : answers.includes('unknown') ? 'unknown' : 'no';
}

function readRuleset(ruleset: unknown): { chains: Chain[]; rules: Map<string, Rule[]> } {
  const listed = isObject(ruleset) && Array.isArray(ruleset.nftables) ? ruleset.nftables.filter(isObject) : [];
  const chains = listed.map(({ chain }) => chain).filter(isObject) as unknown as Chain[];
  const rules = new Map<string, Rule[]>();
  for (const { rule } of listed) {
    if (!isObject(rule) || !Array.isArray(rule.expr)) continue;
    const key = keyOf({ family: String(rule.family), table: String(rule.table), name: String(rule.chain) });
    rules.set(key, [...(rules.get(key) ?? []), { chain: String(rule.chain), handle: rule.handle, expr: rule.expr }]);
  }
  return { chains: chains.filter(({ family, table, name }) => [family, table, name].every((text) => typeof text === 'string')), rules };
}

const keyOf = ({ family, table, name }: Pick<Chain, 'family' | 'table' | 'name'>): string => `${family} ${table} ${name}`;

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
