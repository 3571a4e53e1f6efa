import * as z from 'zod';
import { type HealPolicy, healPolicySchema } from '../cluster/heal.ts';
import { policyFindings, type PolicyPlace } from '../cluster/heal-checks.ts';
import { type Path, pathText } from '../cluster/problems.ts';

/** The group, version and names of the custom resource. */
export const HEAL_POLICY = { group: 'hale.dev', version: 'v1alpha1', plural: 'healpolicies', kind: 'HealPolicy', name: 'default' } as const;

/** Path of all HealPolicies in the API. */
export const HEAL_POLICIES_PATH = `/apis/${HEAL_POLICY.group}/${HEAL_POLICY.version}/${HEAL_POLICY.plural}`;

/** The CustomResourceDefinition (kubernetes.io, "Extend the Kubernetes API with CustomResourceDefinitions"), with the same schema as cluster.yaml. */
export function healPolicyDefinition(): object {
  const { group, version, plural, kind } = HEAL_POLICY;
  const spec = structural(z.toJSONSchema(healPolicySchema, { io: 'input', target: 'draft-7' }));
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Cluster',
      names: { plural, singular: kind.toLowerCase(), kind },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: 'object',
              description: 'Which nodes are unhealthy, what hale does with them, and what keeps it from it.',
              properties: { spec },
            },
          },
        },
      ],
    },
  };
}

type Schema = Record<string, unknown>;

/** Kubernetes wants a structural schema: every value with one type, and neither `additionalProperties: false` nor defaults that are no values of it. */
function structural(schema: Schema): Schema {
  const { $schema: _schema, additionalProperties: _closed, default: _default, anyOf, allOf: _allOf, pattern, ...others } = schema;
  // Go's RE2 knows no look-around (and repeats nothing more than 1,000 times); hale checks what it reads all the same.
  const rest: Schema = { ...others, ...(typeof pattern === 'string' && !pattern.includes('(?') ? { pattern } : {}) };
  if (Array.isArray(anyOf) && anyOf.some((one: Schema) => one['type'] === 'integer'))
    return { ...rest, 'x-kubernetes-int-or-string': true };
  const entries = Object.entries((rest['properties'] ?? {}) as Record<string, Schema>).map(
    ([key, value]) => [key, structural(value)] as const,
  );
  return {
    ...rest,
    ...(rest['properties'] === undefined ? {} : { properties: Object.fromEntries(entries) }),
    ...(rest['items'] === undefined ? {} : { items: structural(rest['items'] as Schema) }),
  };
}

/** A policy from `spec` of a HealPolicy, or what is wrong with it, a line each. `can`: what cluster.yaml gives hale the means for. */
export function readHealPolicy(
  spec: unknown,
  can: PolicyPlace['can'],
): { ok: true; policy: HealPolicy } | { ok: false; problems: string[] } {
  const result = healPolicySchema.safeParse(spec ?? {});
  if (!result.success) {
    return {
      ok: false,
      problems: result.error.issues.map(({ path, message }) => `${pathText(['spec', ...(path as Path)])} is not ${message}`),
    };
  }
  const findings = policyFindings(result.data, { can, at: ['spec'] });
  if (findings.length === 0) return { ok: true, policy: result.data };
  return { ok: false, problems: findings.map(({ path, message, remedy }) => `${pathText(path)}: ${message}. ${remedy}`) };
}
