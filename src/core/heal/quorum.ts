import { isAlive } from '../etcd/members/state.ts';
import { type Quorum, quorumOf, quorumText } from '../etcd/quorum.ts';
import type { EtcdMemberView, EtcdView } from '../etcd/view.ts';
import type { NodeFacts } from './facts.ts';

/** What etcd says of the loss of a host: whether a majority of its voters would go on, and the arithmetic in words. */
export interface LossVerdict {
  bearable: boolean;
  text: string;
}

type Place = Pick<NodeFacts, 'name' | 'internalIp'>;

/**
 * Takes the host's member away in thought and counts. `others`: the other control-plane nodes. A host without a member costs nothing, where every member is known to
 * be on another; without a quorum nothing may be lost.
 */
export function lossOf(view: EtcdView, host: Place, others: readonly Place[]): LossVerdict {
  const voters = view.members.filter(({ isLearner }) => !isLearner);
  const alive = voters.filter(isAlive);
  const lost = memberOn(view, host);
  const before = quorumOf(voters.length, alive.length);
  const after = quorumOf(voters.length, alive.filter(({ id }) => id !== lost?.id).length);
  if (before.canLose < 0 || voters.length === 0) return { bearable: false, text: quorumText(before) };
  if (lost === undefined) {
    const elsewhere = new Set(others.map((other) => memberOn(view, other)?.id));
    const stray = view.members.find(({ id }) => !elsewhere.has(id));
    if (stray === undefined) return { bearable: true, text: `${host.name} has no member of etcd` };
    return { bearable: false, text: `on which host member ${stray.name || stray.id} of etcd is cannot be told from its URLs and name` };
  }
  return { bearable: after.canLose >= 0, text: `without ${host.name}: ${lossText(after)}` };
}

function lossText({ voters, needed, alive }: Quorum): string {
  return `${alive} of ${voters} voters of etcd would answer, ${needed} are needed`;
}

/** By name, as kubeadm and hale name members, or by address. */
function memberOn({ members }: EtcdView, { name, internalIp }: Place): EtcdMemberView | undefined {
  return (
    members.find(
      (member) => internalIp !== null && [...member.peerUrls, ...member.clientUrls].some((url) => addressOf(url) === internalIp),
    ) ??
    // k3s and RKE2 put eight hexadecimal digits after the host's name.
    members.find((member) => member.name.replace(/-[0-9a-f]{8}$/, '') === name || member.name === name)
  );
}

function addressOf(url: string): string {
  return (
    /^https?:\/\/(?:\[([^\]]+)\]|([^:/]+))/
      .exec(url)
      ?.slice(1)
      .find((part) => part !== undefined) ?? ''
  );
}
