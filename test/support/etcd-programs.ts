import { dirname } from 'node:path';
import { type EtcdBuiltLine, etcdCache } from '../../src/lab/etcd-programs.ts';
import { findProgram } from '../../src/lab/find-program.ts';

/** A release line of etcd: 3.4 is the one on PATH, the others are those of `npm run etcd:get`. */
export type EtcdLine = '3.4' | EtcdBuiltLine;
export const ETCD_LINES: readonly EtcdLine[] = ['3.4', '3.5', '3.6', '3.7'];

/** Paths of a line's programs. */
export interface EtcdPrograms {
  etcd: string;
  etcdctl: string;
  /** From 3.5 on; before, etcdctl does its work. */
  etcdutl: string | undefined;
}

/** Undefined when the line is not on this machine. */
export function findEtcdPrograms(line: EtcdLine): EtcdPrograms | undefined {
  const folders = line === '3.4' ? [] : [[etcdCache(line)]];
  const [etcd, etcdctl] = [findProgram('etcd', ...folders), findProgram('etcdctl', ...folders)];
  if (etcd === undefined || etcdctl === undefined) return undefined;
  return { etcd, etcdctl, etcdutl: line === '3.4' ? undefined : findProgram('etcdutl', [dirname(etcd)]) };
}

/** Why tests with this line cannot run here, for the title of a skipped suite; undefined when they can. */
export function etcdProblem(line: EtcdLine): string | undefined {
  if (findEtcdPrograms(line) !== undefined) return undefined;
  return line === '3.4'
    ? 'skipped: no etcd: apt-get install etcd-server etcd-client'
    : `skipped: no etcd ${line}: \`npm run etcd:get\` builds it`;
}
