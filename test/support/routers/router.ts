import { existsSync } from 'node:fs';
import type { TestHost } from '../netns.ts';
import type { Daemon } from './daemon.ts';

export interface RouterNeighbor {
  address: string;
  asn: number;
  password?: string;
  ttlSecurity?: boolean;
  passive?: boolean;
  /** 1 without it. */
  connectRetryS?: number;
  /** Takes the place of the router's own number towards this neighbour. */
  localAsn?: number;
}

export interface RouterOptions {
  asn: number;
  holdTimeS?: number;
  neighbors: readonly RouterNeighbor[];
  /** Prefixes that it announces. */
  announces?: readonly string[];
  /** Lines for the daemon alone, each neighbour's own. */
  neighborLines?: string;
}

/** As the router tells it. */
export interface RouterRoute {
  prefix: string;
  nextHop: string;
  localPreference: number | undefined;
  med: number | undefined;
  /** `65000:100`. */
  communities: string[];
  asPath: string;
  stale: boolean;
}

export interface RouterSession {
  established: boolean;
  /** What the router says about the session, whole. */
  text: string;
}

/** A real router with BGP. */
export interface Router {
  readonly daemon: Daemon;
  session(neighbor: string): Promise<RouterSession>;
  /** Of both families, learned by BGP. */
  routes(): Promise<RouterRoute[]>;
  /** Ends the session and keeps it ended, with this text (RFC 9003). */
  shutDown(neighbor: string, text: string): Promise<void>;
  /** Asks the neighbour for its routes again (RFC 2918). */
  refresh(neighbor: string): Promise<void>;
}

export interface RouterKind {
  /** Name and version, for titles. */
  readonly title: string;
  /** Why it cannot be used here; undefined when it can. */
  readonly problem: string | undefined;
  start(host: TestHost, options: RouterOptions): Promise<Router>;
}

export function notInstalled(...programs: string[]): string | undefined {
  const missing = programs.filter((program) => !existsSync(program));
  return missing.length === 0 ? undefined : `not installed: ${missing.join(', ')}`;
}

export function familiesOf(prefixes: readonly string[]): { four: string[]; six: string[] } {
  return { four: prefixes.filter((prefix) => !prefix.includes(':')), six: prefixes.filter((prefix) => prefix.includes(':')) };
}
