import type { Part } from '../part.ts';

export const monitoringPart: Part = {};
