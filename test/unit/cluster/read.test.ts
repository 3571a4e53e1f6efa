import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseDocument, visit } from 'yaml';
import { evenHostsNote } from '../../../src/core/cluster/checks.ts';
import { editDistance, nearest } from '../../../src/core/cluster/nearest.ts';
import { formatProblem, wordings } from '../../../src/core/cluster/problems.ts';
import { readCluster } from '../../../src/core/cluster/read.ts';
import type { Cluster } from '../../../src/core/cluster/schema.ts';
import { badFiles, CP2, CP3, edited, example } from './bad-files.ts';

function read(text: string): Cluster {
  const result = readCluster(text, 'cluster.yaml');
  if (!result.ok) throw new Error(result.problems.map(formatProblem).join('\n'));
  return result.cluster;
}

function problemsOf(text: string) {
  const result = readCluster(text, 'cluster.yaml');
  return result.ok ? [] : result.problems;
}

function pathsOf(text: string) {
  return problemsOf(text).map(({ path }) => path);
}

describe('a right file', () => {
  test('an even number of hosts comes with a note', () => {
    expect(evenHostsNote(read(example))).toBeUndefined();
    expect(evenHostsNote(read(edited([CP3, ''])))).toMatch(/^2 hosts tolerate no failed host, just like 1: .*change-members\.md$/);
  });

  test('the example has no problems, and says nothing but defaults where it need not', () => {
    const short = example
      .replace(/^apiserver:\n( .*\n)+/m, '')
      .replace(/^agent:\n( .*\n)+/m, '')
      .replace(/^etcd:\n( .*\n)+/m, '')
      .replace(/^(distribution|datapath):.*\n/gm, '');
    expect(short).not.toMatch(/agent|etcd|apiserver|proxy|kubeadm$/m);
    expect(read(short)).toEqual(read(example));
  });

  test('addresses become lists in canonical text (RFC 5952), with either one or two written', () => {
    const text = edited(
      ['address: 10.0.0.100', 'address: [10.0.0.100, "FD00:0:0:0::0100"]'],
      ['10.0.0.11/24', '[10.0.0.11/24, "fd00:0::11/64"]'],
      ['10.0.0.12/24', '[10.0.0.12/24, "FD00::12/64"]'],
      ['10.0.0.13/24', '[10.0.0.13/24, "fd00::13/64"]'],
      ['127.0.0.1:7701', '"[0::1]:07701"'],
    );
    const cluster = read(text);
    expect(cluster.endpoint).toEqual({
      provider: 'hale',
      addresses: ['10.0.0.100', 'fd00::100'],
      port: 8443,
      interface: 'eth0',
      dnsName: 'api.prod.example.com',
    });
    expect(cluster.controlPlane.hosts.map(({ addresses }) => addresses)).toEqual([
      [
        { address: '10.0.0.11', length: 24 },
        { address: 'fd00::11', length: 64 },
      ],
      [
        { address: '10.0.0.12', length: 24 },
        { address: 'fd00::12', length: 64 },
      ],
      [
        { address: '10.0.0.13', length: 24 },
        { address: 'fd00::13', length: 64 },
      ],
    ]);
    expect(cluster.agent.metricsAddress).toBe('[::1]:7701');
  });

  test.each([
    ['one host', edited([CP2, ''], [CP3, ''])],
    ['an even number of hosts, as while the members change', edited([CP3, ''])],
    ['the port of an API server that listens on its own address only', edited(['port: 8443', 'port: 6443'], ['bind: all', 'bind: host'])],
    ['hosts in overlapping subnets that all hold the endpoint', edited(['10.0.0.12/24', '10.0.7.12/16'])],
    ['both ends of a /31 (RFC 3021)', edited([CP2, ''], [CP3, ''], ['10.0.0.11/24', '10.0.0.101/31'])],
    ['an agent port (UDP) that a TCP port has too', edited(['port: 7700', 'port: 8443'])],
    [
      'a metrics port of stacked etcd when etcd is external',
      edited(
        ['127.0.0.1:7701', '127.0.0.1:2379'],
        ['topology: stacked', 'topology: external\n  endpoints: [https://etcd.example.com:2379]'],
      ),
    ],
    [
      'the smallest subnets that do',
      edited(
        ['kubeadm', 'systemd'],
        ['datapath: proxy\n', 'datapath: proxy\nkubernetes: {serviceSubnet: 10.0.1.0/29, podSubnet: 10.0.4.0/22}\n'],
      ),
    ],
    ['paths with blanks within', edited(['/etc/hale/cluster.key', '/etc/ha le/ä.key'])],
    ['CRLF and a byte order mark', `\ufeff${example.replaceAll('\n', '\r\n')}`],
  ])('%s is allowed', (_, text) => {
    expect(problemsOf(text).map(formatProblem)).toEqual([]);
  });

  test('etcd URLs lose their trailing slash', () => {
    const text = edited(['topology: stacked', 'topology: external\n  endpoints: ["https://etcd1:2379/", "https://[FD00::1]:2379"]']);
    expect(read(text).etcd.endpoints).toEqual(['https://etcd1:2379', 'https://[fd00::1]:2379']);
  });
});

describe('a wrong file', () => {
  test.each(Object.entries(badFiles))('%s', (_, { text, problems }) => {
    expect(problemsOf(text).map(formatProblem)).toEqual(problems.map((problem) => `cluster.yaml:${problem}`));
  });

  test('every code is shown by one of these files', () => {
    const shown = new Set(Object.values(badFiles).flatMap(({ text }) => problemsOf(text).map(({ code }) => code)));
    expect([...shown].sort()).toEqual(Object.keys(wordings).sort());
  });

  test('a problem names the path as the file writes it', () => {
    expect(pathsOf(edited(['10.0.0.100', '10.0.0.255']))).toEqual(['endpoint.address']);
    expect(pathsOf(edited(['address: 10.0.0.100', 'address: [10.0.0.255]']))).toEqual(['endpoint.address[0]']);
  });

  test.each([
    ['name', 'prod', ['Prod', '-prod', 'prod-', 'a'.repeat(64), 'a.b', 'a_b', "''"]],
    ['endpoint.dnsName', 'api.prod.example.com', ['a..b', '1.2.3.4', `${'a.'.repeat(127)}a`, 'API.example.com']],
    ['endpoint.interface', 'eth0', ['a/b', 'sixteencharacter', '..', '"a b"', '"a:b"']],
    ['endpoint.address', '10.0.0.100', ['10.0.0.0100', '10.0.0.256', '10.0.0', '10.0.0.100/24', '"fe80::1%eth0"', '"::1::"']],
    ['controlPlane.hosts[1].address', '10.0.0.12/24', ['10.0.0.12/33', '10.0.0.12/', '"fd00::12/129"', '10.0.0.12/24/24']],
    ['agent.metricsAddress', '127.0.0.1:7701', ['127.0.0.1', '127.0.0.1:0', '127.0.0.1:65536', '"::1:7701"', '"[127.0.0.1]:1"']],
    [
      'agent.keyFile',
      '/etc/hale/cluster.key',
      ['cluster.key', '/', '"/a\\0b"', '"/a\\nb"', '"/a\\rb"', '"/a\\eb"', '"/a\\Nb"', '"/a "', '/a\\'],
    ],
    [
      'etcd.endpoints[0]',
      'https://10.0.0.21:2379',
      [
        'http://10.0.0.21:2379',
        'https://10.0.0.21',
        'https://etcd_1:2379',
        'https://etcd:0',
        'https://etcd:2379/v3',
        'https://fd00::1:2379',
      ],
    ],
    ['etcd.clientPort', '2379', ['0', '65536', '23.5', '-1', '-1.5', '99999.5', '.inf', '.nan', '1e400']],
  ])('%s refuses values beside %s', (path, value, refused) => {
    const external = ['topology: stacked', 'topology: external\n  endpoints: ["https://10.0.0.21:2379"]'] as const;
    const base = path.startsWith('etcd.endpoints') ? [external] : [];
    for (const other of refused) expect({ other, paths: pathsOf(edited(...base, [value, other])) }).toEqual({ other, paths: [path] });
  });

  test.each(['::', '::1', 'ff02::1', 'fe80::1', '::ffff:10.0.0.1', '0.0.0.0', '255.255.255.255', '239.1.1.1'])(
    '%s is no endpoint',
    (address) => {
      expect(problemsOf(edited(['address: 10.0.0.100', `address: "${address}"`])).map(({ code }) => code)).toEqual([
        'cluster_unusable_address',
      ]);
    },
  );

  test('thousands of brackets are a problem, not a crash', () => {
    expect(problemsOf('['.repeat(20_000) + ']'.repeat(20_000)).length).toBeGreaterThan(0);
  });
});

test('every mutation of the example is read or refused with places that exist, and never throws', () => {
  let count = 0;
  visit(parseDocument(example), { Node: () => void count++ });
  const strange = fc.constantFrom(null, '', '*x', '__proto__', -1, 2.5, true, [], {}, [[]], '10.0.0.12', '10.0.0.0/24', 'ff02::1', 'x: y');
  const mutation = fc.record({
    node: fc.nat(count - 1),
    how: fc.constantFrom('delete', 'replace'),
    value: fc.oneof(strange, fc.jsonValue()),
  });
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 3 }), (mutations) => {
      const document = parseDocument(example);
      for (const { node, how, value } of mutations) {
        let index = 0;
        // A key that is replaced is a key that is renamed.
        visit(document, { Node: () => (index++ === node ? (how === 'delete' ? visit.REMOVE : document.createNode(value)) : undefined) });
      }
      checkPlaces(document.contents === null ? '' : document.toString());
    }),
    { numRuns: 300 },
  );
  fc.assert(
    fc.property(
      fc.nat(example.length),
      fc.nat(20),
      fc.string({ unit: fc.constantFrom(...'[]{}:-?&*!|>\'"%@`#,~<\t\n\r \0\ufeffaé😀') }),
      (at, length, insert) => {
        checkPlaces(example.slice(0, at) + insert + example.slice(at + length));
      },
    ),
    { numRuns: 1000 },
  );
});

function checkPlaces(text: string) {
  const lines = text.split(/\r?\n/);
  const problems = problemsOf(text);
  for (const { line, column } of problems) {
    expect(line).toBeGreaterThanOrEqual(1);
    expect(line).toBeLessThanOrEqual(lines.length);
    expect(column).toBeGreaterThanOrEqual(1);
    expect(column).toBeLessThanOrEqual((lines[line - 1] as string).length + 1);
  }
  const order = problems.map(({ line, column }) => line * 10_000 + column);
  expect(order).toEqual([...order].sort((a, b) => a - b));
}

describe('nearest', () => {
  test('a swap, a slip, a lost letter and another case are near; another word is not', () => {
    const keys = ['address', 'port', 'interface', 'dnsName'];
    expect(['prot', 'adress', 'interfcae', 'DNSNAME', 'pport', 'metrics', 'x'].map((word) => nearest(word, keys))).toEqual([
      'port',
      'address',
      'interface',
      'dnsName',
      'port',
      undefined,
      undefined,
    ]);
  });

  test('the distance is symmetric, zero only for equals, and at most the longer length', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 });
    fc.assert(
      fc.property(word, word, (a, b) => {
        const distance = editDistance(a, b);
        expect(distance).toBe(editDistance(b, a));
        expect(distance === 0).toBe(a === b);
        expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length));
      }),
    );
  });
});
