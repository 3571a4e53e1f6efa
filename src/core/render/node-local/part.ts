import type { Part } from '../part.ts';

export const nodeLocalPart: Part = {};
