/** What somebody is asked for a cluster.yaml: one list, from which the dialogue and the flags of `hale init` are made. */
import type * as z from 'zod';
import { enumerate, type Path } from '../cluster/problems.ts';
import { clusterJsonSchema, type JsonSchema } from '../cluster/schema.ts';
import { asNumber } from '../cluster/providers.ts';
import {
  dnsLabel,
  dnsName,
  etcdUrl,
  interfaceName,
  ipAddress,
  kubernetesVersion,
  port,
  prefixedAddress,
  zoneName,
} from '../cluster/values.ts';
import { valueAt } from './answers.ts';

/** Values by their place in cluster.yaml. */
export type Answers = Readonly<Record<string, unknown>>;

/** What an answer means, or what it should have been: the words that complete "Write …". */
export type Parsed = { ok: true; value: unknown } | { ok: false; expects: string };

export interface Question {
  path: Path;
  /** Long option, without dashes. */
  flag: string;
  /** What stands for the value in help. */
  placeholder: string;
  ask: string;
  /** What can be answered, where that is a list. */
  choices?: readonly string[];
  /** Said before the question, once. */
  about?: string;
  /** What an empty answer means; undefined where there must be one. */
  preset(answers: Answers): string | undefined;
  isAsked(answers: Answers): boolean;
  parse(text: string): Parsed;
}

const always = () => true;
const is =
  (path: Path, ...values: string[]) =>
  (answers: Answers) =>
    values.includes(String(valueAt(answers, path)));
const provider = (name: string) => is(['endpoint', 'provider'], name);

export const questions: readonly Question[] = [
  {
    ...base('name', ['name']),
    ask: 'Name of the cluster',
    preset: () => 'prod',
    parse: by(dnsLabel),
  },
  { ...choice('distribution', ['distribution']), ask: 'What runs the control plane' },
  {
    ...base('hosts', ['controlPlane', 'hosts'], 'list'),
    ask: 'Control-plane hosts',
    about:
      'Each as NAME=ADDRESS/PREFIX, with @ZONE where hosts are in different zones; separated by blanks. Three or five. For example: cp1=10.0.0.11/24@a cp2=10.0.0.12/24@b cp3=10.0.0.13/24@c',
    preset: () => undefined,
    parse: hostWords,
  },
  { ...choice('provider', ['endpoint', 'provider']), ask: 'Who answers for the address of the API' },
  {
    ...choice('placement', ['haproxyKeepalived', 'placement']),
    ask: 'Where HAProxy and keepalived run',
    isAsked: provider('haproxy-keepalived'),
  },
  {
    ...base('balancers', ['haproxyKeepalived', 'balancers'], 'list'),
    ask: 'Hosts of HAProxy and keepalived, written like the others',
    preset: () => undefined,
    isAsked: is(['haproxyKeepalived', 'placement'], 'balancers'),
    parse: hostWords,
  },
  { ...choice('kube-vip-mode', ['kubeVip', 'mode']), ask: 'How kube-vip announces the address', isAsked: provider('kube-vip') },
  {
    ...base('peers', ['kubeVip', 'bgp', 'peers'], 'list'),
    ask: 'Routers, each as ADDRESS=AS',
    preset: () => undefined,
    isAsked: is(['kubeVip', 'mode'], 'bgp'),
    parse: (text) => eachWord(text, peer, 'routers such as 10.0.0.1=65001, separated by blanks'),
  },
  {
    ...choice('balancer', ['nodeLocal', 'balancer']),
    ask: "What carries a node's connections to the API",
    isAsked: provider('node-local'),
  },
  {
    ...base('address', ['endpoint', 'address']),
    ask: 'Address of the API, which no machine has',
    preset: () => undefined,
    parse: by(ipAddress),
  },
  {
    ...base('port', ['endpoint', 'port']),
    ask: 'Its TCP port',
    preset: (answers) => (needsOwnPort(answers) ? '8443' : '6443'),
    parse: (text) => by(port)(/^\d+$/.test(text) ? Number(text) : text),
  },
  {
    ...base('interface', ['endpoint', 'interface']),
    ask: 'Network interface that carries it',
    // Other programs than hale must be told.
    preset: (answers) => (provider('hale')(answers) || provider('external')(answers) ? '' : 'eth0'),
    parse: by(interfaceName),
  },
  {
    ...base('dns-name', ['endpoint', 'dnsName']),
    ask: 'DNS name of the address, with which it can change later',
    preset: (answers) => (is(['nodeLocal', 'balancer'], 'nginx', 'haproxy')(answers) ? undefined : ''),
    parse: by(dnsName('api.prod.example.com')),
  },
  {
    ...base('kubernetes-version', ['kubernetes', 'version']),
    ask: 'Release of Kubernetes',
    preset: () => presetOf(['kubernetes', 'version']),
    parse: by(kubernetesVersion),
  },
  { ...choice('kube-proxy', ['kubernetes', 'kubeProxy']), ask: 'How kube-proxy carries connections to Services' },
  { ...choice('cni', ['kubernetes', 'cni']), ask: 'CNI plugin to write values for' },
  { ...choice('etcd', ['etcd', 'topology']), ask: 'Where etcd runs' },
  {
    ...base('etcd-endpoints', ['etcd', 'endpoints'], 'list'),
    ask: "Client URLs of etcd's members, separated by blanks",
    preset: () => undefined,
    isAsked: is(['etcd', 'topology'], 'external'),
    parse: (text) => eachWord(text, by(etcdUrl), 'https URLs with their ports, separated by blanks'),
  },
];

function base(flag: string, path: Path, placeholder = flag): Pick<Question, 'flag' | 'path' | 'placeholder' | 'isAsked'> {
  return { flag, path, placeholder, isAsked: always };
}

/** One of the values that the schema lists for `path`. */
function choice(flag: string, path: Path): Omit<Question, 'ask'> {
  const { enum: values = [], description, default: preset } = schemaAt(path);
  const names = values.map(String);
  return {
    ...base(flag, path, 'name'),
    choices: names,
    ...(description !== undefined && { about: description }),
    preset: () => String(preset),
    parse: (text) => (names.includes(text) ? { ok: true, value: text } : { ok: false, expects: enumerate(names, 'or') }),
  };
}

function presetOf(path: Path): string {
  return String(schemaAt(path).default);
}

function schemaAt(path: Path): JsonSchema {
  return path.reduce<JsonSchema>((node, step) => (node.properties?.[step] ?? {}) as JsonSchema, clusterJsonSchema());
}

/** Proxies on the hosts of the API servers cannot share their port. */
function needsOwnPort(answers: Answers): boolean {
  return provider('haproxy-keepalived')(answers) && !is(['haproxyKeepalived', 'placement'], 'balancers')(answers);
}

/** As the kind of value says; what is written stays as it was. */
function by(kind: z.ZodType): (text: unknown) => Parsed {
  return (text) => {
    const { success, error } = kind.safeParse(text);
    return success ? { ok: true, value: text } : { ok: false, expects: error.issues[0]?.message ?? '' };
  };
}

const HOST = 'hosts such as cp1=10.0.0.11/24@a, separated by blanks';

function hostWords(text: string): Parsed {
  return eachWord(text, host, HOST);
}

function host(word: string): Parsed {
  const [, name, address, zone] = /^([^=]+)=([^@]+)(?:@(.+))?$/.exec(word) ?? [];
  const isGood = dnsName('cp1').safeParse(name).success && prefixedAddress.safeParse(address).success;
  if (!isGood || (zone !== undefined && !zoneName.safeParse(zone).success)) return { ok: false, expects: HOST };
  return { ok: true, value: { name, address, ...(zone !== undefined && { zone }) } };
}

function peer(word: string): Parsed {
  const [address, as] = word.split('=');
  const isGood = ipAddress.safeParse(address).success && asNumber.safeParse(Number(as)).success;
  return isGood ? { ok: true, value: { address, as: Number(as) } } : { ok: false, expects: 'routers such as 10.0.0.1=65001' };
}

function eachWord(text: string, parse: (word: string) => Parsed, expects: string): Parsed {
  const words = text.split(/[\s,]+/).filter((word) => word !== '');
  if (words.length === 0) return { ok: false, expects };
  const values: unknown[] = [];
  for (const word of words) {
    const parsed = parse(word);
    if (!parsed.ok) return { ok: false, expects: `${parsed.expects}, instead of ${JSON.stringify(word)}` };
    values.push(parsed.value);
  }
  return { ok: true, value: values };
}
