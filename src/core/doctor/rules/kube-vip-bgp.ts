import { flagNamed, hostOf, isOn, isOpen, valueAtFlag, variableNamed } from '../look/flags.ts';
import type { Facts } from '../facts.ts';
import type { Program } from '../read/program.ts';
import type { Rule } from '../rule.ts';
import { kubeVip, kubeVipDaemonSet } from './examples.ts';
import { kubeVips, settingOf } from './kube-vip.ts';

/* kube-vip with BGP: every control-plane node announces the address to routers. */

function speakers(facts: Facts): Program[] {
  return kubeVips(facts).filter((program) => isOn(settingOf(program, 'bgp_enable')));
}

const BGP = { vip_arp: 'false', vip_leaderelection: undefined, bgp_enable: 'true', bgp_as: '65000', bgp_peers: '10.0.0.254:65001::false' };
const HEALTHY = { ...BGP, control_plane_health_check_address: 'https://127.0.0.1:6443/readyz' };
const TOLERATED = '  tolerations: [{operator: Exists}]\n';

export const kubeVipBgpRules: readonly Rule[] = [
  {
    id: 'kube-vip-bgp-peers',
    severity: 'error',
    title: 'kube-vip is to speak BGP, and knows no router',
    why: 'It announces the address to nobody.',
    fix: 'Set bgp_peers to address:AS:password:multihop of each router.',
    sources: ['kube-vip.io/docs/installation/flags'],
    examples: {
      bad: [{ 'kube-vip.yaml': kubeVip({ env: { ...HEALTHY, bgp_peers: undefined } }) }],
      good: [{ 'kube-vip.yaml': kubeVip({ env: HEALTHY }) }],
    },
    *check(facts) {
      for (const program of speakers(facts)) {
        const peers =
          ['bgp_peers', 'bgp_peeraddress'].some((name) => (settingOf(program, name)?.value ?? '') !== '') ||
          variableNamed(program, 'zebra_enable') !== undefined;
        if (!peers && program.complete && !flagNamed(program, 'annotations') && !variableNamed(program, 'annotation'))
          yield {
            at: settingOf(program, 'bgp_enable')?.span ?? program.at,
            message: 'bgp_enable is on, and there is neither bgp_peers nor bgp_peeraddress',
          };
      }
    },
  },
  {
    id: 'kube-vip-bgp-health',
    severity: 'error',
    title: 'a node announces the address though its API server is dead',
    why: 'Every control-plane node announces, and routers spread connections over all of them. Those that reach a node without a working API server fail, for as long as it is up.',
    fix: 'Set control_plane_health_check_address to https://127.0.0.1:6443/readyz and …_ca_path to the CA (kube-vip 1.x), so that the route goes away with the API server.',
    sources: ['kube-vip.io/docs/installation/flags', 'kube-vip #1145'],
    examples: {
      bad: [{ 'kube-vip.yaml': kubeVip({ env: BGP }) }],
      good: [{ 'kube-vip.yaml': kubeVip({ env: HEALTHY }) }, { 'kube-vip.yaml': kubeVip({ env: { ...BGP, vip_leaderelection: 'true' } }) }],
    },
    *check(facts) {
      for (const program of speakers(facts)) {
        const isElected = isOn(settingOf(program, 'vip_leaderelection'));
        if (isOn(settingOf(program, 'cp_enable')) && !isElected && settingOf(program, 'control_plane_health_check_address') === undefined)
          yield {
            at: settingOf(program, 'bgp_enable')?.span ?? program.at,
            message: 'the address is announced without a check of the API server',
          };
      }
    },
  },
  {
    id: 'kube-vip-bgp-router-id',
    severity: 'error',
    title: 'several nodes have one BGP router id',
    why: 'A router takes two peers of the same id for one, or refuses the second: the address is announced by one node only, or comes and goes.',
    fix: 'Let each node have its own: bgp_routerid from its address, in a DaemonSet by valueFrom: {fieldRef: {fieldPath: status.podIP}}.',
    sources: ['RFC 4271 section 4.2', 'RFC 6286'],
    examples: {
      bad: [
        {
          'cp1/kube-vip.yaml': kubeVip({ env: { ...HEALTHY, bgp_routerid: '10.0.0.1' } }),
          'cp2/kube-vip.yaml': kubeVip({ env: { ...HEALTHY, bgp_routerid: '10.0.0.1' } }),
        },
        { 'kube-vip.yaml': kubeVipDaemonSet({ more: TOLERATED, env: { ...HEALTHY, bgp_routerid: '10.0.0.1' } }) },
      ],
      good: [
        {
          'cp1/kube-vip.yaml': kubeVip({ env: { ...HEALTHY, bgp_routerid: '10.0.0.1' } }),
          'cp2/kube-vip.yaml': kubeVip({ env: { ...HEALTHY, bgp_routerid: '10.0.0.2' } }),
        },
      ],
    },
    *check(facts) {
      const seen = new Map<string, string>();
      for (const program of speakers(facts)) {
        const id = settingOf(program, 'bgp_routerid');
        if (id?.value === undefined || isOpen(id.value)) continue;
        const other = seen.get(id.value);
        seen.set(id.value, hostOf(program));
        if (program.document?.kind === 'DaemonSet')
          yield { at: valueAtFlag(id), message: `every node of the DaemonSet has bgp_routerid ${id.value}` };
        else if (other !== undefined && other !== hostOf(program))
          yield { at: valueAtFlag(id), message: `bgp_routerid is ${id.value}, as on ${other}` };
      }
    },
  },
  {
    id: 'kube-vip-bgp-and-arp',
    severity: 'error',
    title: 'kube-vip announces the address by BGP and by ARP',
    why: 'The node that holds the address by ARP and the routers that spread it by BGP send the same client to different hosts.',
    fix: 'Set one of vip_arp and bgp_enable to "false".',
    sources: ['kube-vip.io/docs/about/architecture'],
    examples: {
      bad: [{ 'kube-vip.yaml': kubeVip({ env: { ...HEALTHY, vip_arp: 'true' } }) }],
      good: [{ 'kube-vip.yaml': kubeVip({ env: HEALTHY }) }],
    },
    *check(facts) {
      for (const program of speakers(facts)) {
        const arp = settingOf(program, 'vip_arp');
        if (arp !== undefined && isOn(arp)) yield { at: arp.span, message: 'vip_arp and bgp_enable are both on' };
      }
    },
  },
];
