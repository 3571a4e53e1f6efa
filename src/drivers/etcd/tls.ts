import { readFileSync } from 'node:fs';
import { HaleError } from '../../base/error.ts';
import type { EtcdTls } from './endpoints.ts';

/** Paths of PEM files. */
export interface EtcdTlsFiles {
  caFile: string;
  certFile: string;
  keyFile: string;
}

export function readEtcdTls({ caFile, certFile, keyFile }: EtcdTlsFiles): EtcdTls {
  const [caPem, certPem, keyPem] = [caFile, certFile, keyFile].map(read) as [string, string, string];
  return { caPem, certPem, keyPem };
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new HaleError({
      code: 'etcd_credentials_unreadable',
      kind: 'world',
      message: `${file}: cannot be read: ${(error as Error).message}`,
      remedy: 'run it on a control-plane host and as root, or name other files (etcd.caFile, certFile, keyFile; --cacert, --cert, --key)',
      cause: error,
    });
  }
}
