import type { BgpRoute } from '../../core/bgp/route.ts';
import type { BgpPeerStatus } from '../../engine/bgp.ts';
import type { Tapped } from './tap.ts';
import type { BgpWorld, WorldEvent } from './world.ts';

export type BgpViolationKind =
  /** Two connections to one peer beyond OpenSent at one end. */
  | 'two-sessions'
  /** A router has routes of a session that is not Established. */
  | 'route-remains'
  /** A session is Established although nothing has been heard for the hold time. */
  | 'silent-session'
  /** A session ended while nothing was wrong. */
  | 'lost-in-calm'
  /** After a long calm a router's session is not Established, or its table is not what the speaker announces. */
  | 'not-converged';

export interface BgpViolation {
  kind: BgpViolationKind;
  at: number;
  text: string;
}

/** Timers are late by nothing here, so that this is for rounding. */
const LATE_MS = 1;

/** Looks at a world from outside: at bytes, and at what its engines say of themselves. */
export class BgpMonitor {
  readonly violations: BgpViolation[] = [];
  readonly #world: BgpWorld;
  /** No fault is under way, and the last one is so long ago that all must have come right. */
  isCalm = false;

  constructor(world: BgpWorld) {
    this.#world = world;
  }

  note(event: WorldEvent): void {
    if (event.kind === 'down' && this.isCalm) this.#found('lost-in-calm', `${event.host} and ${event.peer}: ${event.error.text}`);
  }

  /** What must hold at any time. */
  look(): void {
    const { routers, speaker, speakerTap, schedule } = this.#world;
    this.#lookForTwo('the speaker', speakerTap.connections);
    const lookForSilence = (status: BgpPeerStatus, heardAt: ReadonlyMap<string, number>, host: string) => {
      const { session, state, address } = status;
      if (state !== 'Established' || session === undefined || session.holdTimeMs === 0) return;
      const until = (heardAt.get(address) ?? Number.NEGATIVE_INFINITY) + session.holdTimeMs + LATE_MS;
      if (schedule.now > until) this.#found('silent-session', `${host} has not heard ${address}`);
    };
    const heardBySpeaker = heardAtOf(speakerTap.connections);
    for (const status of speaker.status()) lookForSilence(status, heardBySpeaker, 'the speaker');
    for (const { address, engine, tap } of routers) {
      this.#lookForTwo(address, tap.connections);
      const [status] = engine.status() as [BgpPeerStatus];
      lookForSilence(status, heardAtOf(tap.connections), address);
      const remaining = [...tap.connections].filter(
        ({ isConfirmed, routes }) => routes.size > 0 && !(isConfirmed && status.state === 'Established'),
      );
      if (remaining.length > 0) this.#found('route-remains', `${address} is ${status.state}`);
    }
  }

  /** What must hold after a calm. */
  lookForConvergence(): void {
    const { routers, routes } = this.#world;
    for (const { address, engine, tap, config } of routers) {
      const [{ state, session, lastError }] = engine.status() as [BgpPeerStatus];
      if (state !== 'Established') this.#found('not-converged', `${address} is ${state}: ${lastError?.text ?? ''}`);
      const families = session?.families ?? [];
      const wanted = routes.filter(({ prefix }) => families.includes(prefix.includes(':') ? 'IPv6' : 'IPv4'));
      const [connection] = tap.connections;
      const isInternal = config.localAsn === config.remoteAsn;
      const texts = [
        textOfTable(connection),
        wanted
          .map((route) => textOfRoute(route, isInternal ? 'internal' : 'external'))
          .toSorted()
          .join(),
      ];
      if (texts[0] !== texts[1]) this.#found('not-converged', `${address} has ${texts[0]}, and should have ${texts[1]}`);
      if (connection !== undefined && connection.endsOfRib !== families.length) {
        this.#found('not-converged', `${address} has got ${connection.endsOfRib} End-of-RIB for ${families.length} families`);
      }
    }
  }

  #lookForTwo(host: string, connections: Iterable<Tapped>): void {
    const seen = new Set<string>();
    for (const { remote, isConfirmed } of connections) {
      if (!isConfirmed) continue;
      if (seen.has(remote)) this.#found('two-sessions', `${host} has two with ${remote}`);
      seen.add(remote);
    }
  }

  #found(kind: BgpViolationKind, text: string): void {
    this.violations.push({ kind, at: this.#world.schedule.now, text });
  }
}

function heardAtOf(connections: Iterable<Tapped>): Map<string, number> {
  const heardAt = new Map<string, number>();
  for (const { remote, receivedAt } of connections) heardAt.set(remote, Math.max(receivedAt, heardAt.get(remote) ?? 0));
  return heardAt;
}

function textOfTable(connection: Tapped | undefined): string {
  const lines = [...(connection?.routes ?? [])].map(([prefix, { communities = [], med, localPreference }]) =>
    [prefix, communities.join('+'), med, localPreference].join(' '),
  );
  return lines.toSorted().join();
}

function textOfRoute({ prefix, communities, med, localPreference = 100 }: BgpRoute, peer: 'internal' | 'external'): string {
  return [prefix, communities.join('+'), med, peer === 'internal' ? localPreference : undefined].join(' ');
}
