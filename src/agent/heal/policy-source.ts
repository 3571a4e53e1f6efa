import { HEAL_POLICIES_PATH, HEAL_POLICY, readHealPolicy } from '../../core/heal/crd.ts';
import type { HealPolicy } from '../../core/cluster/heal.ts';
import type { Cluster } from '../../core/cluster/schema.ts';
import { refusalText } from '../../core/apiserver/refusal.ts';
import { HaleError } from '../../base/error.ts';
import { boottime } from '../../drivers/linux/boottime.ts';
import type { Timer } from '../../ports/clock.ts';
import type { Kubernetes } from '../../ports/kubernetes.ts';
import type { Log } from '../../ports/log.ts';

const EVERY_MS = 30_000;
const CALL_MS = 5000;

/** A policy, or why there is none that could be followed. */
export type FoundPolicy = { ok: true; policy: HealPolicy } | { ok: false; problem: string };

/** The HealPolicy in the API, once. */
export async function readPolicy(kubernetes: Kubernetes, { heal }: Pick<Cluster, 'heal'>): Promise<FoundPolicy> {
  const can = { power: heal.power.by !== 'none', replace: heal.replaceCommand !== undefined };
  const what = `${HEAL_POLICY.kind} ${HEAL_POLICY.name}`;
  try {
    const answer = await kubernetes.request('GET', `${HEAL_POLICIES_PATH}/${HEAL_POLICY.name}`, { timeoutMs: CALL_MS });
    if (answer.status === 404)
      return { ok: false, problem: `there is no ${what}: hale heal manifests crd | kubectl apply -f -, then make one` };
    if (answer.status !== 200) return { ok: false, problem: `${what} cannot be read: ${refusalText(answer)}` };
    const read = readHealPolicy((answer.body as { spec?: unknown }).spec, can);
    return read.ok ? read : { ok: false, problem: `${what}: ${read.problems.join('; ')}` };
  } catch (error) {
    if (error instanceof HaleError) return { ok: false, problem: error.message };
    throw error;
  }
}

export interface PolicySourceOptions {
  cluster: Pick<Cluster, 'heal'>;
  kubernetes: Kubernetes;
  log: Log;
  onPolicy: (found: FoundPolicy) => void;
}

/** Looks for a changed HealPolicy now and then: it changes seldom, and a watch would be one more connection for ever. */
export class PolicySource {
  readonly #options: PolicySourceOptions;
  #timer: Timer | undefined;
  #last = '';
  #stopped = false;

  constructor(options: PolicySourceOptions) {
    this.#options = options;
    void this.#look();
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async #look(): Promise<void> {
    const { cluster, kubernetes, log, onPolicy } = this.#options;
    const found = await readPolicy(kubernetes, cluster);
    if (this.#stopped) return;
    const text = JSON.stringify(found);
    if (text !== this.#last) {
      if (found.ok) log.info({}, 'policy read');
      else log.warn({ reason: found.problem }, 'no policy that could be followed');
      onPolicy(found);
    }
    this.#last = text;
    this.#timer = boottime.at(boottime.now() + EVERY_MS, () => void this.#look());
  }
}
