import type { Part } from '../part.ts';

export const sysctlPart: Part = {};
