import { hostPort } from '../../../base/address.ts';
import type { Cluster } from '../../cluster/schema.ts';
import type { Step } from '../part.ts';
import { CERTIFICATE_NAME, RKE2_REGISTRATION_PORT } from '../haproxy.ts';
import { STATIC_POD_DIRS } from '../static-pod.ts';
import { holders } from './keepalived.ts';
import { CA_COPY } from './paths.ts';

const INSTALL = [
  '# Debian: /usr/sbin/policy-rc.d that exits with 101 keeps the packages from starting with their sample configuration',
  'apt-get install --yes --no-install-recommends haproxy keepalived curl   # elsewhere: dnf install haproxy keepalived curl',
];
const CHECK_FILES = ['haproxy -c -f /etc/haproxy/haproxy.cfg', 'keepalived --config-test --use-file=/etc/keepalived/keepalived.conf'];
const START = ['systemctl daemon-reload', 'systemctl enable haproxy keepalived && systemctl restart haproxy keepalived'];

/** The address is up before `kubeadm init`, which waits for it: HAProxy needs only the authority's certificate, which is made first. */
export function haproxyKeepalivedSteps(cluster: Cluster): Step[] {
  return cluster.haproxyKeepalived.placement === 'static-pods' ? podSteps(cluster) : packageSteps(cluster);
}

function packageSteps(cluster: Cluster): Step[] {
  const { haproxyKeepalived, distribution } = cluster;
  const onBalancers = haproxyKeepalived.placement === 'balancers';
  const where = onBalancers ? 'each balancer, one after the other' : 'each control-plane host, one after the other';
  const install: Step = {
    moment: 'prepare',
    where,
    text: 'Install HAProxy and keepalived, and copy the files of this host onto it.',
    commands: INSTALL,
  };
  const start: Step = {
    moment: 'prepare',
    where,
    text: 'Have both programs check their files, and start them. Without an API server the address is there and connections to it are closed at once; a time-out means that the address is not.',
    commands: [...CHECK_FILES, ...START, ...look(cluster)],
  };
  // Their authority is made when the first server starts, which does without the address.
  const late = distribution === 'k3s' || distribution === 'rke2';
  if (!late) return [install, ...authoritySteps(cluster), start, proof(cluster)];
  const moment = 'join';
  return [
    install,
    ...authoritySteps(cluster).map((step) => ({ ...step, moment }) as const),
    { ...start, moment, text: `${start.text} Before further servers join: they come by the address.` },
    proof(cluster),
  ];
}

function authoritySteps(cluster: Cluster): Step[] {
  const { distribution, apiserver, kubernetes } = cluster;
  const first = cluster.controlPlane.hosts[0]?.name as string;
  const targets = holders(cluster).map(({ name }) => name);
  const made: Step = {
    moment: 'prepare',
    where: first,
    text: 'Make the authority of the cluster alone; kubeadm init takes the one that it finds.',
    commands: [`kubeadm init phase certs ca --kubernetes-version ${kubernetes.version}`],
  };
  return [
    ...(distribution === 'kubeadm' ? [made] : []),
    {
      moment: 'prepare',
      where: 'where you sit',
      text: "Give HAProxy its copy of the authority's certificate, which is no secret. Whoever renews the authority copies it again and reloads HAProxy.",
      commands: [
        `ssh ${first} cat ${apiserver.caFile} >ca.crt`,
        ...targets.map((name) => `ssh ${name} 'install -D -m 0644 /dev/stdin ${CA_COPY}' <ca.crt`),
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

function podSteps(cluster: Cluster): Step[] {
  const { distribution, controlPlane } = cluster;
  const first = controlPlane.hosts[0]?.name as string;
  const dir = STATIC_POD_DIRS[distribution];
  const later: Step = {
    moment: 'join',
    where: 'each further control-plane host, after it has joined',
    text: `Copy haproxy.yaml and keepalived.yaml into ${dir}: it joins by the address that another host has. ${
      distribution === 'kubeadm' ? 'Were they there before, kubeadm join would stop at DirAvailable--etc-kubernetes-manifests.' : ''
    }`.trim(),
    commands: look(cluster),
  };
  if (distribution !== 'kubeadm') {
    const start: Step = {
      moment: 'join',
      where: first,
      text: `Copy haproxy.yaml and keepalived.yaml into ${dir} once the first server runs; the others join by the address.`,
      commands: look(cluster),
    };
    return [...authoritySteps(cluster).map((step) => ({ ...step, moment: 'join' }) as const), start, later, proof(cluster)];
  }
  const before: Step = {
    moment: 'prepare',
    where: first,
    text: `Copy the files, those in ${dir} too: kubelet starts both Pods in the middle of kubeadm init, so the address is there when init waits for it.`,
    commands: [],
  };
  return [...authoritySteps(cluster), before, later, proof(cluster)];
}
