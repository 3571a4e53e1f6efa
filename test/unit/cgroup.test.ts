import { expect, test } from 'vitest';
import { cgroupMount } from '../../src/drivers/linux/socket/cgroup.ts';

const V1 = '33 32 0:29 / /sys/fs/cgroup/cpu rw,relatime shared:9 - cgroup cgroup rw,cpu';

test.each<[string, string, string | undefined]>([
  ['alone', '30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate', '/sys/fs/cgroup'],
  ['beside v1', `${V1}\n42 32 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n`, '/sys/fs/cgroup/unified'],
  ['with a blank in its name', '42 32 0:38 / /mnt/c\\040groups rw - cgroup2 none rw', '/mnt/c groups'],
  ['not mounted', `${V1}\n\n`, undefined],
  ['in a file cut short', '42 32 - cgroup2', undefined],
])('a cgroup v2 %s is found (proc_pid_mountinfo(5))', (_, mountinfo, expected) => {
  expect(cgroupMount(mountinfo)).toBe(expected);
});
