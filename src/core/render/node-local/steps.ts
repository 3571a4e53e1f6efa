import { hostPort } from '../../../base/address.ts';
import { endpointUrl } from '../../cluster/names.ts';
import type { Cluster } from '../../cluster/schema.ts';
import type { Step } from '../part.ts';
import { authorityFile } from '../authority.ts';
import { agentSteps } from '../hale/part.ts';
import { lvscareArguments } from './lvscare.ts';
import { HOSTS, HOSTS_JOIN, useHosts } from './names.ts';

export function nodeLocalSteps(cluster: Cluster): Step[] {
  return cluster.nodeLocal.balancer === 'hale'
    ? [...agentSteps(cluster), haleOnWorkers(cluster)]
    : [...controlPlaneSteps(cluster), ...workerSteps(cluster)];
}

function haleOnWorkers({ kubernetes }: Cluster): Step {
  return {
    moment: 'workers',
    where: 'each worker, before it joins',
    text: `Install hale as ${kubernetes.binDir}/hale and start its agent: from then on the node's own connections to the address go to a ready API server, those of kubeadm join too. It needs no kubelet.`,
    commands: ['systemctl daemon-reload', 'systemctl enable --now hale-agent', 'hale status'],
  };
}

function controlPlaneSteps(cluster: Cluster): Step[] {
  const [first] = cluster.controlPlane.hosts;
  const name = cluster.endpoint.dnsName as string;
  return [
    {
      moment: 'prepare',
      where: first?.name as string,
      text: `Let ${name} stand for this host's own API server. /etc/hosts is not replaced: only the lines between hale's marks are.`,
      commands: [useHosts(HOSTS), `getent ahosts ${name}`],
    },
    {
      moment: 'join',
      where: 'each further control-plane host, before it joins',
      text: `It has no API server yet: let ${name} stand for the first host, ${first?.name}.`,
      commands: [useHosts(HOSTS_JOIN), `getent ahosts ${name}`],
    },
    {
      moment: 'finish',
      where: 'each further control-plane host',
      text: 'Its own API server is ready now: let the name stand for that, or the host depends on the first one for ever.',
      commands: [useHosts(HOSTS), ask(cluster)],
    },
  ];
}

function workerSteps(cluster: Cluster): Step[] {
  const after: Step = {
    moment: 'finish',
    where: 'each worker, after it has joined',
    text: 'kubelet runs the balancer now, also after a reboot and without an API. Only when it answers, let the name stand for it.',
    commands: [...(cluster.nodeLocal.balancer === 'lvscare' ? [] : [waitFor(cluster), useHosts(HOSTS)]), ask(cluster)],
  };
  return [cluster.nodeLocal.balancer === 'lvscare' ? lvscareBefore(cluster) : proxyBefore(cluster), after];
}

/** kubelet waits for an API that only a balancer would bring which kubelet is to start. */
function proxyBefore(cluster: Cluster): Step {
  return {
    moment: 'workers',
    where: 'each worker, before it joins',
    text: `The balancer is a Pod, which kubelet runs only after it has joined. Until then let ${cluster.endpoint.dnsName} stand for ${cluster.controlPlane.hosts[0]?.name}.`,
    commands: [useHosts(HOSTS_JOIN), `getent ahosts ${cluster.endpoint.dnsName}`],
  };
}

function lvscareBefore(cluster: Cluster): Step {
  const words = [...lvscareArguments(cluster, cluster.endpoint.addresses[0] as string), '--run-once'];
  return {
    moment: 'workers',
    where: 'each worker, before it joins',
    text: 'The Pod that keeps the rules is run by kubelet, which needs them to join: set them once by hand (lvscare from its image, as /usr/local/bin/lvscare). They last until the next boot; by then kubelet starts the Pod by itself.',
    commands: ['modprobe -a ip_vs ip_vs_rr nf_conntrack', `lvscare ${words.join(' ')}`, useHosts(HOSTS), 'ipvsadm -Ln'],
  };
}

function waitFor(cluster: Cluster): string {
  const { endpoint } = cluster;
  const loopback = (endpoint.addresses[0] as string).includes(':') ? '[::1]' : '127.0.0.1';
  return `until curl -fsS --max-time 3 --cacert ${authorityFile(cluster)} --resolve "${endpoint.dnsName}:${endpoint.port}:${loopback}" https://${hostPort(endpoint.dnsName as string, endpoint.port)}/readyz; do sleep 2; done`;
}

function ask(cluster: Cluster): string {
  return `curl -fsS --cacert ${authorityFile(cluster)} ${endpointUrl(cluster)}/readyz`;
}
