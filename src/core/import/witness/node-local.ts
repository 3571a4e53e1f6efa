/** Balancers on every node: lvscare's arguments, nginx.conf, and units of hale itself. */
import type { Facts } from '../../doctor/facts.ts';
import type { NginxConfig } from '../../doctor/read/nginx.ts';
import type { Program } from '../../doctor/read/program.ts';
import type { Span } from '../../doctor/text-file.ts';
import { type Claim, implies, says } from '../claim.ts';
import { addressOf, hostAndPort, isLocal } from '../values.ts';
import { flagOf, flagsOf, isPod } from './flags.ts';

type Entry = NginxConfig['entries'][number];

export function* nodeLocalClaims({ programs, nginx, units }: Facts): Generator<Claim> {
  for (const program of programs.filter(({ name }) => name === 'lvscare')) yield* lvscareClaims(program);
  for (const config of nginx) yield* nginxClaims(config);
  for (const program of programs.filter((one) => isPod(one) && IMAGE_KEYS[one.name] !== undefined)) yield* podClaims(program);
  for (const { settings } of units) {
    const start = settings.find(({ key, value }) => key === 'ExecStart' && /(^|\/)hale\s+agent(\s|$)/.test(value));
    if (start === undefined) continue;
    const carrier = /\s--node(\s|$)/.test(start.value) ? 'hale-node' : 'hale';
    yield { kind: 'carrier', carrier, at: start.valueSpan };
  }
}

function* lvscareClaims(program: Program): Generator<Claim> {
  const service = flagOf(program, 'vs');
  if (service === undefined) return;
  yield { kind: 'carrier', carrier: 'lvscare', isPod: isPod(program), at: program.at };
  const target = hostAndPort(service.text);
  if (target !== undefined) yield { kind: 'endpoint', ...target, weight: 'says', at: service.at };
  for (const { text, at } of flagsOf(program, 'rs')) yield* targetClaims(text, at);
  const nic = flagOf(program, 'iface');
  if (nic !== undefined) yield says('nodeLocal.lvscareInterface', nic.text, nic.at);
  if (program.image !== undefined && isPod(program)) yield says('nodeLocal.image', program.image.text, program.image.span);
}

function* targetClaims(text: string, at: Span): Generator<Claim> {
  const server = hostAndPort(text);
  if (server === undefined || addressOf(server.host) === undefined || isLocal(server.host)) return;
  yield { kind: 'host', addresses: [server.host], role: 'control-plane', weight: 'implies', at };
  if (server.port !== undefined) yield implies('apiserver.port', server.port, at);
}

/** `stream` with an upstream of API servers, behind a server that listens on this host alone. */
function* nginxClaims({ entries }: NginxConfig): Generator<Claim> {
  for (const stream of entries.filter(({ words }) => words[0] === 'stream')) {
    for (const server of under(stream, 'server')) {
      const [pass] = under(server, 'proxy_pass');
      const upstream = under(stream, 'upstream').find(({ words }) => words[1] === pass?.words[1]);
      const targets = upstream === undefined ? [] : under(upstream, 'server');
      if (!isApi(pass?.words[1] ?? '', targets)) continue;
      for (const { words, spans } of targets) yield* targetClaims(words[1] ?? '', spans[1] as Span);
      const listens = under(server, 'listen').map(({ words, spans }) => ({ on: hostAndPort(words[1] ?? ''), at: spans[1] as Span }));
      for (const { on, at } of listens) if (on?.port !== undefined) yield says('endpoint.port', on.port, at);
      if (listens.some(({ on }) => on !== undefined && /^(127\.|::1$)/.test(on.host)))
        yield { kind: 'carrier', carrier: 'nginx-node', at: stream.span };
    }
  }
}

function under({ block }: Entry, keyword: string): Entry[] {
  return (block ?? []).filter(({ words }) => words[0] === keyword);
}

function isApi(name: string, targets: readonly Entry[]): boolean {
  if (targets.length === 0) return false;
  return targets.every(({ words }) => (words[1] ?? '').endsWith(':6443')) || /api|kube|k8s|master|control/i.test(name);
}

/** Static pods of balancers, and the keys that can name their image: which one, the provider decides. */
const IMAGE_KEYS: Readonly<Record<string, readonly string[]>> = {
  haproxy: ['haproxyKeepalived.haproxyImage', 'nodeLocal.image'],
  keepalived: ['haproxyKeepalived.keepalivedImage'],
  nginx: ['nodeLocal.image'],
};

function* podClaims(program: Program): Generator<Claim> {
  const { name, image, at } = program;
  // An ingress controller or a web server is no Pod of the host's network.
  if (!/hostNetwork: *true|"hostNetwork": *true/.test(program.file.text)) return;
  if (image !== undefined) yield* (IMAGE_KEYS[name] ?? []).map((key) => says(key, image.text, image.span));
  if (name !== 'nginx') yield { kind: 'carrier', carrier: name as 'haproxy' | 'keepalived', isPod: true, at };
}
