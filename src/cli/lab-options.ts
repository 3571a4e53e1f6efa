import { InvalidArgumentError, Option } from 'commander';
import { HaleError } from '../base/error.ts';
import { DEFAULT_DATAPATH } from '../lab/lab.ts';
import { STAND_IN } from '../lab/kubernetes/programs.ts';
import { NODES_MAX, ZONES_DEFAULT } from '../lab/nodes/plan.ts';
import { LAB_DATAPATHS } from '../lab/plan.ts';
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
