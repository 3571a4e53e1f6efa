import type { Target } from '../target.ts';
import { agentTargets } from './agents.ts';
import { answerTargets } from './answers.ts';
import { bgpTargets } from './bgp.ts';
import { bfdTargets } from './bfd.ts';
import { credentialTargets } from './credentials.ts';
import { doctorTargets } from './doctor.ts';
import { etcdFileTargets } from './etcd-files.ts';
import { ipvsTargets } from './ipvs.ts';
import { kernelTargets } from './kernel.ts';
import { leaseTargets } from './leases.ts';
import { linkTargets } from './link.ts';
import { metricsTargets } from './metrics.ts';
import { nodeApiTargets } from './node-api.ts';
import { powerTargets } from './power.ts';
import { scenarioTargets } from './scenario.ts';
import { sessionTargets } from './sessions.ts';
import { textTargets } from './text.ts';
import { vrrpTargets } from './vrrp.ts';

/** Every reader of bytes that come from outside. Import it after `startCoverage`, or nothing is seen of them. */
export const targets: readonly Target[] = [
  ...agentTargets,
  ...sessionTargets,
  ...linkTargets,
  ...bfdTargets,
  ...kernelTargets,
  ...ipvsTargets,
  ...textTargets,
  ...answerTargets,
  ...bgpTargets,
  ...credentialTargets,
  ...doctorTargets,
  ...etcdFileTargets,
  ...leaseTargets,
  ...metricsTargets,
  ...nodeApiTargets,
  ...powerTargets,
  ...scenarioTargets,
  ...vrrpTargets,
];
