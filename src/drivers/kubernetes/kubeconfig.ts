import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { HaleError } from '../../base/error.ts';
import { printable } from '../../base/printable.ts';
import { type Kubeconfig, type KubeconfigFault, parseKubeconfig, type Section, type Source } from '../../core/pki/current-context.ts';

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
 * names file, key and way out; none repeats what stands in the file, which may be secret, but names of files.
 */
export function readKubeconfig(file: string): KubernetesAccess {
  return new Reading(file, (path) => readFileSync(path, 'utf8')).access();
}

/** One reading of one file. */
export class Reading {
  readonly #file: string;
  readonly #readFile: (path: string) => string;
  readonly #sources: string[];

  constructor(file: string, readFile: (path: string) => string) {
    this.#file = file;
    this.#readFile = readFile;
    this.#sources = [file];
  }

  access(): KubernetesAccess {
    const read = parseKubeconfig(this.#read(this.#file));
    if (!read.ok) throw this.#invalid(read.fault);
    const { kubeconfig } = read;
    for (const section of [kubeconfig.cluster, kubeconfig.user]) this.#refuseUnsupported(section);
    const authority = this.#pem(kubeconfig.authority);
    if (authority !== undefined) this.#certificate(authority);
    return {
      file: this.#file,
      ...this.#server(kubeconfig),
      serverName: kubeconfig.serverName,
      ca: authority?.pem,
      client: this.#client(kubeconfig),
      token: this.#token(kubeconfig),
      sources: this.#sources,
    };
  }

  #refuseUnsupported({ value, at }: Section): void {
    for (const [key, why] of Object.entries(UNSUPPORTED)) {
      if (value[key] === undefined || value[key] === false) continue;
      throw new HaleError({
        code: 'kubeconfig_unsupported',
        kind: 'usage',
        message: `${this.#file}: ${at}.${key} is not supported: it ${why}`,
        remedy: 'use a kubeconfig with a certificate authority, and a client certificate or the token of a service account',
      });
    }
  }

  #server({ server }: Kubeconfig): Pick<KubernetesAccess, 'host' | 'port' | 'basePath'> {
    const url = URL.parse(server.url);
    if (url?.protocol !== 'https:' || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
      const remedy = 'write https://HOST:PORT, with a path where the API is below one';
      throw this.#invalid({ at: server.at, problem: 'is not a plain https URL', remedy });
    }
    return {
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? 443 : Number(url.port),
      basePath: url.pathname.replace(/\/+$/, ''),
    };
  }

  #client({ certificate, key: keySource, user }: Kubeconfig): KubernetesAccess['client'] {
    const cert = this.#pem(certificate);
    const key = this.#pem(keySource);
    if (cert === undefined && key === undefined) return undefined;
    if (cert === undefined || key === undefined) {
      const [lacking, present] = cert === undefined ? ['client-certificate', 'client-key'] : ['client-key', 'client-certificate'];
      throw this.#invalid({ at: `${user.at}.${lacking}`, problem: `is not set, but ${present} is`, remedy: 'give both, or neither' });
    }
    const own = this.#certificate(cert);
    let matches: boolean;
    try {
      matches = own.checkPrivateKey(createPrivateKey(key.pem));
    } catch {
      throw this.#invalid({ at: key.at, problem: 'is no private key', remedy: 'give one in PEM, without a passphrase' });
    }
    if (!matches)
      throw this.#invalid({ at: key.at, problem: `is not the key of ${cert.at}`, remedy: 'give the pair that was made together' });
    return { cert: cert.pem, key: key.pem };
  }

  #pem(source: Source | undefined): Pem | undefined {
    if (source === undefined) return undefined;
    const { at } = source;
    return { at, pem: 'file' in source ? this.#readNamed(source) : Buffer.from(source.base64, 'base64').toString() };
  }

  #certificate({ at, pem }: Pem): X509Certificate {
    try {
      return new X509Certificate(pem);
    } catch {
      const remedy = 'give one in PEM, and in base64 where the key ends in -data';
      throw this.#invalid({ at, problem: 'is no certificate', remedy });
    }
  }

  #token({ token }: Kubeconfig): string | undefined {
    if (token === undefined) return undefined;
    const text = ('file' in token ? this.#readNamed(token) : token.text).trim();
    // What Node would refuse to send in a header, it would quote in its error.
    if (!/^[\x21-\x7e]+$/.test(text))
      throw this.#invalid({ at: token.at, problem: 'is no bearer token', remedy: 'a token is one word of printable ASCII' });
    return text;
  }

  #readNamed({ file, at }: { file: string; at: string }): string {
    const path = resolve(dirname(this.#file), file);
    this.#sources.push(path);
    return this.#read(path, at);
  }

  #read(path: string, place?: string): string {
    try {
      return this.#readFile(path);
    } catch (error) {
      const named = place === undefined ? '' : `${this.#file}: ${place}: `;
      const { code } = error as NodeJS.ErrnoException;
      throw new HaleError({
        code: 'kubeconfig_unreadable',
        kind: 'usage',
        message: `${named}${printable(path)} cannot be read: ${code}`,
        remedy:
          code === 'EACCES'
            ? 'run this as root, or as the owner of the file'
            : 'name one that is there: `kubernetes.kubeconfig`, or --kubeconfig where a command has it',
        cause: error,
      });
    }
  }

  #invalid({ at, problem, remedy }: KubeconfigFault): HaleError {
    return new HaleError({ code: 'kubeconfig_invalid', kind: 'usage', message: `${this.#file}: ${at} ${problem}`, remedy });
  }
}

/** A value, and where it stands. */
interface Pem {
  at: string;
  pem: string;
}
