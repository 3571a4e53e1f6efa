import type { Rule } from '../rule.ts';
import { clusterRules } from './cluster.ts';
import { fileRules } from './files.ts';
import { kubernetesRules } from './kubernetes.ts';
import { plainTextRules } from './plain-text.ts';

/** Every rule that hale doctor knows. */
export const rules: readonly Rule[] = [...fileRules, ...clusterRules, ...plainTextRules, ...kubernetesRules];
