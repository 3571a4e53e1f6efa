import * as z from 'zod';
import { hostList } from './hosts.ts';
import { image, interfaceName, ipAddress, wholeNumber } from './values.ts';
import { virtualRouterNumber } from './vrrp.ts';

/* Who answers for the address of the endpoint when it is not hale: `hale render` writes their files. */

export const PROVIDERS = ['hale', 'haproxy-keepalived', 'kube-vip', 'node-local', 'external'] as const;

export const haproxyKeepalived = z
  .strictObject({
    placement: z
      .enum(['packages', 'static-pods', 'balancers'])
      .default('packages')
      .describe(
        'Where HAProxy and keepalived run: `packages` of the Linux distribution on the control-plane hosts, `static-pods` on the control-plane hosts, or packages on `balancers`, two hosts of their own.',
      ),
    balancers: hostList({ max: 9, expects: 'a list of hosts, each with a name and an address' })
      .prefault([])
      .describe('The hosts of `placement: balancers`, at least two.'),
    virtualRouterId: virtualRouterNumber,
    advertisementIntervalMs: wholeNumber({ from: 100, to: 40_000, of: 'milliseconds' })
      .default(500)
      .describe(
        'Time between two advertisements of VRRP version 3, in steps of 10 ms; the address moves 3 to 4 of them after its holder fell silent.',
      ),
    healthPort: wholeNumber({ from: 1, to: 65_535, of: 'a TCP port' })
      .default(8404)
      .describe("TCP port on 127.0.0.1 of HAProxy's own health and its metrics."),
    haproxyImage: image('docker.io/library/haproxy:3.2.26')
      .default('docker.io/library/haproxy:3.2')
      .describe('Image of HAProxy, with `placement: static-pods`.'),
    keepalivedImage: image('docker.io/osixia/keepalived:2.3.4')
      .default('docker.io/osixia/keepalived:2.3.4')
      .describe('Image of keepalived, with `placement: static-pods`.'),
  })
  .prefault({})
  .describe('HAProxy and keepalived, with `endpoint.provider: haproxy-keepalived`.');

const seconds = (from: number, to: number) => wholeNumber({ from, to, of: 'seconds' });
export const asNumber = wholeNumber({ from: 1, to: 4_294_967_295, of: 'an autonomous system' });

const bgp = z
  .strictObject({
    localAs: asNumber.default(65_000).describe("Number of the cluster's autonomous system."),
    peers: z
      .array(
        z.strictObject({
          address: ipAddress.describe('Address of the router.'),
          as: asNumber.describe("Number of the router's autonomous system."),
          multihop: z.boolean().default(false).describe('Whether the router is more than one hop away.'),
        }),
        'a list of routers, each with an address and an autonomous system',
      )
      .prefault([])
      .describe('The routers that each control-plane host talks to, at least one.'),
  })
  .prefault({})
  .describe('BGP, with `kubeVip.mode: bgp`.');

export const kubeVip = z
  .strictObject({
    mode: z
      .enum(['arp', 'bgp'])
      .default('arp')
      .describe('How the address is announced: `arp` by one leader in one subnet, `bgp` by every control-plane host to routers.'),
    runAs: z
      .enum(['static-pod', 'daemonset'])
      .default('static-pod')
      .describe(
        'How it is run. kubeadm needs the address before there is an API, so a `static-pod`; k3s and RKE2 take a `daemonset` as well.',
      ),
    image: image('ghcr.io/kube-vip/kube-vip:v1.2.3').default('ghcr.io/kube-vip/kube-vip:v1.2.3').describe('Image of kube-vip.'),
    leaseDurationSeconds: seconds(2, 3600).default(15).describe('How long candidates wait since they last saw the Lease change.'),
    renewDeadlineSeconds: seconds(1, 3600).default(10).describe('After so long without a renewal the leader gives up the address.'),
    retryPeriodSeconds: seconds(1, 600).default(2).describe('Time between two attempts.'),
    bgp,
  })
  .prefault({})
  .describe('kube-vip, with `endpoint.provider: kube-vip`.');

export const nodeLocal = z
  .strictObject({
    balancer: z
      .enum(['hale', 'lvscare', 'nginx', 'haproxy'])
      .default('hale')
      .describe(
        "What carries a node's own connections to the API servers: `hale` in the kernel at connect(), `lvscare` by IPVS, `nginx` or `haproxy` as a proxy on 127.0.0.1.",
      ),
    image: image('docker.io/library/nginx:1.28')
      .exactOptional()
      .describe('Image of the balancer. Without it, one of a release that its project maintains.'),
    lvscareInterface: interfaceName.default('lvscare').describe('Dummy interface that holds the address with `balancer: lvscare`.'),
  })
  .prefault({})
  .describe('A balancer on every node, with `endpoint.provider: node-local`. The address of the endpoint then exists on no wire.');
