import { programsNamed, replaceValue, valueAtFlag } from '../look/flags.ts';
import { hostAndPort } from '../look/values.ts';
import type { Rule } from '../rule.ts';
import { joinUrl } from './k3s.ts';

/* What RKE2 has otherwise than k3s. */

const RKE2 = '/etc/rancher/rke2/config.yaml';

export const rke2Rules: readonly Rule[] = [
  {
    id: 'rke2-server-port',
    severity: 'error',
    title: 'RKE2 joins by the port of the API',
    why: 'Nodes register on port 9345. On 6443 they get no answer that they understand, and never join.',
    fix: 'Write https://ENDPOINT:9345, and let the balancer pass on that port as well.',
    sources: ['docs.rke2.io/install/ha'],
    examples: { bad: [{ [RKE2]: 'server: https://api.example.com:6443\n' }], good: [{ [RKE2]: 'server: https://api.example.com:9345\n' }] },
    *check(facts) {
      for (const program of programsNamed(facts, 'rke2')) {
        const url = joinUrl(program);
        if (url?.value === undefined || hostAndPort(url.value)?.port !== 6443) continue;
        const at = valueAtFlag(url);
        yield {
          at,
          message: `server is ${url.value}, on the port of the API`,
          edits: [replaceValue(at, url.value.replace(/:6443(?=\/?$)/, ':9345'))],
        };
      }
    },
  },
  {
    id: 'rke2-foreign-key',
    severity: 'warning',
    title: 'a key of k3s in the settings of RKE2',
    why: 'RKE2 does not know it: the setting has no effect, or the service does not start.',
    fix: 'Remove it. With RKE2 the first server simply has no server, and the network plugin is chosen by cni.',
    sources: ['docs.rke2.io/reference/server_config'],
    examples: { bad: [{ [RKE2]: 'cluster-init: true\n' }, { [RKE2]: 'flannel-backend: none\n' }], good: [{ [RKE2]: 'cni: calico\n' }] },
    *check(facts) {
      for (const program of programsNamed(facts, 'rke2').filter(({ origin }) => origin === 'flag-file'))
        for (const flag of program.flags)
          if (
            /^(?:cluster-init|flannel-.*|docker|disable-network-policy|disable-helm-controller|default-local-storage-path|secrets-encryption)$/.test(
              flag.name,
            )
          )
            yield { at: flag.span, message: `${flag.name} is a key of k3s` };
    },
  },
];
