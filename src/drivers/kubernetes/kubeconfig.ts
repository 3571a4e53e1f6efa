import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { LineCounter, parseDocument } from 'yaml';
import { HaleError } from '../../base/error.ts';

/** What a client of the API needs, from a kubeconfig (kubernetes.io, "kubeconfig v1"). Secret: it may hold a key or a token. */
export interface KubernetesAccess {
  /** The kubeconfig, for errors. */
  file: string;
  host: string;
  port: number;
  /** Path below which the API is: empty, or `/k8s/clusters/c-1`. */
  basePath: string;
  /** Name or address that the server's certificate must have, when not that of the URL. */
  serverName: string | undefined;
  /** PEM; undefined: the authorities that this system trusts. */
  ca: string | undefined;
  /** PEM. */
  client: { cert: string; key: string } | undefined;
  token: string | undefined;
  /** Every file that this was read from, the kubeconfig first. */
  sources: string[];
}

type Mapping = Record<string, unknown>;

/** Keys that would make a client act otherwise than this one does, and why it does not. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  'insecure-skip-tls-verify': 'would trust any server with these credentials',
  'proxy-url': 'would reach the API through a proxy, whose loss would look like that of the API',
  exec: 'would run another program for credentials, which a daemon cannot wait for',
  'auth-provider': 'was removed from Kubernetes',
  username: 'passwords were removed from Kubernetes',
  password: 'passwords were removed from Kubernetes',
  as: 'acts as somebody else',
};

/**
 * Reads the current context of a kubeconfig, and the files that it names (paths below the kubeconfig's own folder, as kubectl takes them). A HaleError
 * names file, key and way out; none repeats what stands in the file, which may be secret.
 */
export function readKubeconfig(file: string): KubernetesAccess {
  return new Reading(file).access();
}

/** One reading of one file. Values inline go before files, as in client-go, only a token's file before the token. */
class Reading {
  readonly #file: string;
  readonly #sources: string[];

  constructor(file: string) {
    this.#file = file;
    this.#sources = [file];
  }

  access(): KubernetesAccess {
    const root = { value: this.#parse(), path: '' };
    const current = this.#required(root, 'current-context');
    const context = this.#named(root, { list: 'contexts', name: current, item: 'context' });
    const cluster = this.#named(root, { list: 'clusters', name: this.#required(context, 'cluster'), item: 'cluster' });
    const user = this.#named(root, { list: 'users', name: this.#required(context, 'user'), item: 'user' });
    for (const section of [cluster, user]) this.#refuseUnsupported(section);
    const authority = this.#pem(cluster, 'certificate-authority');
    if (authority !== undefined) this.#certificate(authority);
    return {
      file: this.#file,
      ...this.#server(cluster),
      serverName: this.#text(cluster, 'tls-server-name'),
      ca: authority?.pem,
      client: this.#client(user),
      token: this.#token(user),
      sources: this.#sources,
    };
  }

  /** The parser's own words may quote the file, so only its code is told. */
  #parse(): Mapping {
    const text = this.#read(this.#file);
    const lines = new LineCounter();
    const document = parseDocument(text, { version: '1.2', lineCounter: lines, prettyErrors: false });
    const [broken] = document.errors;
    if (broken !== undefined) {
      const { line, col } = lines.linePos(broken.pos[0]);
      throw this.#invalid({
        at: `line ${line}, column ${col}`,
        problem: `is not YAML (${broken.code})`,
        remedy: 'mend it, or make it anew',
      });
    }
    let value: unknown;
    try {
      value = document.toJS();
    } catch {
      throw this.#invalid({ at: 'the file', problem: 'has aliases that lead nowhere or too far', remedy: 'write it without aliases' });
    }
    if (!isMapping(value)) throw this.#invalid({ at: 'the file', problem: 'holds no mapping', remedy: 'is it a kubeconfig?' });
    return value;
  }

  #named(root: Section, { list, name, item }: { list: string; name: string; item: string }): Section {
    const entries = root.value[list];
    const index = Array.isArray(entries) ? entries.findIndex((entry) => isMapping(entry) && entry['name'] === name) : -1;
    const value = index < 0 ? undefined : (entries as Mapping[])[index]?.[item];
    if (isMapping(value)) return { value, path: `${list}[${index}].${item}` };
    const remedy = 'add it, or choose another context: kubectl config get-contexts';
    throw this.#invalid({ at: list, problem: `has no ${item} named ${JSON.stringify(name)}`, remedy });
  }

  #refuseUnsupported({ value, path }: Section): void {
    for (const [key, why] of Object.entries(UNSUPPORTED)) {
      if (value[key] === undefined || value[key] === false) continue;
      throw new HaleError({
        code: 'kubeconfig_unsupported',
        kind: 'usage',
        message: `${this.#file}: ${path}.${key} is not supported: it ${why}`,
        remedy: 'use a kubeconfig with a certificate authority, and a client certificate or the token of a service account',
      });
    }
  }

  #server(cluster: Section): Pick<KubernetesAccess, 'host' | 'port' | 'basePath'> {
    const url = URL.parse(this.#required(cluster, 'server'));
    if (url?.protocol !== 'https:' || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
      const remedy = 'write https://HOST:PORT, with a path where the API is below one';
      throw this.#invalid({ at: `${cluster.path}.server`, problem: 'is not a plain https URL', remedy });
    }
    return {
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? 443 : Number(url.port),
      basePath: url.pathname.replace(/\/+$/, ''),
    };
  }

  #client(user: Section): KubernetesAccess['client'] {
    const cert = this.#pem(user, 'client-certificate');
    const key = this.#pem(user, 'client-key');
    if (cert === undefined && key === undefined) return undefined;
    if (cert === undefined || key === undefined) {
      const [lacking, present] = cert === undefined ? ['client-certificate', 'client-key'] : ['client-key', 'client-certificate'];
      throw this.#invalid({ at: `${user.path}.${lacking}`, problem: `is not set, but ${present} is`, remedy: 'give both, or neither' });
    }
    const certificate = this.#certificate(cert);
    let matches: boolean;
    try {
      matches = certificate.checkPrivateKey(createPrivateKey(key.pem));
    } catch {
      throw this.#invalid({ at: key.at, problem: 'is no private key', remedy: 'give one in PEM, without a passphrase' });
    }
    if (!matches)
      throw this.#invalid({ at: key.at, problem: `is not the key of ${cert.at}`, remedy: 'give the pair that was made together' });
    return { cert: cert.pem, key: key.pem };
  }

  /** `KEY-data` (base64), or else the file that `KEY` names. */
  #pem(section: Section, key: string): Pem | undefined {
    const data = this.#text(section, `${key}-data`);
    if (data !== undefined) return { at: `${section.path}.${key}-data`, pem: Buffer.from(data, 'base64').toString() };
    const file = this.#text(section, key);
    const at = `${section.path}.${key}`;
    return file === undefined ? undefined : { at, pem: this.#readNamed(file, at) };
  }

  #certificate({ at, pem }: Pem): X509Certificate {
    try {
      return new X509Certificate(pem);
    } catch {
      const remedy = 'give one in PEM, and in base64 where the key ends in -data';
      throw this.#invalid({ at, problem: 'is no certificate', remedy });
    }
  }

  #token(user: Section): string | undefined {
    const file = this.#text(user, 'tokenFile');
    const at = `${user.path}.${file === undefined ? 'token' : 'tokenFile'}`;
    const token = (file === undefined ? this.#text(user, 'token') : this.#readNamed(file, at))?.trim();
    // What Node would refuse to send in a header, it would quote in its error.
    if (token !== undefined && !/^[\x21-\x7e]+$/.test(token))
      throw this.#invalid({ at, problem: 'is no bearer token', remedy: 'a token is one word of printable ASCII' });
    return token;
  }

  #readNamed(file: string, place: string): string {
    const path = resolve(dirname(this.#file), file);
    this.#sources.push(path);
    return this.#read(path, place);
  }

  #read(path: string, place?: string): string {
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      const named = place === undefined ? '' : `${this.#file}: ${place}: `;
      const { code } = error as NodeJS.ErrnoException;
      throw new HaleError({
        code: 'kubeconfig_unreadable',
        kind: 'usage',
        message: `${named}${path} cannot be read: ${code}`,
        remedy:
          code === 'EACCES' ? 'run this as root, or as the owner of the file' : 'name a kubeconfig that is there (`kubernetes.kubeconfig`)',
        cause: error,
      });
    }
  }

  #required(section: Section, key: string): string {
    const text = this.#text(section, key);
    if (text !== undefined) return text;
    throw this.#invalid({ at: placeOf(section, key), problem: 'is not set', remedy: 'set it; kubectl config view shows what is there' });
  }

  /** Empty is as good as absent, as in client-go. */
  #text(section: Section, key: string): string | undefined {
    const found = section.value[key];
    if (found === undefined || found === null || found === '') return undefined;
    if (typeof found === 'string') return found;
    throw this.#invalid({ at: placeOf(section, key), problem: 'is not a text', remedy: 'write one, in quotes' });
  }

  #invalid({ at, problem, remedy }: { at: string; problem: string; remedy: string }): HaleError {
    return new HaleError({ code: 'kubeconfig_invalid', kind: 'usage', message: `${this.#file}: ${at} ${problem}`, remedy });
  }
}

/** A value, and where it stands. */
interface Pem {
  at: string;
  pem: string;
}

interface Section {
  value: Mapping;
  /** Empty for the whole file. */
  path: string;
}

function placeOf({ path }: Section, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
