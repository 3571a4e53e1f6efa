import { describe, expect, test } from 'vitest';
import type { Finding } from '../../../src/core/doctor/finding.ts';
import { mend } from '../../../src/core/doctor/mend.ts';
import type { TextFile } from '../../../src/core/doctor/text-file.ts';

const file: TextFile = { path: 'a.cfg', text: 'one two three\nfour\n' };

/** A finding that replaces each of these words of the file. */
function replacing(words: Record<string, string>, of: TextFile = file): Finding {
  const edits = Object.entries(words).map(([word, text]) => {
    const start = of.text.indexOf(word);
    return { span: { file: of, start, end: start + word.length }, text };
  });
  return { id: 'a-b', severity: 'error', file: of.path, line: 1, column: 1, message: '', why: '', fix: '', edits, url: '' };
}

const insertingAt = (start: number, text: string): Finding => ({ ...replacing({}), edits: [{ span: { file, start, end: start }, text }] });

const mended = (...findings: Finding[]) => mend(findings, new Set([file]));

describe('edits of findings', () => {
  test('are carried out at their places, whatever their order', () => {
    const { files, postponed } = mended(replacing({ four: '4' }), replacing({ one: 'eins', three: '' }));
    expect(files.map(({ text }) => text)).toEqual(['eins two \n4\n']);
    expect(postponed).toEqual([]);
  });

  test('of two that overlap the first wins, and of the other finding nothing is done', () => {
    const { files, postponed, mended: done } = mended(replacing({ 'two three': '2 3' }), replacing({ four: '4', three: 'drei' }));
    expect(files.map(({ text }) => text)).toEqual(['one 2 3\nfour\n']);
    expect([done.length, postponed.length]).toEqual([1, 1]);
  });

  test('that are the same are carried out once; two different insertions at one place are not both', () => {
    const { files, mended: done, postponed } = mended(insertingAt(4, 'x '), insertingAt(4, 'x '), insertingAt(4, 'y '));
    expect(files.map(({ text }) => text)).toEqual(['one x two three\nfour\n']);
    expect([done.length, postponed.length]).toEqual([2, 1]);
  });

  test('touch no file that cannot be written', () => {
    expect(mend([replacing({ one: '1' })], new Set())).toEqual({ files: [], mended: [], postponed: [] });
  });

  test('break lines as the file does', () => {
    const windows: TextFile = { path: 'b.cfg', text: 'one\r\ntwo\r\n' };
    const { files } = mend([replacing({ two: 'two\nthree' }, windows)], new Set([windows]));
    expect(files.map(({ text }) => text)).toEqual(['one\r\ntwo\r\nthree\r\n']);
  });
});
