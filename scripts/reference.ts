import { writeFileSync } from 'node:fs';
import { renderReference } from '../src/core/cluster/reference.ts';

writeFileSync(new URL('../docs/reference/cluster.md', import.meta.url), renderReference());
