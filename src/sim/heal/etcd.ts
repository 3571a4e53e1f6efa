import type { EtcdAnswer, EtcdView } from '../../core/etcd/view.ts';
import { viewOf } from '../../core/etcd/view.ts';
import type { SimHealHost } from './host.ts';

/** Stacked etcd: a member on each control-plane host, which answers while that is up, and knows a leader while a majority is. */
export class SimEtcd {
  readonly #hosts: readonly SimHealHost[];

  constructor(hosts: readonly SimHealHost[]) {
    this.#hosts = hosts;
  }

  get hasQuorum(): boolean {
    return this.#withQuorum(this.#hosts.filter(({ up }) => up).length);
  }

  /** Whether a majority is left without this host. */
  canLose(host: SimHealHost): boolean {
    return this.#withQuorum(this.#hosts.filter((other) => other.up && other !== host).length);
  }

  view(): EtcdView {
    const leader = this.#hosts.findIndex(({ up }) => up);
    const members = this.#hosts.map(({ name }, i) => ({
      id: `${i}`,
      name,
      peerUrls: [`https://${name}:2380`],
      clientUrls: [`https://${name}:2379`],
      isLearner: false,
    }));
    const answers = this.#hosts.map(({ name, up }, i): EtcdAnswer => {
      const url = `https://${name}:2379`;
      if (!up) return { url, problem: 'no route to host' };
      const leaderId = this.hasQuorum ? `${leader}` : undefined;
      const numbers = { raftTerm: 2, raftIndex: 9, raftAppliedIndex: 9, revision: 9, dbSizeBytes: 1, dbSizeInUseBytes: 1 };
      return {
        url,
        members,
        status: { memberId: `${i}`, leaderId, ...numbers, isLearner: false, version: '3.6.0', errors: [], quotaBytes: undefined },
      };
    });
    return viewOf(answers);
  }

  #withQuorum(alive: number): boolean {
    return alive >= Math.floor(this.#hosts.length / 2) + 1;
  }
}
