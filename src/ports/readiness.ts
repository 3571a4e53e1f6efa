import type { ProbeResult } from '../core/balancer/health.ts';
import type { Target } from '../core/balancer/plan.ts';

/** Asks an apiserver whether it is ready. */
export interface ReadinessProbe {
  probe(target: Target, timeoutMs: number): Promise<ProbeResult>;
  /** Whether the host answers at all, be it with a refusal: a TCP handshake, which its kernel does by itself. */
  reaches(target: Target, timeoutMs: number): Promise<boolean>;
  /** The connection kept open to an apiserver was closed by it, as a crash does: worth a probe now. */
  onDisconnect(handler: (target: string) => void): void;
  close(): void;
}
