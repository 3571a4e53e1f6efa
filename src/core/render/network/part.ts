import type { Part } from '../part.ts';

export const networkPart: Part = {};
