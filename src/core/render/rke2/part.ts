import type { Part } from '../part.ts';

export const rke2Part: Part = {};
