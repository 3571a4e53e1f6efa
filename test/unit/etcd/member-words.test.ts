import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HaleError } from '../../../src/base/error.ts';
import { initialCluster, joinLines } from '../../../src/core/etcd/members/join.ts';
import { isPassingRefusal, memberRefusal } from '../../../src/core/etcd/members/words.ts';
import { decodeReplacement, encodeReplacement, type MemberWish, targetOf } from '../../../src/core/etcd/members/target.ts';
import type { EtcdMemberView } from '../../../src/core/etcd/view.ts';
import { coming, leaving, three, urlOf, viewFrom } from '../../support/etcd-view.ts';

describe('whom words mean', () => {
  const members = viewFrom(three()).members.map((member) => ({
    ...member,
    peerUrls: [...member.peerUrls],
    clientUrls: [...member.clientUrls],
  }));
  const known = { members, record: undefined, urlsOf: (name: string) => (name === 'host4' ? ['https://10.0.0.4:2380'] : undefined) };
  const meant = (wish: MemberWish, more = {}) => targetOf(wish, {}, { ...known, ...more });
  const failing = (wish: MemberWish, more = {}): HaleError => {
    try {
      meant(wish, more);
    } catch (error) {
      return error as HaleError;
    }
    return expect.fail('is understood');
  };
  const replace = { verb: 'replace', member: 'm2', name: undefined, peerUrls: undefined, by: 'hale' } as const;

  test('a member is named by name, id in either form, or peer URL', () => {
    for (const member of ['m1', 'a1', '0xA1', '00a1', urlOf(1)]) expect(meant({ verb: 'remove', member }).leaving?.id).toBe('a1');
  });

  test('an unknown, an empty or an ambiguous name is refused with what there is', () => {
    expect(failing({ verb: 'remove', member: 'm9' })).toMatchObject({
      code: 'etcd_member_unknown',
      message: expect.stringContaining('m0 (member a0)'),
    });
    const unstarted = [...members, { ...(members[0] as EtcdMemberView), id: 'a9', name: '' }];
    expect(failing({ verb: 'remove', member: '' }, { members: unstarted }).code).toBe('etcd_member_unknown');
    const namesake = [...members, { ...(members[0] as EtcdMemberView), id: 'b0', name: 'a1' }];
    expect(failing({ verb: 'remove', member: 'a1' }, { members: namesake })).toMatchObject({
      code: 'etcd_member_ambiguous',
      kind: 'usage',
    });
  });

  test('a successor has the same place by default, that of a host of the description, or what is said', () => {
    expect(meant(replace).coming).toEqual({ name: 'm2', peerUrls: [urlOf(2)], by: 'hale' });
    expect(meant({ ...replace, name: 'host4' }).coming?.peerUrls).toEqual(['https://10.0.0.4:2380']);
    expect(failing({ ...replace, name: 'm9' }).code).toBe('etcd_peer_url_missing');
    expect(meant({ ...replace, peerUrls: ['https://x:1'] }).coming).toMatchObject({ name: 'm2', peerUrls: ['https://x:1'] });
  });

  test('a replacement that was begun goes on when the same is said again, and only then', () => {
    const record = {
      leaving: { ...leaving(2), id: 'gone', name: 'm2' },
      coming: { name: 'm2', peerUrls: [urlOf(8)], by: 'hale' as const },
    };
    const two = members.slice(0, 2);
    const learner = { ...(members[1] as EtcdMemberView), id: 'ff', name: '', peerUrls: [urlOf(8)], clientUrls: [], isLearner: true };
    for (const present of [two, [...two, learner], [...two, { ...learner, name: 'm2' }]])
      expect(meant(replace, { members: present, record })).toMatchObject(record);
    expect(meant({ ...replace, member: 'gone' }, { members: two, record })).toMatchObject(record);
    // Its successor is a voter by now: nothing is left. But once that is dead, it is the one that is meant.
    const arrived = { ...learner, name: 'm2', isLearner: false };
    expect(meant(replace, { members: [...two, arrived], record }).leaving?.id).toBe('gone');
    expect(meant(replace, { members: [...two, { ...arrived, status: null }], record }).leaving?.id).toBe('ff');
    // What was recorded was not begun: the words count.
    expect(meant(replace, { record: { ...record, leaving: leaving(2) } }).coming?.peerUrls).toEqual([urlOf(2)]);
    expect(failing({ ...replace, member: 'm5' }, { members: two, record }).code).toBe('etcd_member_unknown');
    expect(failing({ ...replace, peerUrls: ['https://other:1'] }, { members: two, record }).code).toBe('etcd_member_unknown');
  });

  test('the record of it is read back, and anything else is none', () => {
    const record = { leaving: leaving(2), coming: { name: 'é', peerUrls: [urlOf(8)], by: 'hale' as const } };
    expect(decodeReplacement(encodeReplacement(record))).toEqual(record);
    fc.assert(fc.property(fc.json(), (json) => void expect(decodeReplacement(Buffer.from(json))).toBeUndefined()));
  });
});

describe('what is to be done on the new host', () => {
  const facts = {
    coming: coming(7),
    members: [...viewFrom(three()).members, { id: 'f', name: '', peerUrls: [urlOf(7)] }],
    dataDir: '/var/lib/etcd',
    isRendered: false,
  };

  test('the list has every member and the new one once, by its name', () => {
    const list = [0, 1, 2, 7].map((i) => `m${i}=${urlOf(i)}`).join(',');
    expect(initialCluster(facts)).toBe(list);
    const started = facts.members.map((member) => (member.name === '' ? { ...member, name: 'm7' } : member));
    expect(initialCluster({ ...facts, members: started })).toBe(list);
  });

  test.each(['hale', 'kubeadm', 'k3s'] as const)('old data is put aside before the start (%s)', (by) => {
    const lines = joinLines({ ...facts, by });
    const aside = lines.findIndex((line) => /mv \/var\/lib/.test(line));
    const start = lines.findIndex((line) => /systemctl start|join command, with/.test(line));
    expect(aside).toBeGreaterThan(0);
    expect(start).toBeGreaterThan(aside);
  });
});

describe("etcd's refusals", () => {
  const said = (words: string) =>
    new HaleError({ code: 'etcd_refused', kind: 'world', message: `etcd member add failed: https://x: etcdserver: ${words}` });

  test.each([
    ['unhealthy cluster', 'etcd_refused_unhealthy', true],
    ['re-configuration failed due to not enough started members', 'etcd_refused_unhealthy', false],
    ['can only promote a learner member which is in sync with leader', 'etcd_learner_behind', true],
    ['too many learner members in cluster', 'etcd_learner_present', false],
    ['Peer URLs already exists', 'etcd_members_differ', false],
    ['member ID already exist', 'etcd_members_differ', false],
    ['member not found', 'etcd_members_differ', false],
    ['can only promote a learner member', 'etcd_members_differ', false],
  ])('%s', (words, code, passes) => {
    expect(memberRefusal(said(words))).toMatchObject({ code, remedy: expect.stringMatching(/./), message: expect.stringContaining(words) });
    expect(isPassingRefusal(said(words), 'promote')).toBe(passes);
  });

  test('an id that was removed in the same second is another one in the next', () => {
    expect(isPassingRefusal(said('member not found'), 'add')).toBe(true);
  });

  test('another error stays what it is', () => {
    const error = said('request timed out');
    expect(memberRefusal(error)).toBe(error);
  });
});
