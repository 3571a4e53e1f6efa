import { parsePrefix, type Prefix, prefixContains } from '../../../base/address.ts';
import type { Facts } from '../facts.ts';
import { flagNamed, hostOf, isOff, isOn, programsNamed, replaceValue, valueAtFlag } from '../look/flags.ts';
import { hostAndPort, isAddress, list } from '../look/values.ts';
import type { Program } from '../read/program.ts';
import type { Hit, Rule } from '../rule.ts';
import { staticPod } from './examples.ts';

/* lvscare: IPVS on every node, from an address on a dummy interface to the API servers. */

/** `--clean` and single runs are no balancers that stay. */
const balancers = (facts: Facts): Program[] =>
  programsNamed(facts, 'lvscare').filter((program) => !isOn(flagNamed(program, 'clean')) && flagNamed(program, 'vs') !== undefined);

const serversOf = ({ flags }: Program): string[] =>
  flags
    .flatMap(({ name, value }) => (name === 'rs' ? (value ?? '').split(',').flatMap((one) => hostAndPort(one)?.host ?? []) : []))
    .toSorted();

function* stale(facts: Facts): Iterable<Hit> {
  const [first, ...others] = balancers(facts);
  for (const program of others) {
    const [own, other] = [serversOf(program), first === undefined ? [] : serversOf(first)];
    const isSame = flagNamed(program, 'vs')?.value === (first === undefined ? undefined : flagNamed(first, 'vs')?.value);
    if (first !== undefined && isSame && own.join() !== other.join())
      yield { at: program.at, message: `the servers are ${list(own)} here, and ${list(other)} on ${hostOf(first)}` };
  }
}

const CARE = (...flags: string[]) =>
  staticPod('lvscare', {
    image: 'ghcr.io/labring/lvscare:v5.0.1',
    command: ['/usr/bin/lvscare', 'care', '--vs', '10.103.97.2:6443', '--health-insecure-skip-verify=false', ...flags],
  });
const TWO = ['--rs', '10.0.0.1:6443', '--rs', '10.0.0.2:6443'];

export const lvscareRules: readonly Rule[] = [
  {
    id: 'lvscare-one-server',
    severity: 'error',
    title: 'lvscare knows one API server only',
    why: 'The node loses the API with that one server, though others run.',
    fix: 'Give an --rs for every API server.',
    sources: ['github.com/labring/lvscare'],
    examples: { bad: [{ 'lvscare.yaml': CARE('--rs', '10.0.0.1:6443') }], good: [{ 'lvscare.yaml': CARE(...TWO) }] },
    *check(facts) {
      for (const program of balancers(facts))
        if (serversOf(program).length === 1)
          yield { at: flagNamed(program, 'rs')?.span ?? program.at, message: `the only --rs is ${serversOf(program)[0]}` };
    },
  },
  {
    id: 'lvscare-servers-differ',
    severity: 'error',
    title: 'nodes have different lists of API servers',
    why: 'Some still send connections to a server that was removed, or never to one that was added: they lose the API when others do not.',
    fix: 'Write the same --rs on every node after each change of control-plane nodes, and clear old IPVS rules (ipvsadm -D -t VIP:6443).',
    sources: ['sealos #226', 'sealos #498', 'sealos #723'],
    examples: {
      bad: [{ 'n1/lvscare.yaml': CARE(...TWO), 'n2/lvscare.yaml': CARE('--rs', '10.0.0.1:6443', '--rs', '10.0.0.3:6443') }],
      good: [{ 'n1/lvscare.yaml': CARE(...TWO), 'n2/lvscare.yaml': CARE(...TWO) }],
    },
    check: stale,
  },
  {
    id: 'lvscare-health-scheme',
    severity: 'error',
    title: 'lvscare asks an API server over plain HTTP',
    why: 'The API server answers 400 to that, so every one of them counts as failed and is taken out: the node loses the API.',
    fix: 'Give --health-schem https (spelt so).',
    sources: ['github.com/labring/lvscare'],
    examples: {
      bad: [{ 'lvscare.yaml': CARE(...TWO, '--health-schem', 'http') }],
      good: [{ 'lvscare.yaml': CARE(...TWO, '--health-schem', 'https') }],
    },
    *check(facts) {
      for (const program of balancers(facts)) {
        const scheme = flagNamed(program, 'health-schem');
        if (scheme?.value === 'http')
          yield { at: valueAtFlag(scheme), message: '--health-schem is http', edits: [replaceValue(valueAtFlag(scheme), 'https')] };
      }
    },
  },
  {
    id: 'lvscare-health-path',
    severity: 'info',
    title: 'lvscare asks /healthz',
    why: 'It is deprecated since 1.16, and stays good while an API server is shutting down: connections go to it until it is gone.',
    fix: 'Give --health-path /readyz.',
    sources: ['kubernetes.io/docs/reference/using-api/health-checks'],
    examples: {
      bad: [{ 'lvscare.yaml': CARE(...TWO, '--health-path', '/healthz') }],
      good: [{ 'lvscare.yaml': CARE(...TWO, '--health-path', '/readyz') }],
    },
    *check(facts) {
      for (const program of balancers(facts)) {
        const path = flagNamed(program, 'health-path');
        if (path?.value === '/healthz')
          yield { at: valueAtFlag(path), message: '--health-path is /healthz', edits: [replaceValue(valueAtFlag(path), '/readyz')] };
      }
    },
  },
  {
    id: 'lvscare-unverified',
    severity: 'info',
    title: 'lvscare does not check the certificate of whom it asks',
    why: 'Its default is not to: whatever answers on that address and port counts as an API server. Clients check for themselves, so they fail instead of being deceived.',
    fix: 'Give --health-insecure-skip-verify=false where the CA is known to the container.',
    sources: ['github.com/labring/lvscare'],
    examples: {
      bad: [{ 'lvscare.yaml': CARE(...TWO).replace('skip-verify=false', 'skip-verify=true') }],
      good: [{ 'lvscare.yaml': CARE(...TWO) }],
    },
    *check(facts) {
      for (const program of balancers(facts)) {
        const flag = flagNamed(program, 'health-insecure-skip-verify');
        if (program.complete && program.origin !== 'script' && !isOff(flag))
          yield { at: flag?.span ?? program.at, message: 'lvscare does not verify certificates' };
      }
    },
  },
  {
    id: 'lvscare-address-on-wire',
    severity: 'error',
    title: "lvscare's address is in the network of the nodes",
    why: 'Every node holds it on an interface of its own. In the network of the nodes they all answer ARP for it, or it is the address of another machine, which then is not reached any more.',
    fix: 'Take an address that is on no wire, such as 10.103.97.2, and put it into the certificate and into excludeCIDRs of kube-proxy.',
    sources: ['sealos #222', 'k0s #5178'],
    examples: { bad: [{ 'lvscare.yaml': CARE(...TWO).replace('10.103.97.2', '10.0.0.100') }], good: [{ 'lvscare.yaml': CARE(...TWO) }] },
    *check(facts) {
      for (const program of balancers(facts)) {
        const vs = flagNamed(program, 'vs');
        const host = hostAndPort(vs?.value ?? '')?.host ?? '';
        if (vs === undefined || !isAddress(host) || host.includes(':')) continue;
        // Networks of nodes are rarely smaller than /24.
        const near = serversOf(program).find((server) => isAddress(server) && prefixContains(parsePrefix(`${server}/24`) as Prefix, host));
        if (near !== undefined)
          yield { at: valueAtFlag(vs), message: `${host} is ${near === host ? 'one of the servers' : `beside the server ${near}`}` };
      }
    },
  },
  {
    id: 'lvscare-two-servers',
    severity: 'warning',
    title: 'lvscare knows two API servers',
    why: 'With stacked etcd, two control-plane nodes survive no failure: when either stops, etcd has no quorum and the API stops with it.',
    fix: 'Have three control-plane nodes, and an --rs for each.',
    sources: ['kube-vip #748', 'talos #9276'],
    examples: { bad: [{ 'lvscare.yaml': CARE(...TWO) }], good: [{ 'lvscare.yaml': CARE(...TWO, '--rs', '10.0.0.3:6443') }] },
    *check(facts) {
      for (const program of balancers(facts))
        if (serversOf(program).length === 2) yield { at: flagNamed(program, 'rs')?.span ?? program.at, message: 'there are two --rs' };
    },
  },
  {
    id: 'lvscare-health-refused',
    severity: 'error',
    title: 'lvscare asks API servers for something that they refuse to strangers',
    why: 'It has no credentials, gets 401 or 403, and takes all of them out: nobody on the node reaches the API.',
    fix: 'Use --health-path /readyz.',
    sources: ['github.com/labring/lvscare', 'system:public-info-viewer'],
    examples: {
      bad: [{ 'lvscare.yaml': CARE(...TWO, '--health-path', '/') }],
      good: [{ 'lvscare.yaml': CARE(...TWO, '--health-path', '/readyz') }],
    },
    *check(facts) {
      for (const program of balancers(facts)) {
        const path = flagNamed(program, 'health-path');
        const isPlain = flagNamed(program, 'health-schem')?.value === 'http' || flagNamed(program, 'health-status') !== undefined;
        if (path?.value !== undefined && !isPlain && !/^\/(?:healthz|livez|readyz|version)(?:[/?]|$)|\$/.test(path.value))
          yield { at: valueAtFlag(path), message: `--health-path is ${path.value}` };
      }
    },
  },
  {
    id: 'lvscare-takes-refusal',
    severity: 'warning',
    title: 'lvscare takes a refusal for health',
    why: '401 and 403 come from an API server that did not look at its own state: one that has lost etcd gives them too, and keeps its share.',
    fix: 'Leave --health-status out, and use --health-path /readyz.',
    sources: ['github.com/labring/lvscare'],
    examples: {
      bad: [{ 'lvscare.yaml': CARE(...TWO, '--health-status', '200,401,403') }],
      good: [{ 'lvscare.yaml': CARE(...TWO, '--health-status', '200') }],
    },
    *check(facts) {
      for (const program of balancers(facts)) {
        const status = flagNamed(program, 'health-status');
        if (status !== undefined && /\b40[13]\b/.test(status.value ?? ''))
          yield { at: valueAtFlag(status), message: `--health-status is ${status.value}` };
      }
    },
  },
];
