/** The ways to keep the API of a real control plane at one address, and what each of them does. */
import { healthProfiles } from '../../src/core/balancer/timing.ts';
import type { DrillCourse } from '../../src/core/drill/record.ts';
import type { TimingProfile } from '../../src/core/lease/timing.ts';
import { awaitSteady } from '../../src/lab/drill/agents.ts';
import type { LabHost } from '../../src/lab/host.ts';
import type { Lab, LabOptions } from '../../src/lab/lab.ts';
import { startKeepalived, type VrrpSettings } from '../keepalived.ts';
import { type KubeVip, type LeaseSettings, startKubeVip } from './kube-vip.ts';

/** Agents of a control plane that has just started wait until they have heard everybody and every API server. */
const STEADY_TIMEOUT_MS = 60_000;

export interface Subject {
  name: string;
  /** How the address moves, who answers behind it, and how a dead or sick API server is noticed. */
  does: readonly [string, string, string];
  lab: Pick<LabOptions, 'profile' | 'datapath'>;
  /** By which rule the answers of hosts are judged (core/drill/proof.ts). */
  datapath: DrillCourse['datapath'];
  hale: boolean;
  /** Starts what keeps the address, waits until it serves, and returns the holder. */
  settle(lab: Lab): Promise<LabHost>;
}

/** Without kube-vip's where there is none. */
export function subjects(kubeVip: KubeVip | undefined): Subject[] {
  return [
    haleSubject('default'),
    haleSubject('fast'),
    keepalivedSubject('keepalived defaults + HAProxy', { version: 2, advertInterval: 1 }),
    // At 10 ms no run began in a steady state on two cores that a control plane fills.
    keepalivedSubject('keepalived 100 ms + HAProxy', { version: 3, advertInterval: 0.1 }),
    ...(kubeVip === undefined ? [] : [kubeVipSubject({ duration: 15, renewDeadline: 10, retryPeriod: 2 }, kubeVip)]),
    ...(kubeVip === undefined ? [] : [kubeVipSubject({ duration: 5, renewDeadline: 3, retryPeriod: 1 }, kubeVip)]),
  ];
}

function haleSubject(profile: TimingProfile): Subject {
  const { intervalMs, fall } = healthProfiles[profile];
  return {
    name: `hale ${profile}`,
    does: [
      'a majority of agents, over UDP; no etcd, no API',
      'every ready API server (dsr: it answers the client itself); clients of a dead one are told by a reset',
      `/readyz of each, every ${intervalMs} ms, down after ${fall} failures, or at once when it refuses or says that it goes`,
    ],
    lab: { profile },
    datapath: 'dsr',
    hale: true,
    settle: async (lab) => {
      await lab.startAgents();
      return await awaitSteady(lab, { timeoutMs: STEADY_TIMEOUT_MS });
    },
  };
}

function keepalivedSubject(name: string, vrrp: VrrpSettings): Subject {
  return {
    name,
    does: [
      `VRRPv${vrrp.version}, every ${vrrp.advertInterval * 1000} ms; nobody asks for a majority`,
      'every API server, round robin, over a TCP connection of the HAProxy of the holder',
      '/readyz of each, every 2 s, down after 3 failures; the address itself follows the host alone',
    ],
    lab: { datapath: 'proxy' },
    datapath: 'proxy',
    hale: false,
    settle: (lab) => startKeepalived(lab, vrrp),
  };
}

function kubeVipSubject(lease: LeaseSettings, kubeVip: KubeVip): Subject {
  const { duration, renewDeadline, retryPeriod } = lease;
  return {
    name: `kube-vip ${duration}/${renewDeadline}/${retryPeriod} s`,
    does: [
      "a Lease of the API, renewed at the holder's own API server",
      "the API server of the holder's host alone",
      'none; a holder whose API server takes no renewals gives the address up',
    ],
    lab: { datapath: 'auto' },
    datapath: 'proxy',
    hale: false,
    settle: (lab) => startKubeVip(lab, { ...kubeVip, lease }),
  };
}
