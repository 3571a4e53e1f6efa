import type { Facts } from '../facts.ts';
import type { Program } from './program.ts';

/** Command lines, wherever they stand. */
export function readPrograms(_facts: Omit<Facts, 'programs' | 'troubles'>): Program[] {
  return [];
}
