import { readFileSync } from 'node:fs';
import type { EtcdTls } from './endpoints.ts';

/** Paths of PEM files. */
export interface EtcdTlsFiles {
  caFile: string;
  certFile: string;
  keyFile: string;
}

export function readEtcdTls({ caFile, certFile, keyFile }: EtcdTlsFiles): EtcdTls {
  const [caPem, certPem, keyPem] = [caFile, certFile, keyFile].map((file) => readFileSync(file, 'utf8')) as [string, string, string];
  return { caPem, certPem, keyPem };
}
