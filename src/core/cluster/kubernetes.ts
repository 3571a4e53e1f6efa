import * as z from 'zod';
import { dnsName, filePath, kubernetesVersion, listOf, oneOrTwo, subnet, wholeNumber, zoneName } from './values.ts';

/* What cluster.yaml says of Kubernetes itself. */

const SUBNETS = 'a subnet such as 10.96.0.0/16, or a list of one IPv4 and one IPv6 subnet';

export const kubernetes = z
  .strictObject({
    version: kubernetesVersion
      .default('v1.36.4')
      .describe('Release that runs on the control-plane hosts; flags and file formats follow it.'),
    serviceSubnet: oneOrTwo(subnet, SUBNETS)
      .prefault('10.96.0.0/16')
      .describe(
        "Subnet of the Services. Its first address is that of the Service `kubernetes`, and stands in the API servers' certificates.",
      ),
    podSubnet: oneOrTwo(subnet, SUBNETS).prefault('10.244.0.0/16').describe('Subnet of the Pods, of which each node gets a part.'),
    dnsDomain: dnsName('cluster.local').default('cluster.local').describe('DNS domain of the Services.'),
    kubeProxy: z
      .enum(['iptables', 'ipvs', 'nftables', 'none'])
      .default('iptables')
      .describe(
        'How kube-proxy carries connections to Services; `none` where the CNI plugin does. `nftables` needs Kubernetes 1.33 and Linux 5.13; `ipvs` is deprecated since 1.35.',
      ),
    cni: z.enum(['none', 'flannel', 'calico', 'cilium']).default('none').describe('CNI plugin that `hale render` writes values for.'),
    cgroupDriver: z
      .enum(['systemd', 'cgroupfs'])
      .default('systemd')
      .describe('Who manages the cgroups of containers: for kubelet the same as for the container runtime.'),
    criSocket: z
      .string('the socket of the container runtime such as unix:///run/containerd/containerd.sock')
      .regex(/^unix:\/\/\/[!-~]+$/, 'the socket of the container runtime such as unix:///run/containerd/containerd.sock')
      .default('unix:///run/containerd/containerd.sock')
      .describe("The container runtime's socket, with `distribution: kubeadm`."),
    binDir: filePath('/usr/local/bin')
      .default('/usr/local/bin')
      .describe('Folder of the programs with `distribution: systemd`: Kubernetes, etcd, hale.'),
    kubeconfig: filePath('/etc/kubernetes/admin.conf')
      .default('/etc/kubernetes/admin.conf')
      .describe(
        'Credentials for the API, on each control-plane host: `hale status` reads who leads the controllers with it, and `election: kubernetes` writes its Lease.',
      ),
  })
  .prefault({})
  .transform(({ serviceSubnet, podSubnet, ...rest }) => ({ ...rest, serviceSubnets: listOf(serviceSubnet), podSubnets: listOf(podSubnet) }))
  .describe('Kubernetes itself.');

const text = (expects: string) => z.string(expects).regex(/^[!-~][ -~]{0,252}$/, expects);

export const storageClasses = z
  .array(
    z.strictObject({
      name: dnsName('zonal-ssd').describe('Name of the StorageClass.'),
      provisioner: text('the name of a CSI driver such as pd.csi.storage.gke.io').describe('CSI driver that makes the volumes.'),
      zoneKey: text('a label of nodes such as topology.kubernetes.io/zone')
        .default('topology.kubernetes.io/zone')
        .describe('Label of nodes by which the driver tells zones apart, for example `topology.gke.io/zone`.'),
      zones: z.array(zoneName, 'a list of zones').prefault([]).describe('Zones that volumes may be in; all when empty.'),
      parameters: z
        .array(
          z.strictObject({
            name: text('a name such as type').describe('Name of the parameter.'),
            value: text('a value such as pd-balanced').describe('Its value.'),
          }),
          'a list of parameters, each with a name and a value',
        )
        .prefault([])
        .describe("The driver's own parameters."),
      default: z.boolean().default(false).describe('Whether claims that name no class get this one.'),
    }),
    'a list of storage classes, each with a name and a provisioner',
  )
  .prefault([])
  .describe('StorageClasses whose volumes are made in the zone of the Pod that needs them.');

const seconds = (from: number, to: number) => wholeNumber({ from, to, of: 'seconds' });

/** The timings of client-go's leader election, and its defaults (client-go, tools/leaderelection). */
export const lease = z
  .strictObject({
    namespace: dnsName('kube-system').default('kube-system').describe('Namespace of the Lease, with `election: kubernetes`.'),
    name: dnsName('hale').default('hale').describe('Name of the Lease, or of the key in etcd. kube-vip calls its Lease plndr-cp-lock.'),
    durationSeconds: seconds(2, 3600)
      .default(15)
      .describe('How long candidates wait since they last saw the record change before they take it over.'),
    renewDeadlineSeconds: seconds(1, 3600)
      .default(10)
      .describe('After so long without a successful renewal the holder gives up the address. Less than `durationSeconds`.'),
    retryPeriodSeconds: seconds(1, 600).default(2).describe('Time between two attempts. Less than `renewDeadlineSeconds` divided by 1.2.'),
  })
  .prefault({})
  .describe('The record with `election: kubernetes` or `election: etcd`. `election: quorum` has none.');

export const thresholds = z
  .strictObject({
    requestRateSpreadPercent: wholeNumber({ from: 1, to: 100, of: 'percent' })
      .default(15)
      .describe("How far an API server's request rate may be from the mean of all."),
    requestP99Ms: wholeNumber({ from: 1, to: 60_000, of: 'milliseconds' })
      .default(800)
      .describe("Longest 99th percentile of a verb's requests, without WATCH and CONNECT."),
    etcdRequestP99Ms: wholeNumber({ from: 1, to: 60_000, of: 'milliseconds' })
      .default(100)
      .describe("Longest 99th percentile of an API server's requests to etcd."),
    memoryPercent: wholeNumber({ from: 1, to: 100, of: 'percent' })
      .default(70)
      .describe("Largest part of its host's memory that an API server may use."),
    inFlightPercent: wholeNumber({ from: 1, to: 100, of: 'percent' })
      .default(80)
      .describe('Largest part of its seats for requests that an API server may have taken (API Priority and Fairness).'),
    certificateDays: wholeNumber({ from: 1, to: 3650, of: 'days' }).default(30).describe('A certificate that ends sooner is a finding.'),
  })
  .prefault({})
  .describe('What `hale status --deep` calls too much.');
