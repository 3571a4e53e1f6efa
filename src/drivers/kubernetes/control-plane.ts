import { HaleError } from '../../base/error.ts';
import type { Target } from '../../core/balancer/plan.ts';
import { ELECTED_COMPONENTS, type ElectedComponent, type Leader, leaderOf } from '../../core/apiserver/leader.ts';
import { leasesPath, readLeaseObject, toElectionRecord } from '../../core/apiserver/lease.ts';
import { failingChecks, judgeReadiness } from '../../core/apiserver/readyz.ts';
import { refusalText } from '../../core/apiserver/refusal.ts';
import { printable } from '../../base/printable.ts';
import type { Kubernetes } from '../../ports/kubernetes.ts';
import { createKubernetesClient } from './client.ts';
import { readKubeconfig } from './kubeconfig.ts';
import { HttpsReadiness } from './readiness.ts';
import { isServerCertificateError } from '../tls-failure.ts';
import { describeUntrusted } from './untrusted.ts';

/** Everything is asked at once. What costs an API server no work is over by then. */
const DEADLINE_MS = 2000;
/** One whose etcd hangs waits for it twice, 2 s each, before it says so (--etcd-healthcheck-timeout, --etcd-readycheck-timeout). */
const READINESS_DEADLINE_MS = 4500;

export interface ControlPlaneAccess {
  /** The API servers, each asked at its own address, never at the shared one. */
  targets: readonly Target[];
  kubeconfig: string;
  /** Without credentials the API servers are still asked whether they are ready. */
  caFile: string;
}

export interface ControlPlaneStatus {
  /** Why nothing is known that takes credentials; null when the kubeconfig can be used. */
  withoutCredentials: string | null;
  apiservers: ApiserverStatus[];
  leaders: Leader[];
  /** Why not all leaders are known; null when they are. */
  leadersProblem: string | null;
}

export interface ApiserverStatus {
  name: string;
  /** Null when no answer came in time: nobody knows. */
  ready: boolean | null;
  failing: FailingCheck[];
  /** Why it is not known to be ready when it is no check: no answer, or a refusal. */
  problem: string | null;
}

export interface FailingCheck {
  check: string;
  /** The API server's own words, which only those hear who may ask for the check by name. */
  reason: string | null;
}

/** What the API servers say of themselves, and who leads the controllers. One that does not answer is a row with the reason, not a failure. */
export async function readControlPlane(access: ControlPlaneAccess): Promise<ControlPlaneStatus> {
  const withoutCredentials = kubeconfigProblem(access.kubeconfig);
  if (withoutCredentials !== null) {
    return { withoutCredentials, apiservers: await readAnonymously(access), leaders: [], leadersProblem: null };
  }
  const [apiservers, leaders] = await Promise.all([
    Promise.all(access.targets.map((target) => withClient(access, target, (client) => readApiserver(client, target)))),
    Promise.all(ELECTED_COMPONENTS.map((component) => readLeader(access, component))),
  ]);
  return {
    withoutCredentials,
    apiservers,
    leaders: leaders.filter((leader) => typeof leader === 'object'),
    leadersProblem: leaders.find((leader) => typeof leader === 'string') ?? null,
  };
}

function kubeconfigProblem(file: string): string | null {
  try {
    readKubeconfig(file);
    return null;
  } catch (error) {
    return problemOf(error);
  }
}

async function readAnonymously({ targets, caFile }: ControlPlaneAccess): Promise<ApiserverStatus[]> {
  const probe = new HttpsReadiness({ caFile });
  try {
    return await Promise.all(
      targets.map(async (target) => {
        const result = await probe.probe(target, READINESS_DEADLINE_MS);
        const answered = ['ready', 'not-ready', 'leaving'].includes(result.outcome);
        const ready = answered ? result.outcome === 'ready' : null;
        return { name: target.name, ready, failing: [], problem: 'reason' in result ? result.reason : null };
      }),
    );
  } finally {
    probe.close();
  }
}

async function readApiserver(client: Kubernetes, target: Target): Promise<ApiserverStatus> {
  const { name } = target;
  const startedAt = performance.now();
  const ask = async (path: string) => {
    const { status, body } = await client.request('GET', path, { timeoutMs: READINESS_DEADLINE_MS - (performance.now() - startedAt) });
    return { status, body: typeof body === 'string' ? body : JSON.stringify(body) };
  };
  try {
    // A dead or frozen one need not be waited for.
    await client.request('GET', '/livez/ping', { timeoutMs: DEADLINE_MS });
    const { status, body } = await ask('/readyz?verbose');
    const result = judgeReadiness(status, body);
    if (result.outcome === 'ready') return { name, ready: true, failing: [], problem: null };
    const checks = failingChecks(body);
    if (checks.length === 0) return { name, ready: false, failing: [], problem: result.reason };
    const failing = await Promise.all(checks.map(async (check) => ({ check, reason: await reasonOf(check, ask) })));
    return { name, ready: false, failing, problem: null };
  } catch (error) {
    const untrusted = certificateErrorOf(error);
    if (untrusted === undefined) return { name, ready: null, failing: [], problem: problemOf(error) };
    return { name, ready: false, failing: [], problem: await describeUntrusted(target, { error: untrusted, timeoutMs: DEADLINE_MS }) };
  }
}

function certificateErrorOf(error: unknown): NodeJS.ErrnoException | undefined {
  const cause = error instanceof HaleError ? (error.cause as NodeJS.ErrnoException | undefined) : undefined;
  return isServerCertificateError(cause?.code ?? '') ? cause : undefined;
}

type Ask = (path: string) => Promise<{ status: number; body: string }>;

/** `/readyz` withholds reasons; the check by its own name does not (kubernetes.io, "Kubernetes API health endpoints"). */
async function reasonOf(check: string, ask: Ask): Promise<string | null> {
  try {
    const { status, body } = await ask(`/readyz/${check}`);
    return status === 500 ? printable(body.trim().replace(/^internal server error: /, '')) : null;
  } catch (error) {
    if (error instanceof HaleError) return null;
    throw error;
  }
}

/** From the first API server that knows, or why none does; what one answered says more than that another did not. */
async function readLeader(access: ControlPlaneAccess, component: ElectedComponent): Promise<Leader | string> {
  const path = `${leasesPath('kube-system')}/${component}`;
  const asked = access.targets.map((target) =>
    withClient(access, target, async (client) => {
      const answer = await client.request('GET', path, { timeoutMs: DEADLINE_MS });
      if (answer.status === 404) return leaderOf(component, undefined, Date.now());
      const lease = answer.status === 200 ? readLeaseObject(answer.body) : undefined;
      if (lease === undefined) throw new Refusal(refusalText(answer));
      return leaderOf(component, toElectionRecord(lease), Date.now());
    }),
  );
  try {
    return await Promise.any(asked);
  } catch (error) {
    const { errors } = error as AggregateError;
    return problemOf(errors.find((one) => one instanceof Refusal) ?? errors[0]);
  }
}

async function withClient<T>({ kubeconfig }: ControlPlaneAccess, target: Target, work: (client: Kubernetes) => Promise<T>): Promise<T> {
  const client = createKubernetesClient({ kubeconfig, connectTo: { host: target.address, port: target.port } });
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

/** An answer other than what was asked for. */
class Refusal extends Error {}

/** The row says already who was asked. */
function problemOf(error: unknown): string {
  if (error instanceof HaleError && error.code === 'kubernetes_unreachable') return (error.cause as Error).message;
  if (error instanceof HaleError || error instanceof Refusal) return error.message;
  throw error;
}
