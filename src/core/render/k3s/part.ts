import type { Part } from '../part.ts';

export const k3sPart: Part = {};
