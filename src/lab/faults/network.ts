/** Faults of the network, made at the switch. Clients reach every host through all but the last two, so that a stale holder would be seen. */
import { agentStatus } from '../drill/agents.ts';
import type { LabHost } from '../host.ts';
import type { Lab } from '../lab.ts';
import { bystanders } from '../plan.ts';
import type { Effects } from './effects.ts';
import { startHarm } from './harm.ts';

const FLAP_MS = 250;
const FLAP = 'while :; do ip link set "$1" down; sleep "$2"; ip link set "$1" up; sleep "$2"; done';

export const NETWORK_EFFECTS = {
  isolate: separation('isolate', (_lab, host) => [host.name]),
  /** The host and as many others as make a minority with it; the holder is among them only when it is the host itself. */
  partition: separation('partition', minorityOf),
  /** The host hears no other member, but they hear it. */
  deaf: {
    apply: (lab, host) => lab.lan.cut(`deaf-${host.name}`, [{ from: others(lab, host), to: [host.name] }]),
    undo: (lab, host) => lab.lan.mend(`deaf-${host.name}`),
  },
  /** No other member hears the host, but it hears them. */
  mute: {
    apply: (lab, host) => lab.lan.cut(`mute-${host.name}`, [{ from: [host.name], to: others(lab, host) }]),
    undo: (lab, host) => lab.lan.mend(`mute-${host.name}`),
  },
  'link-down': {
    apply: (lab, host) => lab.lan.setPort(host.name, 'down'),
    undo: async (lab, host) => {
      if (host.isOn()) await lab.lan.setPort(host.name, 'up');
    },
  },
  'link-flap': {
    apply: (lab, host, { forMs }) =>
      startHarm(lab, { argv: lab.lan.command(['sh', '-c', FLAP, 'hale-lab-flap', host.name, String(FLAP_MS / 1000)]), forMs }),
    undo: async (lab, host) => {
      if (host.isOn()) await lab.lan.setPort(host.name, 'up');
    },
  },
} as const satisfies Record<string, Effects>;

/** Names of the other control-plane hosts, and of their clients' when asked for. */
export function others(lab: Lab, host: LabHost, options: { withClient?: boolean } = {}): string[] {
  const members = lab.controlPlane.map(({ name }) => name).filter((name) => name !== host.name);
  return options.withClient ? [...members, ...bystanders(lab.plan).map(({ name }) => name)] : members;
}

function separation(fault: string, groupOf: (lab: Lab, host: LabHost) => string[] | Promise<string[]>): Effects {
  return {
    struck: groupOf,
    apply: async (lab, host, { struck }) => {
      const rest = lab.controlPlane.map(({ name }) => name).filter((name) => !struck.includes(name));
      await lab.lan.cut(`${fault}-${host.name}`, [
        { from: struck, to: rest },
        { from: rest, to: struck },
      ]);
    },
    undo: (lab, host) => lab.lan.mend(`${fault}-${host.name}`),
  };
}

async function minorityOf(lab: Lab, host: LabHost): Promise<string[]> {
  const roles = await Promise.all(lab.controlPlane.map(async (member) => ({ member, role: (await agentStatus(member))?.role })));
  const company = roles.filter(({ member, role }) => member.name !== host.name && role !== 'holder').map(({ member }) => member.name);
  const minority = Math.floor((lab.controlPlane.length - 1) / 2);
  return [host.name, ...company.slice(0, minority - 1)];
}
