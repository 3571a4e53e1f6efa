/** Takes the lock over operations and waits for its end: `node etcd-operation-holder.ts DIR TTL_SECONDS ENDPOINT…`. DIR holds the client's files. */
import { createEtcdAdmin } from '../../src/drivers/etcd/admin.ts';
import { readEtcdTls } from '../../src/drivers/etcd/tls.ts';
import { boottime } from '../../src/drivers/linux/boottime.ts';
import { withOperationLock } from '../../src/engine/etcd/operation-lock.ts';

const [dir = '', ttl = '', ...endpoints] = process.argv.slice(2);
const tls = readEtcdTls({ caFile: `${dir}/ca.crt`, certFile: `${dir}/client.crt`, keyFile: `${dir}/client.key` });
const etcd = createEtcdAdmin({ endpoints, tls });
const who = { host: 'elsewhere', pid: process.pid, since: new Date().toISOString() };
await withOperationLock({ etcd, clock: boottime, what: 'test', who, ttlSeconds: Number(ttl) }, async () => {
  process.stdout.write('held\n');
  await new Promise(() => setInterval(() => {}, 1000));
});
