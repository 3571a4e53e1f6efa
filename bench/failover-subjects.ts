/** hale's quorum lease and keepalived, whose holder dies or is drained. */
import { awaitSteady } from '../src/lab/drill/agents.ts';
import type { Subject, Suite } from './failover.ts';
import { startKeepalived, type VrrpSettings } from './keepalived.ts';
import { type RenderedSettings, startRendered } from './rendered-keepalived.ts';

const STEADY_TIMEOUT_MS = 30_000;

export const FAILOVER: Suite = {
  title: 'Failover',
  subjects: [
    haleSubject({ name: 'hale default, crash', wanted: '<= 330', fault: 'crash', profile: 'default' }),
    haleSubject({ name: 'hale fast, crash', wanted: '<= 150', fault: 'crash', profile: 'fast' }),
    haleSubject({ name: 'hale default, drain', wanted: '<= 20, none failed', fault: 'drain', profile: 'default' }),
    keepalivedSubject('keepalived defaults (VRRPv2, 1 s), crash', { version: 2, advertInterval: 1 }),
    keepalivedSubject('keepalived VRRPv3 100 ms, crash', { version: 3, advertInterval: 0.1 }),
    keepalivedSubject('keepalived VRRPv3 10 ms, crash', { version: 3, advertInterval: 0.01 }),
    renderedSubject('keepalived as hale renders it (500 ms), crash', {}),
    renderedSubject('keepalived as hale renders it with 100 ms, crash', { advertisementIntervalMs: 100 }),
  ],
  method: [
    'Drain: the agent of the holder is asked to hand over.',
    'hale: `datapath: auto`, which is `dsr` here. keepalived: Debian package with VRRP only, state BACKUP and nopreempt everywhere, priorities 150, 140 and 130; in front of the API servers HAProxy in TCP mode as in the documentation of kubeadm, with its default checks (every 2 s, down after 3 failures).',
    'keepalived as hale renders it: both from the files of `hale render` with `endpoint.provider: haproxy-keepalived`, started as their units start them.',
  ],
};

function haleSubject(subject: Pick<Subject, 'name' | 'wanted' | 'fault'> & { profile: string }): Subject {
  const { profile, ...rest } = subject;
  return { ...rest, lab: { profile }, settle: (lab) => awaitSteady(lab, { timeoutMs: STEADY_TIMEOUT_MS }) };
}

function keepalivedSubject(name: string, vrrp: VrrpSettings): Subject {
  return {
    name,
    wanted: '',
    fault: 'crash',
    lab: { services: ['etcd', 'apiserver'], datapath: 'proxy' },
    settle: (lab) => startKeepalived(lab, vrrp),
  };
}

function renderedSubject(name: string, settings: RenderedSettings): Subject {
  return { ...keepalivedSubject(name, { version: 3, advertInterval: 0.5 }), settle: (lab) => startRendered(lab, settings) };
}
