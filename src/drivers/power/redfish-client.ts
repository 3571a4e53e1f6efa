import { Agent as PlainAgent, request as plainRequest, type IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import type { SecureContext } from 'node:tls';
import { hideSecrets } from '../../base/hide.ts';
import { isServerCertificateError } from '../tls-failure.ts';
import { PowerProblem } from './controller.ts';
import type { Credentials } from './credentials.ts';

/** More than any resource that is asked for here. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
const REDIRECTS_MAX = 3;
const REASON_CHARS_MAX = 300;

export type Json = { [key: string]: unknown };

export interface Resource {
  /** Where it was in the end. */
  url: URL;
  body: Json;
}

export interface RedfishAccess {
  /** https, or http on loopback. */
  base: URL;
  credentials: Credentials;
  /** Whom to trust; not looked at with http. */
  trust: SecureContext;
  deadline: AbortSignal;
}

interface Answer {
  status: number;
  location: string | undefined;
  /** Undefined when it is no JSON object. */
  body: Json | undefined;
}

/** HTTP as DSP0266 has it, with Basic authentication (section "HTTP basic authentication") and no session. Throws PowerProblems. */
export class RedfishClient {
  readonly #access: RedfishAccess;
  readonly #agent: Agent | PlainAgent;

  constructor(access: RedfishAccess) {
    this.#access = access;
    this.#agent = access.base.protocol === 'https:' ? new Agent({ secureContext: access.trust }) : new PlainAgent();
  }

  async get(url: URL): Promise<Resource> {
    let at = url;
    for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects++) {
      const { status, location, body } = await this.#send('GET', at);
      if (status === 200 && body !== undefined) return { url: at, body };
      if (status === 200) throw new PowerProblem(`GET ${at.href}: the answer is no JSON object`);
      if (![301, 302, 303, 307, 308].includes(status)) throw this.#refusal('GET', at, { status, body });
      at = this.resolve(location, at);
    }
    throw new PowerProblem(`GET ${url.href}: more than ${REDIRECTS_MAX} redirections`);
  }

  /** Runs an action; its end may come later (202). A redirection is a refusal. */
  async post(url: URL, body: Json): Promise<void> {
    const { status, body: answer } = await this.#send('POST', url, JSON.stringify(body));
    if (![200, 202, 204].includes(status)) throw this.#refusal('POST', url, { status, body: answer });
  }

  /** What a link in a resource leads to. The credentials are for one service: a link to another is refused. */
  resolve(link: unknown, from: URL): URL {
    const url = typeof link === 'string' && URL.canParse(link, from.href) ? new URL(link, from.href) : undefined;
    if (url === undefined) throw new PowerProblem(`${from.href}: a link is missing or is none`);
    if (url.origin !== this.#access.base.origin || url.username !== '' || url.password !== '')
      throw new PowerProblem(`${from.href} leads to ${url.origin}, which is not where the credentials belong`);
    return url;
  }

  #send(method: 'GET' | 'POST', url: URL, text?: string): Promise<Answer> {
    const { base, credentials, deadline } = this.#access;
    const headers = {
      accept: 'application/json',
      'odata-version': '4.0',
      'user-agent': 'hale',
      authorization: `Basic ${tokenOf(credentials)}`,
      ...(text === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) }),
    };
    const send = base.protocol === 'https:' ? request : plainRequest;
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => reject(this.#unreachable(url, error));
      const req = send(url, { method, headers, agent: this.#agent, signal: deadline });
      req.on('error', fail);
      req.on('response', (response) => void readAnswer(response).then(resolve, fail));
      req.end(text);
    });
  }

  #unreachable(url: URL, error: NodeJS.ErrnoException): PowerProblem {
    const hint = isServerCertificateError(error.code ?? '')
      ? '; name the authority that signed its certificate in heal.power.caFile, and the controller by a name that is in it'
      : '';
    return new PowerProblem(`${url.origin}: ${this.#shown(error.message)}${hint}`);
  }

  /** DSP0266, "Error responses". */
  #refusal(method: string, url: URL, { status, body }: Pick<Answer, 'status' | 'body'>): PowerProblem {
    const said = this.#shown(messagesOf(body).join(' '));
    return new PowerProblem(`${method} ${url.href}: HTTP ${status}${said === '' ? '' : `: ${said}`}`);
  }

  #shown(text: string): string {
    return withoutCredentials(text, this.#access.credentials).slice(0, REASON_CHARS_MAX);
  }
}

/** Services may repeat what they were sent, in whatever they answer. */
export function withoutCredentials(text: string, credentials: Credentials): string {
  return hideSecrets(text, [credentials.password, tokenOf(credentials)]);
}

function tokenOf({ username, password }: Credentials): string {
  return Buffer.from(`${username}:${password}`, 'utf8').toString('base64');
}

async function readAnswer(response: IncomingMessage): Promise<Answer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`the answer is longer than ${ANSWER_BYTES_MAX} bytes`);
    parts.push(part);
  }
  return { status: response.statusCode ?? 0, location: response.headers.location, body: parse(Buffer.concat(parts).toString('utf8')) };
}

function parse(text: string): Json | undefined {
  try {
    return objectOf(JSON.parse(text));
  } catch {
    return undefined;
  }
}

export function objectOf(value: unknown): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
}

export function arrayOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** `Message` of each entry of ExtendedInfo, which says more than the message of all, where there is one. */
function messagesOf(body: Json | undefined): string[] {
  const error = objectOf(body?.['error']);
  const extended = arrayOf(error?.['@Message.ExtendedInfo']).map((info) => objectOf(info)?.['Message']);
  const texts = (values: unknown[]) => values.filter((value) => typeof value === 'string' && value !== '') as string[];
  const found = texts(extended);
  return found.length > 0 ? found : texts([error?.['message']]);
}
