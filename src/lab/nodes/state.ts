/**
 * The power of a lab's worker nodes and what is wrong with them: files in a folder that the host of their kubelets sees too, one for each thing, so that
 * several programs may change them at once without a lock.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readJson, writeJson } from '../folder.ts';

/**
 * `hung`: nothing on it moves; a power cycle puts that right. `cut`: it runs on, and the control plane and it do not hear each other. `broken`: it does not
 * come up, however often it is switched on. `unpowered`: its zone has no power, so that its management controller does not answer either.
 */
export type Ailment = 'hung' | 'cut' | 'broken' | 'unpowered';

export interface Affliction {
  ailment: Ailment;
  nodes: readonly string[];
}

export interface PowerRecord {
  on: boolean;
  /** Of the life that it leads since it was switched on. */
  bootId: string;
  /** Unix time in ms. */
  sinceMs: number;
}

export interface NodeStates {
  /** Everything that is wrong now, by its id. */
  afflictions(): Map<string, Affliction>;
  afflict(id: string, affliction: Affliction): void;
  /** Harmless when there is none. */
  relieve(id: string): void;
  /** The path of an affliction's file, for a shell that moves it away and back. */
  path(id: string): string;
  /** Of a node that was ever switched. */
  power(node: string): PowerRecord | undefined;
  switchOff(node: string): void;
  switchOn(node: string): void;
}

/** `folder` as the caller sees it. */
export function openNodeStates(folder: string): NodeStates {
  const afflictions = join(folder, 'afflictions');
  const powers = join(folder, 'power');
  for (const one of [afflictions, powers]) mkdirSync(one, { recursive: true });
  const path = (id: string): string => join(afflictions, `${id}.json`);
  const powerFile = (node: string): string => join(powers, `${node}.json`);
  const power = (node: string): PowerRecord | undefined => readJson<PowerRecord>(powerFile(node));
  const all = (): Map<string, Affliction> => {
    const ids = readdirSync(afflictions)
      .filter((file) => file.endsWith('.json'))
      .map((file) => file.slice(0, -'.json'.length));
    return new Map(
      ids.flatMap((id) => {
        // It may have gone since.
        const affliction = readJson<Affliction>(path(id));
        return affliction === undefined ? [] : [[id, affliction]];
      }),
    );
  };
  return {
    afflictions: all,
    afflict: (id, affliction) => writeJson(path(id), affliction),
    relieve: (id) => rmSync(path(id), { force: true }),
    path,
    power,
    switchOff: (node) => {
      if (power(node)?.on === false) return;
      writeJson(powerFile(node), { on: false, bootId: power(node)?.bootId ?? '', sinceMs: Date.now() } satisfies PowerRecord);
    },
    switchOn: (node) => {
      if (power(node)?.on !== false) return;
      // What hung is gone with the power; a fault of one node has an affliction of its own.
      for (const [id, { ailment, nodes }] of all()) if (ailment === 'hung' && nodes.includes(node)) rmSync(path(id), { force: true });
      writeJson(powerFile(node), { on: true, bootId: randomUUID(), sinceMs: Date.now() } satisfies PowerRecord);
    },
  };
}

/** The bootID of a node's first life; the seed keeps it from being that of another lab's. */
export function firstBootId(node: string, seed: string): string {
  const hex = createHash('sha256').update(`${seed} ${node}`).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join('-');
}
