import { hostPort } from '../../../base/address.ts';
import { apiserverTargets, endpointUrl } from '../../cluster/names.ts';
import type { Cluster } from '../../cluster/schema.ts';
import type { Part, Step } from '../part.ts';
import { authorityFile } from '../authority.ts';
import { RKE2_REGISTRATION_PORT } from '../haproxy.ts';

/** A balancer that is there already: nothing is rendered, but this must be true of it. */
export const externalPart: Part = { steps };

function steps(cluster: Cluster): Step[] {
  const { endpoint, distribution } = cluster;
  const targets = apiserverTargets(cluster).map(({ address, port }) => hostPort(address, port));
  const registration = distribution === 'rke2' ? ` and TCP port ${RKE2_REGISTRATION_PORT} to the same port` : '';
  return [
    {
      moment: 'prepare',
      where: 'the balancer',
      text: [
        `It passes TCP port ${endpoint.port} of ${endpoint.addresses.join(' and ')} to ${targets.join(', ')}${registration}, without ending TLS.`,
        'It asks each for HTTPS GET /readyz, takes 200 alone for ready, and cuts the connections of one that is not. Its idle time-out is 10 minutes or more.',
        'A host reaches itself through it too (no loss of hairpinned connections). It is redundant itself.',
      ].join(' '),
      commands: [],
    },
    {
      moment: 'prepare',
      where: 'each control-plane host',
      text: 'Before the first API server runs a connection is refused or closed; a time-out means that the balancer, its address or a firewall is not ready.',
      commands: [`curl --max-time 5 -ksS ${endpointUrl(cluster)}/ ; echo $?   # 7, 35 or 56, not 28`],
    },
    {
      moment: 'finish',
      where: 'each host',
      text: 'Ask as often as there are API servers, and more: every answer is ok.',
      commands: [
        `for i in $(seq 20); do curl -sS --max-time 5 --cacert ${authorityFile(cluster)} ${endpointUrl(cluster)}/readyz; echo; done`,
      ],
    },
  ];
}
