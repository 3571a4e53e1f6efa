import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolder } from '../../../src/drivers/program.ts';

/** The configuration of a daemon in docs/guide/routing-daemons.md, with these addresses. */
export function fromGuide(daemon: 'frr' | 'bird', { shared, router, host }: { shared: string; router: string; host: string }): string {
  const guide = readFileSync(join(packageFolder, 'docs/guide/routing-daemons.md'), 'utf8');
  const config = new RegExp(`^\`\`\`${daemon}\\n(.*?)^\`\`\``, 'ms').exec(guide)?.[1] ?? '';
  const addresses: Record<string, string> = { '10.0.0.100': shared, '10.0.0.1': router, '10.0.0.11': host };
  return config.replaceAll(/10\.0\.0\.\d+/g, (address) => addresses[address] ?? address);
}
