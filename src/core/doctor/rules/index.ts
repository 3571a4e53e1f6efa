import type { Rule } from '../rule.ts';
import { fileRules } from './files.ts';

/** Every rule that hale doctor knows. */
export const rules: readonly Rule[] = [...fileRules];
