import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createAuthority } from '../../../src/drivers/pki/authority.ts';
import { writeKeyPair } from '../../../src/drivers/pki/files.ts';
import { run } from '../../../src/lab/command.ts';
import { HALE } from '../../support/hale.ts';
import { netnsProblem } from '../../support/netns.ts';

const problem = netnsProblem();

/** Half of the time for which the kernel tries to open a connection (tcp_syn_retries, 127 s). */
const ENDS_WITHIN_S = 60;

test.skipIf(problem !== undefined)(`a host without power does not keep the command ${problem ?? ''}`, { timeout: 150_000 }, async () => {
  const dir = mkdtempSync(join(tmpdir(), 'hale-silent-'));
  try {
    const authority = await createAuthority({ commonName: 'ca', validityDays: 1 });
    const pair = await authority.issue({ commonName: 'client', dnsNames: [], ipAddresses: [], usages: ['client'], validityDays: 1 });
    writeKeyPair(dir, 'client', pair);
    writeKeyPair(dir, 'ca', { certPem: authority.certPem, keyPem: pair.keyPem });
    const files = ['--cacert', `${dir}/ca.crt`, '--cert', `${dir}/client.crt`, '--key', `${dir}/client.key`];
    // To the kernel the host is there, since its hardware address is known, and silent.
    const network = `ip link add eth0 type veth peer name far
      ip address add 10.9.0.1/24 dev eth0
      for port in eth0 far; do ip link set $port up; done
      ip neighbor add 10.9.0.2 lladdr 02:00:00:00:00:02 dev eth0
      exec "$@"`;
    const status = [HALE, 'etcd', 'status', '--endpoints', 'https://10.9.0.2:2379', ...files];
    const argv = ['unshare', '--net', 'sh', '-ec', network, 'sh', 'timeout', `${ENDS_WITHIN_S}`, ...status];
    expect(await run(argv)).toMatchObject({ code: 3, stdout: expect.stringContaining('10.9.0.2') });
  } finally {
    rmSync(dir, { recursive: true });
  }
});
