import { hostPort } from '../../../base/address.ts';
import type { Cluster } from '../../cluster/schema.ts';
import type { Step } from '../part.ts';
import { CERTIFICATE_NAME, RKE2_REGISTRATION_PORT } from '../haproxy.ts';
import { authorityFile } from '../authority.ts';
import { KUBEADM_CONFIG, STATIC_POD_DIR } from '../paths.ts';
import { holders } from './keepalived.ts';
import { CA_COPY, HAPROXY_DIR } from './paths.ts';

/** The configuration is there already, and the package asks whether it may have its own instead. */
const INSTALL = [
  'apt-get install --yes --no-install-recommends -o Dpkg::Options::=--force-confold haproxy keepalived curl   # elsewhere: dnf install haproxy keepalived curl',
];
const CHECK_FILES = ['haproxy -c -f /etc/haproxy/haproxy.cfg', 'keepalived --config-test --use-file=/etc/keepalived/keepalived.conf'];
const START = ['systemctl daemon-reload', 'systemctl enable haproxy keepalived && systemctl restart haproxy keepalived'];

/** The address is up before `kubeadm init`, which waits for it: HAProxy needs only the authority's certificate, which is made first. */
export function haproxyKeepalivedSteps(cluster: Cluster): Step[] {
  return cluster.haproxyKeepalived.placement === 'static-pods' ? podSteps(cluster) : packageSteps(cluster);
}

function packageSteps(cluster: Cluster): Step[] {
  const { haproxyKeepalived } = cluster;
  const onBalancers = haproxyKeepalived.placement === 'balancers';
  const where = onBalancers ? 'each balancer, one after the other' : 'each control-plane host, one after the other';
  const install: Step = {
    moment: 'prepare',
    where,
    text: 'Install HAProxy and keepalived. Without the certificate of the next step HAProxy does not start yet, which is right.',
    commands: INSTALL,
  };
  const start: Step = {
    moment: 'prepare',
    where,
    text: 'Have both programs check their files, and start them. Without an API server the address is there and connections to it are closed at once; a time-out means that the address is not.',
    commands: [...CHECK_FILES, ...START, ...look(cluster)],
  };
  if (!isLate(cluster)) return [install, ...authoritySteps(cluster), start, proof(cluster)];
  const moment = 'join';
  return [
    install,
    ...authoritySteps(cluster).map((step) => ({ ...step, moment }) as const),
    { ...start, moment, text: `${start.text} Before further servers join: they come by the address.` },
    proof(cluster),
  ];
}

/** k3s and RKE2 make their authority when the first server starts, which does without the address. */
function isLate({ distribution }: Cluster): boolean {
  return distribution === 'k3s' || distribution === 'rke2';
}

function authoritySteps(cluster: Cluster): Step[] {
  const { distribution } = cluster;
  const first = cluster.controlPlane.hosts[0]?.name as string;
  const targets = holders(cluster).map(({ name }) => name);
  const made: Step = {
    moment: 'prepare',
    where: first,
    text: 'With kubeadm installed, make the authority of the cluster alone, so that HAProxy can start before the cluster does; kubeadm init takes the one that it finds.',
    commands: [`kubeadm init phase certs ca --config ${KUBEADM_CONFIG}`],
  };
  return [
    ...(distribution === 'kubeadm' ? [made] : []),
    {
      moment: 'prepare',
      where: 'where these files are',
      text: "Give HAProxy its copy of the authority's certificate, which is no secret. Whoever renews the authority copies it again and reloads HAProxy.",
      commands: [
        `ssh root@${first} cat ${authorityFile(cluster)} >ca.crt`,
        ...targets.map((name) => `ssh root@${name} 'umask 022; mkdir -p ${HAPROXY_DIR} && cat >${CA_COPY}' <ca.crt`),
      ],
    },
  ];
}

/** Which host has the address, and that it refuses rather than swallows. */
function look({ endpoint }: Cluster): string[] {
  return [
    ...endpoint.addresses.map((address) => `ip address show to ${address}   # on exactly one host`),
    `curl --max-time 5 -ksS https://${hostPort(endpoint.addresses[0] as string, endpoint.port)}/ ; echo $?   # 35 or 56: connected and closed; 28: nobody has the address`,
  ];
}

function proof(cluster: Cluster): Step {
  const { endpoint, haproxyKeepalived, distribution } = cluster;
  const address = endpoint.addresses[0] as string;
  const shown = address.includes(':') ? `[${address}]` : address;
  const stopHaproxy =
    haproxyKeepalived.placement === 'static-pods' ? 'crictl stop $(crictl ps --name haproxy -q)' : 'systemctl stop haproxy';
  return {
    moment: 'finish',
    where: 'the host with the address',
    text: `See the API answer there with the right certificate, then the address move: while HAProxy is stopped here, another host takes it.${
      distribution === 'rke2' && haproxyKeepalived.placement !== 'balancers'
        ? ` Port ${RKE2_REGISTRATION_PORT} at the address is that of the server on the host that has it.`
        : ''
    }`,
    commands: [
      `curl -fsS --cacert ${CA_COPY} --resolve "${CERTIFICATE_NAME}:${endpoint.port}:${shown}" https://${CERTIFICATE_NAME}:${endpoint.port}/readyz`,
      `curl -s http://127.0.0.1:${haproxyKeepalived.healthPort}/healthz`,
      `${stopHaproxy} && sleep 10 && ip address show to ${address}   # empty`,
      ...(haproxyKeepalived.placement === 'static-pods' ? [] : ['systemctl start haproxy']),
    ],
  };
}

/** kubelet runs the Pods as soon as it runs, so their files and the authority are there before. */
function podSteps(cluster: Cluster): Step[] {
  const moment = isLate(cluster) ? 'join' : 'prepare';
  const first = cluster.controlPlane.hosts[0]?.name as string;
  const started: Step = {
    moment: isLate(cluster) ? 'join' : 'first',
    where: first,
    text: isLate(cluster)
      ? 'See that the address is there: the others join by it.'
      : `kubelet starts both Pods from ${STATIC_POD_DIR} in the middle of kubeadm init, so the address is there when init waits for it; on the other hosts while they join. To look meanwhile, from another shell:`,
    commands: look(cluster),
  };
  return [...authoritySteps(cluster).map((step) => ({ ...step, moment }) as const), started, proof(cluster)];
}
