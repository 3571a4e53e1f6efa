import type { Part } from '../part.ts';

export const addonsPart: Part = {};
