import { Argument, Command } from 'commander';
import { stringify } from 'yaml';
import { healPolicyDefinition } from '../../core/heal/crd.ts';
import { healRole } from '../../core/heal/role.ts';

const KINDS = { crd: healPolicyDefinition, rbac: healRole } as const;

/** `hale heal manifests`: what the API is to know. */
export function healManifestsCommand(): Command {
  return new Command('manifests')
    .description('print what healing needs in the API, as YAML for kubectl apply -f -')
    .addArgument(
      new Argument(
        '<kind>',
        'crd: the HealPolicy, for heal.policyFrom: resource; rbac: a ClusterRole with all that the controller may do',
      ).choices(Object.keys(KINDS)),
    )
    .action((kind: keyof typeof KINDS) => {
      process.stdout.write(stringify(KINDS[kind](), { lineWidth: 0, aliasDuplicateObjects: false }));
    });
}
