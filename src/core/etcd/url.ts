const URL_OF = /^(https?):\/\/(\[[^\]]+\]|[^:/]+)(?::(\d+))?\/?$/;

export interface EtcdUrl {
  scheme: 'http' | 'https';
  /** Without brackets. */
  host: string;
  port: number | undefined;
}

/** A client or peer URL as etcd takes it; undefined for anything else, such as unix://. */
export function parseEtcdUrl(text: string): EtcdUrl | undefined {
  const [, scheme, host, port] = URL_OF.exec(text) ?? [];
  if ((scheme !== 'http' && scheme !== 'https') || host === undefined) return undefined;
  return { scheme, host: host.replace(/^\[|\]$/g, ''), port: port === undefined ? undefined : Number(port) };
}
