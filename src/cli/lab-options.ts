import { InvalidArgumentError, Option } from 'commander';
import { HaleError } from '../base/error.ts';
import { DEFAULT_DATAPATH } from '../lab/lab.ts';
import { STAND_IN } from '../lab/kubernetes/programs.ts';
import { NODES_MAX, ZONES_DEFAULT } from '../lab/nodes/plan.ts';
import { LAB_DATAPATHS, type LabSettings } from '../lab/plan.ts';
import { LAB_BFD_MS, routedSettings } from '../lab/router.ts';
import { canRunLab, ensurePrivileges } from '../lab/privileges.ts';
import { wholeNumber } from './whole-number.ts';

export const DEFAULT_LAB = 'demo';

export function nameOption(): Option {
  return new Option('--name <name>', 'name of the lab').default(DEFAULT_LAB);
}

export function hostsOption(): Option {
  return new Option('--hosts <n>', 'control-plane hosts').choices(['3', '5', '7']).default('3');
}

export function familiesOption(): Option {
  return new Option('--ip <families>', 'IPv4, IPv6 or both').choices(['4', '6', '46']).default('4');
}

export function profileOption(): Option {
  return new Option('--profile <profile>', 'timing profile of the agents').choices(['fast', 'default', 'calm']).default('default');
}

export function datapathOption(): Option {
  return new Option('--datapath <datapath>', 'how connections to the address reach an API server')
    .choices(LAB_DATAPATHS)
    .default(DEFAULT_DATAPATH);
}

/** For a lab that exists and has one. */
export function otherDatapathOption(): Option {
  return new Option('--datapath <datapath>', 'give the lab another datapath first').choices(LAB_DATAPATHS);
}

export function electionOption(): Option {
  return new Option('--election <election>', 'who decides which host has the address: a majority of agents, or VRRP')
    .choices(['quorum', 'vrrp'])
    .default('quorum');
}

export function advertiseOption(): Option {
  return new Option(
    '--advertise <how>',
    'how clients find the address: by ARP, or by routes of every host to BIRD (bird2), which then runs on the host of the client',
  )
    .choices(['arp', 'bgp'])
    .default('arp');
}

/** Throws HaleError `lab_routes_ipv4`. */
export function labSettings({ election, advertise, ip }: { election?: string; advertise?: string; ip?: string }): LabSettings | undefined {
  if (advertise === 'bgp' && (ip ?? '4') !== '4') {
    throw new HaleError({
      code: 'lab_routes_ipv4',
      kind: 'usage',
      message: `--advertise bgp makes a lab with IPv4 alone, not with --ip ${ip}`,
      remedy: 'leave --ip out',
    });
  }
  if (advertise === 'bgp') return routedSettings({ bfdMs: LAB_BFD_MS });
  return election === 'vrrp' ? { election } : undefined;
}

export function kubernetesOption(): Option {
  return new Option(
    '--kubernetes <dir>',
    `folder with the Kubernetes programs, or ${STAND_IN} for small servers in place of kube-apiserver; without it PATH and the cache of \`npm run kubernetes:get\` are searched, then a stand-in serves`,
  );
}

export function etcdOption(): Option {
  return new Option('--etcd <dir>', 'folder with the program etcd, 3.4 to 3.7, such as `npm run etcd:get` makes; without it that on PATH');
}

export function nodesOption(): Option {
  return new Option(
    '--nodes <n>',
    `worker nodes, 0 to ${NODES_MAX}, whose kubelets kwok stands in for (\`npm run kubernetes:get -- kwok\`); with any of them the control-plane hosts are nodes too`,
  )
    .argParser(wholeNumber)
    .default(0);
}

export function zonesOption(): Option {
  return new Option('--zones <n>', 'zones over which the worker nodes are spread').argParser(wholeNumber).default(ZONES_DEFAULT);
}

export function seconds(text: string): number {
  if (!/^\d{1,4}$/.test(text) || Number(text) === 0) throw new InvalidArgumentError('expected a whole number of seconds.');
  return Number(text);
}

/** Refuses, in one sentence, where a lab cannot run; as an ordinary user goes on inside a user namespace. */
export async function requireLab(lab?: string): Promise<void> {
  ensurePrivileges(lab === undefined ? {} : { lab });
  const capability = await canRunLab();
  if (!capability.ok) throw new HaleError({ code: 'lab_impossible', kind: 'world', message: capability.reason });
}
