/**
 * The cables between nodes and the control plane: a server in between for kwok, which stands in for the kubelets of many nodes in one process. A node whose
 * cable is cut is shown to kwok as removed, so that it leaves the node and its Pods alone, and what it still sends for them is refused; all else passes.
 * Nothing of it shows in the API, and a cut needs no API.
 */
import { createServer, type IncomingMessage, type OutgoingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import { type Api, readAll } from './api.ts';
import { type NodeObject, isInService, type PodObject } from './objects.ts';

const NODES = '/api/v1/nodes';
const PODS = '/api/v1/pods';

interface WatchEvent<T> {
  type: string;
  object: T;
}

export interface Link {
  server: Server;
  /** kwok stops serving the node. */
  cut(node: string): void;
  /** kwok serves it again, or for the first time. */
  join(node: string): void;
  /** Names of joined nodes that are ready and take Pods. */
  inService(): string[];
}

/** `nodes` are those that kwok shall ever see; all are cut at first. */
export function openLink(api: Api, nodes: ReadonlySet<string>): Link {
  const view = new View(nodes);
  const server = createServer((asked, answer) => {
    // kwok may be gone by the time it is answered.
    answer.on('error', () => undefined);
    pass({ api, view, asked, answer }).catch((error: unknown) => {
      if (answer.headersSent) answer.destroy();
      else refuse(answer, { status: 503, reason: 'ServiceUnavailable', message: (error as Error).message });
    });
  });
  return { server, cut: (node) => view.cut(node), join: (node) => view.join(node), inService: () => view.inService() };
}

/** What has passed: the Nodes, and on which node each Pod is. */
class View {
  readonly #nodes: ReadonlySet<string>;
  readonly #joined = new Set<string>();
  readonly #objects = new Map<string, NodeObject>();
  readonly #nodeOfPod = new Map<string, string>();
  readonly #watches = new Set<ServerResponse>();
  /** Joined since kwok's last list, which is older than the watch that follows. */
  readonly #joinedSinceList = new Set<string>();
  #version = '0';

  constructor(nodes: ReadonlySet<string>) {
    this.#nodes = nodes;
  }

  inService(): string[] {
    const ready = [...this.#objects.values()].filter(isInService).map(({ metadata }) => metadata.name);
    return ready.filter((name) => this.#joined.has(name));
  }

  cut(node: string): void {
    this.#joined.delete(node);
    for (const watch of this.#watches) this.#tell(watch, 'DELETED', node);
  }

  join(node: string): void {
    this.#joined.add(node);
    this.#joinedSinceList.add(node);
    for (const watch of this.#watches) this.#tell(watch, 'ADDED', node);
  }

  watchNodes(answer: ServerResponse): void {
    this.#watches.add(answer);
    answer.once('close', () => this.#watches.delete(answer));
    for (const node of this.#objects.keys()) {
      if (!this.#joined.has(node)) this.#tell(answer, 'DELETED', node);
      else if (this.#joinedSinceList.has(node)) this.#tell(answer, 'ADDED', node);
    }
  }

  /** The line as kwok gets it; undefined: not at all. */
  nodeLine(line: string): string | undefined {
    const { type, object } = JSON.parse(line) as WatchEvent<NodeObject>;
    if (type === 'ERROR') return line;
    this.#version = object.metadata.resourceVersion ?? this.#version;
    if (type === 'BOOKMARK') return line;
    const { name } = object.metadata;
    if (type === 'DELETED') this.#objects.delete(name);
    else this.#objects.set(name, object);
    return this.#joined.has(name) ? line : undefined;
  }

  nodeList(text: string): string {
    const list = JSON.parse(text) as { kind: string; metadata: { resourceVersion: string }; items?: NodeObject[] };
    if (list.kind !== 'NodeList') return text;
    this.#version = list.metadata.resourceVersion;
    this.#joinedSinceList.clear();
    // Items of a list do not say what they are.
    for (const item of list.items ?? []) this.#objects.set(item.metadata.name, { kind: 'Node', apiVersion: 'v1', ...item } as NodeObject);
    return JSON.stringify({ ...list, items: (list.items ?? []).filter(({ metadata }) => this.#joined.has(metadata.name)) });
  }

  podLine(line: string): string {
    const { type, object } = JSON.parse(line) as WatchEvent<PodObject>;
    if (type === 'ADDED' || type === 'MODIFIED') this.#note(object);
    if (type === 'DELETED') this.#nodeOfPod.delete(`${object.metadata.namespace}/${object.metadata.name}`);
    return line;
  }

  podList(text: string): string {
    for (const pod of (JSON.parse(text) as { items?: PodObject[] }).items ?? []) this.#note(pod);
    return text;
  }

  /** Whether the request is for a node that is cut, or for a Pod that nobody has told kwok of. */
  refuses(path: string): boolean {
    const node = /^\/api\/v1\/nodes\/([^/]+)/.exec(path)?.[1];
    if (node !== undefined) return this.#isCut(node);
    const pod = /^\/api\/v1\/namespaces\/([^/]+)\/pods\/([^/]+)/.exec(path);
    return pod !== null && this.#isCut(this.#nodeOfPod.get(`${pod[1]}/${pod[2]}`) ?? '');
  }

  #isCut(node: string): boolean {
    return !this.#joined.has(node);
  }

  #note({ metadata, spec }: PodObject): void {
    if (spec.nodeName !== undefined) this.#nodeOfPod.set(`${metadata.namespace}/${metadata.name}`, spec.nodeName);
  }

  /** With the newest version, so that a watch that goes on from there does not go back. */
  #tell(watch: ServerResponse, type: 'ADDED' | 'DELETED', node: string): void {
    const object = this.#objects.get(node);
    // A watch that has ended is followed by another one, which is told of all.
    if (object === undefined || !this.#nodes.has(node) || watch.writableEnded) return;
    const metadata = { ...object.metadata, resourceVersion: this.#version };
    watch.write(`${JSON.stringify({ type, object: { ...object, metadata } })}\n`);
  }
}

interface Exchange {
  api: Api;
  view: View;
  asked: IncomingMessage;
  answer: ServerResponse;
}

async function pass({ api, view, asked, answer }: Exchange): Promise<void> {
  const { method = 'GET', url = '/' } = asked;
  const { pathname, searchParams } = new URL(url, 'http://link');
  const body = await readAll(asked);
  if (method !== 'GET' && view.refuses(pathname)) {
    return refuse(answer, { status: 403, reason: 'Forbidden', message: 'the node has no connection' });
  }
  const isWatch = searchParams.get('watch') === 'true' || searchParams.get('watch') === '1';
  // kwok begins every watch at version 0, which with bookmarks an API server takes for a streaming list, and refuses on etcd 3.4.
  searchParams.delete('allowWatchBookmarks');
  const query = searchParams.size === 0 ? '' : `?${searchParams.toString()}`;
  const { host: _host, connection: _connection, 'accept-encoding': _encoding, 'content-length': _length, ...headers } = asked.headers;
  const ways = method === 'GET' ? waysOf(view, pathname) : undefined;
  const got = await api.send({
    method,
    path: `${pathname}${query}`,
    headers: {
      ...headers,
      ...(ways && { accept: 'application/json' }),
      ...(body.length > 0 && { 'content-length': String(body.length) }),
    },
    body,
    isWatch,
  });
  answer.once('close', () => got.destroy());
  if (ways === undefined || got.statusCode !== 200) return passOn(got, answer);
  if (!isWatch) return void reply(answer, got, ways.list((await readAll(got)).toString()));
  answer.writeHead(200, answerHeaders(got));
  answer.flushHeaders();
  if (pathname === NODES) view.watchNodes(answer);
  for await (const line of linesOf(got)) {
    const shown = ways.line(line);
    if (shown !== undefined) answer.write(`${shown}\n`);
  }
  answer.end();
}

interface Ways {
  line(line: string): string | undefined;
  list(text: string): string;
}

/** How what kwok reads is looked at on the way. */
function waysOf(view: View, path: string): Ways | undefined {
  if (path === NODES) return { line: (line) => view.nodeLine(line), list: (text) => view.nodeList(text) };
  if (path === PODS) return { line: (line) => view.podLine(line), list: (text) => view.podList(text) };
  return undefined;
}

function passOn(got: IncomingMessage, answer: ServerResponse): void {
  answer.writeHead(got.statusCode ?? 502, answerHeaders(got));
  answer.flushHeaders();
  got.on('error', () => answer.destroy());
  got.pipe(answer);
}

function reply(answer: ServerResponse, got: IncomingMessage, text: string): void {
  answer.writeHead(200, answerHeaders(got));
  answer.end(text);
}

/** Without what holds for one connection (RFC 9110 section 7.6.1), and for a text that may have another length now. */
function answerHeaders({ headers }: IncomingMessage): OutgoingHttpHeaders {
  const { connection: _connection, 'transfer-encoding': _encoding, 'content-length': _length, ...rest } = headers;
  return rest;
}

/** As the API server puts it (kubernetes.io, "Status"): kwok sends what is unavailable again, and nothing that is forbidden. */
function refuse(answer: ServerResponse, { status, reason, message }: { status: number; reason: string; message: string }): void {
  answer.writeHead(status, { 'content-type': 'application/json' });
  answer.end(JSON.stringify({ kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason, message, code: status }));
}

async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  for await (const chunk of stream) {
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      parts.push(chunk.subarray(from, at));
      yield Buffer.concat(parts).toString();
      parts = [];
      from = at + 1;
    }
    if (from < chunk.length) parts.push(chunk.subarray(from));
  }
}
