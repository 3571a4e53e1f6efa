import { test, expect } from 'vitest';
import { createTestLink } from '../support/netns.ts';
import { bird } from '../support/routers/bird.ts';
import { frr } from '../support/routers/frr.ts';
import { gobgp } from '../support/routers/gobgp.ts';
import { exabgp } from '../support/routers/exabgp.ts';
test.each([frr, gobgp, exabgp])('$title', async (kind) => {
  const link = createTestLink();
  const b = await bird.start(link.host, { asn: 65001, holdTimeS: 9, neighbors: [{ address: '10.77.0.2', asn: 4200000000, password: 'x', ttlSecurity: true}], announces: ['203.0.113.0/24', '2001:db8::/48'] });
  let f;
  try {
  f = await kind.start(link.peer, { asn: 4200000000, holdTimeS: 9, neighbors: [{ address: '10.77.0.1', asn: 65001, password: 'x', ttlSecurity: true}], announces: ['198.51.100.0/24', '2001:db8:1::/48'] });
    await expect.poll(async () => (await b.session('10.77.0.2')).established, {timeout: 20000}).toBe(true);
    await expect.poll(async () => (await f.session('10.77.0.1')).established, {timeout: 20000}).toBe(true);
    await expect.poll(async () => (await b.routes()).length, {timeout: 10000}).toBeGreaterThan(0);
    await new Promise(r=>setTimeout(r,2000));
    console.log(bird.title, kind.title, await b.routes(), await f.routes(), (await b.session('10.77.0.2')).text);
    console.log(link.host.run('ip','route'));
    await f.shutDown('10.77.0.1','maintenance of hale');
    await new Promise(r=>setTimeout(r,500));
    console.log((await b.session('10.77.0.2')).text);
  } finally {
    console.log(f?.daemon.log.slice(-3000));
    await b.daemon.remove(); await f?.daemon.remove(); link.remove();
  }
});
