/** Where k3s and RKE2, which share most of their configuration, differ. */
import type { Cluster } from '../../cluster/schema.ts';
import { RKE2_REGISTRATION_PORT } from '../haproxy.ts';

export interface Flavour {
  name: 'k3s' | 'rke2';
  /** Of its configuration. */
  folder: string;
  dataDir: string;
  /** TCP port at which servers and agents join. */
  joinPort(cluster: Cluster): number;
  units: { server: string; agent: string };
  kubeconfig: string;
}

export const K3S: Flavour = {
  name: 'k3s',
  folder: '/etc/rancher/k3s',
  dataDir: '/var/lib/rancher/k3s',
  joinPort: ({ endpoint }) => endpoint.port,
  units: { server: 'k3s', agent: 'k3s-agent' },
  kubeconfig: '/etc/rancher/k3s/k3s.yaml',
};

export const RKE2: Flavour = {
  name: 'rke2',
  folder: '/etc/rancher/rke2',
  dataDir: '/var/lib/rancher/rke2',
  // Beside the API's.
  joinPort: () => RKE2_REGISTRATION_PORT,
  units: { server: 'rke2-server', agent: 'rke2-agent' },
  kubeconfig: '/etc/rancher/rke2/rke2.yaml',
};
