import type { Facts } from '../facts.ts';
import type { Program } from './program.ts';
import { scriptPrograms, unitPrograms } from './program-commands.ts';
import { podPrograms } from './program-pods.ts';
import { flagFileProgram, innerPrograms, kubeadmPrograms } from './program-settings.ts';

/** Command lines, wherever they stand. */
export function readPrograms({ documents, settings, units, scripts }: Omit<Facts, 'programs' | 'troubles' | 'passedOver'>): Program[] {
  const programs = [
    ...documents.flatMap(podPrograms),
    ...documents.flatMap(kubeadmPrograms),
    ...settings.map(flagFileProgram),
    ...units.flatMap(unitPrograms),
    ...scripts.flatMap(scriptPrograms),
  ];
  return [...programs, ...programs.flatMap(innerPrograms)];
}
