/** Faults of whoever leads: the controllers that elect one of them by a Lease, and etcd. */
import { HaleError } from '../../base/error.ts';
import { ETCD_METRICS } from '../../core/render/etcd-flags.ts';
import { all } from '../command.ts';
import type { LabHost } from '../host.ts';
import { kubectl } from '../kubernetes/kubectl.ts';
import type { Lab } from '../lab.ts';
import type { Effects } from './effects.ts';
import { killOrFail } from './signals.ts';

export const LEADER_EFFECTS = {
  'controller-leader-kill': {
    ...killLeader('controller-manager', (lab) => holderOfLease(lab, 'kube-controller-manager')),
    // A lab without controllers says so before it comes to rest.
    prepare: async (lab) => requireControllers(lab),
  },
  'scheduler-leader-kill': {
    ...killLeader('scheduler', (lab) => holderOfLease(lab, 'kube-scheduler')),
    prepare: async (lab) => requireControllers(lab),
  },
  'etcd-leader-kill': killLeader('etcd', etcdLeader),
} as const satisfies Record<string, Effects>;

/** The host that is named only says whose holder the drill looks at. */
function killLeader(daemon: string, find: (lab: Lab) => Promise<string>): Effects {
  return {
    struck: async (lab) => [await find(lab)],
    apply: (lab, _host, { struck }) => killOrFail(lab.host(struck[0] as string), daemon),
    undo: async (lab) => void (await all(lab.controlPlane.filter((host) => host.isOn()).map((host) => host.restart(daemon)))),
  };
}

function requireControllers({ plan }: Lab): void {
  if ('programs' in plan.kubernetes) return;
  throw new HaleError({
    code: 'lab_fault_needs_kubernetes',
    kind: 'usage',
    message: `lab ${plan.name} has no controllers to strike, because its API servers are stand-ins: ${plan.kubernetes.missing}`,
    remedy: 'get the Kubernetes programs (npm run kubernetes:get) and make the lab anew',
  });
}

/** An identity is the host's name, `_` and a random part (k8s.io/kubernetes, cmd/kube-controller-manager/app/controllermanager.go). */
async function holderOfLease(lab: Lab, lease: string): Promise<string> {
  requireControllers(lab);
  const access = ['--request-timeout=5s', '--namespace=kube-system'];
  const { stdout, stderr } = await kubectl(lab, [...access, 'get', 'lease', lease, '--output=jsonpath={.spec.holderIdentity}']);
  const name = stdout.trim().split('_')[0] as string;
  if (lab.controlPlane.some((host) => host.name === name)) return name;
  throw noLeader(lease, stderr.trim() || `the Lease names ${JSON.stringify(stdout.trim())}`);
}

/** Each member says at its metrics whether it leads. */
async function etcdLeader(lab: Lab): Promise<string> {
  const hosts = lab.controlPlane.filter((host) => host.isOn());
  const leading = await all(hosts.map(isEtcdLeader));
  const leader = hosts[leading.indexOf(true)];
  if (leader !== undefined) return leader.name;
  throw noLeader('etcd', 'no member says that it leads');
}

async function isEtcdLeader(host: LabHost): Promise<boolean> {
  const script = 'fetch(process.argv[1]).then((answer) => answer.text()).then((text) => process.stdout.write(text))';
  const { stdout } = await host.exec([process.execPath, '-e', script, `${ETCD_METRICS}/metrics`]);
  return /^etcd_server_is_leader 1$/m.test(stdout);
}

function noLeader(what: string, reason: string): HaleError {
  return new HaleError({
    code: 'lab_no_leader',
    kind: 'world',
    message: `nobody leads ${what}, so nobody can be struck: ${reason}`,
    remedy: 'wait until one is elected, and try again',
  });
}
