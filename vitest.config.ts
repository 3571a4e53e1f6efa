import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 30_000 } },
      { test: { name: 'sim', include: ['test/sim/**/*.test.ts'], testTimeout: 180_000 } },
      // Real etcd on loopback, no labs: two files at a time, because most of their time is waiting.
      {
        test: { name: 'etcd', include: ['test/contract/etcd/**/*.test.ts'], testTimeout: 120_000, hookTimeout: 120_000, maxWorkers: 2 },
      },
      // Real API servers and emulators in networks of their own: the same.
      {
        test: { name: 'nodes', include: ['test/contract/nodes/**/*.test.ts'], testTimeout: 120_000, hookTimeout: 120_000, maxWorkers: 2 },
      },
      // Real kernels, real etcd: one file at a time, so that two labs do not fight for two cores.
      {
        test: {
          name: 'contract',
          include: ['test/contract/**/*.test.ts'],
          exclude: ['test/contract/etcd/**', 'test/contract/nodes/**'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
      // Real routers and keepalived in network namespaces: two files at a time, because most of their time is waiting.
      {
        test: { name: 'interop', include: ['test/interop/**/*.test.ts'], testTimeout: 60_000, hookTimeout: 60_000, maxWorkers: 2 },
      },
      { test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], testTimeout: 180_000, hookTimeout: 180_000, fileParallelism: false } },
    ],
  },
});
