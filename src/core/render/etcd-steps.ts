import type { Cluster } from '../cluster/schema.ts';
import type { Step } from './part.ts';
import { PKI_DIR } from './paths.ts';

/** Nobody makes these but whoever runs external etcd. `file` names them. */
export function externalEtcdSteps({ etcd }: Cluster, file: string): Step[] {
  if (etcd.topology === 'stacked') return [];
  return [
    {
      moment: 'prepare',
      where: 'each control-plane host',
      text: `External etcd: put its authority and a client certificate that it accepts where ${file} says.`,
      commands: [`ls -l ${etcd.caFile} ${PKI_DIR}/apiserver-etcd-client.crt ${PKI_DIR}/apiserver-etcd-client.key`],
    },
  ];
}

/** Why control-plane hosts join one after the other: the end of a sentence. */
export function untilThird({ etcd }: Cluster): string {
  return etcd.topology === 'external' ? '' : ': between the first and the third member etcd has no majority to lose';
}
