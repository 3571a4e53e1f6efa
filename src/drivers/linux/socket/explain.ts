import { hostPort } from '../../../base/address.ts';
import type { Explanation } from '../../../ports/datapath.ts';
import * as libc from '../libc.ts';
import { networkNamespace } from '../network-namespace.ts';
import { closeAll, findPrograms, type Found, HOOKS } from './attachments.ts';
import { openCgroup } from './cgroup.ts';
import { findChoice, findSteered, readChoice, readSteered } from './steered.ts';
import type { SteeringOptions } from './steering.ts';

/** What the kernel does with connections of this network namespace, read without an agent; undefined when hale has no programs there. */
export function explainSteering(options: Omit<SteeringOptions, 'log' | 'self'>): Explanation | undefined {
  const netns = networkNamespace();
  const cgroup = openCgroup(options.cgroup);
  if (!cgroup.ok || netns === undefined) return undefined;
  const found = findPrograms(cgroup.fd, netns);
  cgroup.close();
  if (!found.ok || found.programs.length === 0) return undefined;
  const explanation = explainPrograms(found.programs, options);
  closeAll(found.programs);
  return explanation;
}

function explainPrograms(programs: readonly Found[], { addresses, port, backends }: Omit<SteeringOptions, 'log' | 'self'>): Explanation {
  const choice = withMap(findChoice(programs), readChoice) ?? [];
  const steered = withMap(findSteered(programs), readSteered) ?? [];
  const shared = addresses.map((address) => hostPort(address, port)).join(' or ');
  const chosen = choice.map((slot) => backends[slot]?.name ?? `number ${slot}, which cluster.yaml does not have`);
  const goes =
    chosen.length === 0
      ? 'is left as it is: when an agent last looked, no API server answered'
      : `goes straight to ${chosen.length === 1 ? chosen[0] : `one of ${chosen.join(', ')}, by chance`}`;
  const missing = HOOKS.filter((hook) => !programs.some((program) => program.hook === hook));
  return {
    part: 'socket',
    says: [
      `a TCP connect() to ${shared} by a process in this network namespace ${goes}`,
      'getpeername() answers the address that was asked for; packets carry the API server’s own',
      'other network namespaces, addresses, ports and protocols are left alone',
    ],
    counters: backends.map((backend) => ({
      what: `open sockets sent to ${backend.name}`,
      packets: null,
      bytes: null,
      connections: steered.filter(({ address }) => backend.addresses.includes(address)).length,
    })),
    problems: missing.map((hook) => ({ what: `hale's program is not at cgroup/${hook}`, fix: 'systemctl restart hale-agent' })),
  };
}

function withMap<T>(fd: number | undefined, read: (fd: number) => T): T | undefined {
  if (fd === undefined) return undefined;
  const value = read(fd);
  libc.close(fd);
  return value;
}
