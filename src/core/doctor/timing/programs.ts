import type { Flag, Program } from '../read/program.ts';
import { durationMs } from '../look/values.ts';
import { durationText, type Link } from './link.ts';

/** client-go's leader election (client-go, tools/leaderelection; the defaults of component-base). */
const LEASE = { duration: 15_000, retry: 2000 };

/** Links of programs whose command lines were found. */
export function programLinks(programs: readonly Program[]): Link[] {
  return programs.flatMap((program) => LINKS[program.name]?.(program) ?? []);
}

const LINKS: Readonly<Record<string, (program: Program) => Link[]>> = {
  'kube-vip': kubeVip,
  etcd,
  'kube-apiserver': apiserver,
  'kube-controller-manager': controllerManager,
  lvscare,
};

function kubeVip(program: Program): Link[] {
  const env = (name: string) => program.env.find((variable) => variable.name === name);
  if (env('bgp_enable')?.value === 'true') {
    const hold = seconds(env('bgp_hold_time')) ?? 30_000;
    return [
      link(program, {
        stage: 'address-by-crash',
        fromMs: (hold * 2) / 3,
        toMs: hold,
        how: `BGP hold time ${durationText(hold)}`,
        flag: env('bgp_hold_time'),
      }),
    ];
  }
  const duration = seconds(env('vip_leaseduration')) ?? LEASE.duration;
  const retry = seconds(env('vip_retryperiod')) ?? LEASE.retry;
  return [link(program, { stage: 'address-by-crash', ...leaseMoves(duration, retry), flag: env('vip_leaseduration') })];
}

/** Others wait for the duration since they last saw the Lease change, and look once per retry period. */
function leaseMoves(duration: number, retry: number): Pick<Link, 'fromMs' | 'toMs' | 'how'> {
  return { fromMs: duration - retry, toMs: duration + retry, how: `lease ${durationText(duration)} ± retry ${durationText(retry)}` };
}

function etcd(program: Program): Link[] {
  const flag = find(program, 'election-timeout');
  if (flag === undefined && !program.complete) return [];
  const timeout = Number(flag?.value ?? 1000);
  return [
    link(program, {
      stage: 'etcd-election',
      fromMs: timeout,
      toMs: 2 * timeout,
      how: `1 to 2 × election-timeout ${durationText(timeout)}`,
      flag,
    }),
  ];
}

function apiserver(program: Program): Link[] {
  const delay = find(program, 'shutdown-delay-duration');
  const toleration = find(program, 'default-unreachable-toleration-seconds');
  const links: Link[] = [];
  if (delay !== undefined || program.complete) {
    const ms = durationMs(delay?.value ?? '0s') ?? 0;
    links.push(
      link(program, { stage: 'graceful-stop', fromMs: ms, toMs: ms, how: `shutdown-delay-duration ${delay?.value ?? '0s'}`, flag: delay }),
    );
  }
  if (toleration?.value !== undefined) links.push(link(program, { ...eviction(Number(toleration.value) * 1000), flag: toleration }));
  return links;
}

export function eviction(ms: number): Pick<Link, 'stage' | 'fromMs' | 'toMs' | 'how'> {
  return { stage: 'pods-evicted', fromMs: ms, toMs: ms, how: `NotReady + toleration of ${durationText(ms)}` };
}

function controllerManager(program: Program): Link[] {
  const grace = find(program, 'node-monitor-grace-period');
  const lease = find(program, 'leader-elect-lease-duration');
  const retry = find(program, 'leader-elect-retry-period');
  const links: Link[] = [];
  if (grace?.value !== undefined) links.push(link(program, { ...notReady(durationMs(grace.value) ?? 0), flag: grace }));
  if (lease?.value !== undefined || retry?.value !== undefined) {
    const moves = leaseMoves(durationMs(lease?.value ?? '15s') ?? LEASE.duration, durationMs(retry?.value ?? '2s') ?? LEASE.retry);
    links.push(link(program, { stage: 'controllers-moved', ...moves, flag: lease ?? retry }));
  }
  return links;
}

/** A node renews its Lease every 10 s, and is looked at every 5 s (kube-controller-manager, --node-monitor-period). */
export function notReady(graceMs: number): Pick<Link, 'stage' | 'fromMs' | 'toMs' | 'how'> {
  return {
    stage: 'node-not-ready',
    fromMs: graceMs - 10_000,
    toMs: graceMs + 5000,
    how: `node-monitor-grace-period ${durationText(graceMs)}, last seen up to 10 s before`,
  };
}

function lvscare(program: Program): Link[] {
  const interval = find(program, 'interval');
  const ms = durationMs(interval?.value ?? '5s') ?? 5000;
  return [
    link(program, { stage: 'backend-detected', fromMs: 0, toMs: 2 * ms, how: `up to 2 × interval ${durationText(ms)}`, flag: interval }),
  ];
}

function link(program: Program, { flag, ...rest }: Pick<Link, 'stage' | 'fromMs' | 'toMs' | 'how'> & { flag: Flag | undefined }): Link {
  return { ...rest, at: flag?.span ?? program.at, who: program.name };
}

function find({ flags }: Program, name: string): Flag | undefined {
  return flags.find((flag) => flag.name === name);
}

function seconds(flag: Flag | undefined): number | undefined {
  return flag?.value === undefined || Number.isNaN(Number(flag.value)) ? undefined : Number(flag.value) * 1000;
}
