/** Reads what answers at the control socket: an agent, perhaps of another version, perhaps something else. */
import * as z from 'zod';
import { HaleError } from '../../base/error.ts';
import { printable } from '../../base/printable.ts';
import type { AgentStatus, NodeStatus } from '../../ports/control.ts';
import { routesAnswer, vrrpAnswer } from './routing-answer.ts';

/** Longest part of an answer that goes into a message. */
const SHOWN_CHARS_MAX = 80;

/** The JSON of a good answer. Throws HaleError `agent_refused`, `agent_answer_unreadable`. */
export function parseAnswer(path: string, answer: { status: number; body: string }): unknown {
  const value = parseJson(answer.body);
  if (answer.status >= 400) {
    const reason = (value as { error?: unknown } | null | undefined)?.error;
    throw new HaleError({
      code: 'agent_refused',
      kind: 'world',
      message: `the agent at ${path} refuses this: ${typeof reason === 'string' ? shown(reason) : `HTTP ${answer.status}`}`,
      remedy: 'is it of another version? restart it: systemctl restart hale-agent',
    });
  }
  if (value === undefined) throw unreadable(path, shown(answer.body));
  return value;
}

const name = z.string();
const names = z.array(name);
const text = z.string().nullable();
const number = z.number();
const flag = z.boolean();

const backends = z.array(
  z.object({ name, address: name, state: z.enum(['unknown', 'ready', 'draining', 'dead']), reason: name, sinceMs: number }),
);

const agentStatus: z.ZodType<AgentStatus> = z.object({
  cluster: name,
  host: name,
  role: z.enum(['holder', 'follower', 'candidate']),
  term: number,
  draining: flag,
  profile: name,
  leaseMs: number,
  holder: text,
  leaseRemainingMs: number.nullable(),
  whyNotHolding: text,
  endpoint: z.object({ addresses: names, port: number, interface: name, enforced: flag, weaker: text, conflict: text }),
  silentMs: number,
  members: z.array(
    z.object({
      name,
      address: name,
      heardMsAgo: number.nullable(),
      alive: flag,
      fitness: z.enum(['unable', 'poor', 'good']).nullable(),
      hears: names,
      readyBackends: names,
    }),
  ),
  backends,
  record: z.object({ name, owner: text, owned: flag, changedMsAgo: number.nullable(), problem: text }).nullable(),
  vrrp: vrrpAnswer.nullable(),
  routes: routesAnswer.nullable(),
  datapath: z.object({ datapath: z.enum(['dsr', 'nat', 'ipvs', 'proxy']), because: name }),
  connections: number,
  steeredTo: z.array(name).nullable(),
  realtime: flag,
  guarded: flag,
});

const nodeStatus: z.ZodType<NodeStatus> = z.object({
  cluster: name,
  host: name,
  role: z.literal('node'),
  endpoint: z.object({ addresses: names, port: number }),
  steeredTo: names,
  problem: text,
  backends,
  connections: number,
});

/** Of a control-plane host. Undefined when the agent has just started and has no status yet. Throws HaleError `agent_answer_unreadable`. */
export function readAgentStatus(path: string, value: unknown): AgentStatus | undefined {
  if (typeof value === 'object' && value !== null && Object.keys(value).length === 0) return undefined;
  return checked(path, agentStatus.safeParse(value));
}

/** The same of any machine that runs an agent. */
export function readAnyStatus(path: string, value: unknown): AgentStatus | NodeStatus | undefined {
  const isNode = (value as { role?: unknown } | null | undefined)?.role === 'node';
  return isNode ? checked(path, nodeStatus.safeParse(value)) : readAgentStatus(path, value);
}

function checked<T>(path: string, result: z.ZodSafeParseResult<T>): T {
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw unreadable(path, `${issue?.path.join('.') || 'the whole'}: ${issue?.message}`);
}

const unreadable = (path: string, detail: string) =>
  new HaleError({
    code: 'agent_answer_unreadable',
    kind: 'world',
    message: `what answers at ${path} is not understood (${detail})`,
    remedy: 'is it a hale agent of another version? restart it: systemctl restart hale-agent',
  });

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return undefined;
  }
}

function shown(said: string): string {
  return `"${printable(said.slice(0, SHOWN_CHARS_MAX))}"`;
}
