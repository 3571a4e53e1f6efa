import type { Span } from '../text-file.ts';
import { linesOf } from './lines.ts';
import type { ShellCommand } from './script.ts';
import type { Trouble } from './trouble.ts';

/* The grammar of POSIX.1-2024, volume "Shell & Utilities", chapter 2, as far as it takes to find commands. */

type Draft = { -readonly [K in keyof ShellCommand]: ShellCommand[K] } & { words: string[]; spans: Span[] };

/** One list of commands: a script, or what a command substitution holds. */
interface List {
  draft: Draft;
  /** What ends it. */
  closer: ')' | undefined;
  /** Subshells that are open in it. */
  depth: number;
  /** `case … esac` that are open in it. */
  cases: number;
  /** Between `in` or `;;` and `)` of a case. */
  isPattern: boolean;
}

/** Words that begin a command but are none. `for` and `case` stay, with what they go through. */
const RESERVED = new Set(['if', 'then', 'elif', 'else', 'fi', 'while', 'until', 'do', 'done', '!', '{', '}', 'time', 'esac', 'function']);

/** Real scripts have three levels; the bound keeps a hostile one from exhausting the stack. */
const DEPTH_MAX = 30;

export class ShellReader {
  readonly troubles: Trouble[] = [];
  private readonly commands: Draft[] = [];
  private readonly heredocs: { draft: Draft; word: string; quoted: boolean; hasTabs: boolean }[] = [];
  private readonly range: Span;
  private readonly text: string;
  private at: number;
  private depth = 0;

  constructor(range: Span) {
    this.range = range;
    this.text = range.file.text.slice(0, range.end);
    this.at = range.start === 0 && this.text.startsWith('\uFEFF') ? 1 : range.start;
  }

  read(): ShellCommand[] {
    this.list(undefined);
    return this.commands.filter(({ words }) => words.length > 0).sort((a, b) => a.span.start - b.span.start);
  }

  private list(closer: ')' | undefined): void {
    const list: List = { draft: this.newDraft(), closer, depth: 0, cases: 0, isPattern: false };
    while (this.at < this.text.length) {
      const char = this.text.charAt(this.at);
      if (/[ \t\r]/.test(char)) this.at++;
      else if (char === '\\' && /^\r?\n/.test(this.text.slice(this.at + 1, this.at + 3))) this.at = this.text.indexOf('\n', this.at) + 1;
      else if (char === '#') this.at = this.lineEnd();
      else if (char === '\n') {
        this.end(list, '');
        this.at++;
        this.readHeredocs();
      } else if (isTest(list.draft)) this.word(list);
      else if (char === ')' && this.closes(list)) return;
      else if (/[;&|(]/.test(char)) this.operator(list);
      else if (char === ')') this.at++;
      else if (char === '<' || char === '>') this.redirection(list);
      else this.word(list);
    }
    this.end(list, '');
  }

  /** Whether a closing bracket ends the list; inside it, it ends a subshell or a pattern of `case`. */
  private closes(list: List): boolean {
    if (list.isPattern) {
      list.isPattern = false;
      list.draft = this.newDraft();
      return false;
    }
    this.end(list, '');
    if (list.depth === 0 && list.closer === ')') {
      this.at++;
      return true;
    }
    list.depth = Math.max(0, list.depth - 1);
    return false;
  }

  private operator(list: List): void {
    const found = /^(?:;;&|;;|;&|&>>|&>|&&|\|\||\|&|[;&|(])/.exec(this.text.slice(this.at, this.at + 3))?.[0] ?? '';
    if (found.startsWith('&>')) return this.redirection(list);
    this.at += found.length;
    if (list.isPattern) return;
    if (found === '(' && this.text[this.at] === '(' && list.draft.words.length === 0) return this.skipBalanced(this.at - 1);
    const isFunction = found === '(' && list.draft.words.length === 1 && /^\s*\)/.test(this.text.slice(this.at, this.at + 8));
    if (isFunction) list.draft = this.newDraft();
    else
      this.end(
        list,
        found === '|&' ? '|' : found === ';' || found === '&' || found === '|' || found === '&&' || found === '||' ? found : '',
      );
    if (found === '(') list.depth++;
    if (found.length > 1 && found.startsWith(';') && list.cases > 0) list.isPattern = true;
  }

  /** `> FILE`, `2>&1`, `<<EOF`: no words of the command. */
  private redirection(list: List): void {
    const found = /^(?:<<<|<<-|<<|<>|<&|>>|>&|>\||&>>|&>|<\(|>\(|<|>)/.exec(this.text.slice(this.at, this.at + 3))?.[0] ?? '<';
    this.at += found.length;
    if (found.endsWith('(')) return this.substitution();
    while (/[ \t]/.test(this.text.charAt(this.at))) this.at++;
    if (/[\s;&|()<>]/.test(this.text.charAt(this.at))) return;
    const start = this.at;
    const word = this.readWord();
    const quoted = /["'\\]/.test(this.text.slice(start, this.at));
    if (found === '>' || found === '>>') list.draft.output = { path: word, isAdded: found === '>>' };
    if (found === '<<' || found === '<<-') this.heredocs.push({ draft: list.draft, word, quoted, hasTabs: found === '<<-' });
  }

  private word(list: List): void {
    const start = this.at;
    const text = this.readWord();
    if (this.at === start) {
      // An operator inside of [[ … ]]: part of the condition.
      this.at++;
      return;
    }
    const raw = this.text.slice(start, this.at);
    const { draft } = list;
    const isDescriptor = /^\d+$/.test(raw) && /[<>]/.test(this.text.charAt(this.at));
    if (isDescriptor) return;
    if (draft.words.length === 0 && raw === 'esac') {
      list.cases = Math.max(0, list.cases - 1);
      list.isPattern = false;
    }
    if (draft.words.length === 0 && RESERVED.has(raw)) return;
    draft.words.push(text);
    draft.spans.push({ file: this.range.file, start, end: this.at });
    if (draft.words[0] === 'case' && draft.words.length > 2 && raw === 'in') {
      this.end(list, '');
      list.cases++;
      list.isPattern = true;
    }
  }

  /** Reads to the end of the word; what is in its substitutions becomes commands. */
  private readWord(): string {
    let word = '';
    while (this.at < this.text.length) {
      const char = this.text.charAt(this.at);
      if (/[\s;&|<>()]/.test(char)) {
        if (char !== '(' || !/^\w+\+?=$/.test(word)) break;
        word += this.raw(() => this.skipBalanced(this.at));
      } else if (char === '\\') {
        const next = /^\\(\r?\n|[^])?/.exec(this.text.slice(this.at, this.at + 3)) as RegExpExecArray;
        word += next[1]?.trim() === '' && next[1].includes('\n') ? '' : (next[1] ?? '');
        this.at += next[0].length;
      } else if (char === "'") word += this.single(this.at);
      else if (char === '"') word += this.double();
      else if (char === '$' && this.text[this.at + 1] === "'") {
        this.at++;
        word += this.single(this.at, { hasEscapes: true });
      } else if (char === '$' || char === '`') word += this.expansion();
      else {
        word += char;
        this.at++;
      }
    }
    return word;
  }

  private single(start: number, { hasEscapes = false } = {}): string {
    let end = start + 1;
    while (end < this.text.length && this.text[end] !== "'") end += hasEscapes && this.text[end] === '\\' ? 2 : 1;
    if (end >= this.text.length) this.unclosed(start);
    this.at = Math.min(end + 1, this.text.length);
    return this.text.slice(start + 1, end);
  }

  private double(): string {
    const start = this.at++;
    let word = '';
    while (this.at < this.text.length) {
      const char = this.text.charAt(this.at);
      if (char === '"') {
        this.at++;
        return word;
      }
      if (char === '\\') {
        const next = this.text.charAt(this.at + 1);
        word += next === '\n' ? '' : '"\\$`'.includes(next) ? next : `\\${next}`;
        this.at += 2;
      } else if (char === '$' || char === '`') word += this.expansion();
      else {
        word += char;
        this.at++;
      }
    }
    this.at = Math.min(this.at, this.text.length);
    this.unclosed(start);
    return word;
  }

  /** `$NAME`, `${…}`, `$((…))`, `$(…)` or backquotes, as they are written. */
  private expansion(): string {
    return this.raw(() => {
      const next = this.text.slice(this.at, this.at + 3);
      if (next.startsWith('$((')) this.skipBalanced(this.at + 1);
      else if (next.startsWith('$(')) {
        this.at += 2;
        this.substitution();
      } else if (next.startsWith('${')) this.parameter();
      else if (next.startsWith('`')) this.backquoted();
      else this.at++;
    });
  }

  private raw(read: () => void): string {
    const start = this.at;
    read();
    this.at = Math.min(this.at, this.text.length);
    return this.text.slice(start, this.at);
  }

  private substitution(): void {
    if (this.depth >= DEPTH_MAX) return;
    this.depth++;
    this.list(')');
    this.depth--;
  }

  private parameter(): void {
    // A bound, so that a hostile line is not gone through from each of its places.
    const end = this.text.slice(this.at, this.at + 1000).search(/[}\n]/);
    this.at = end === -1 || this.text[this.at + end] === '\n' ? this.at + 2 : this.at + end + 1;
  }

  private backquoted(): void {
    const start = this.at;
    let end = start + 1;
    while (end < this.text.length && this.text[end] !== '`') end += this.text[end] === '\\' ? 2 : 1;
    if (end >= this.text.length) this.unclosed(start);
    else if (this.depth < DEPTH_MAX) {
      const inner = new ShellReader({ ...this.range, start: start + 1, end });
      inner.depth = this.depth + 1;
      this.commands.push(...(inner.read() as Draft[]));
    }
    this.at = end + 1;
  }

  /** Over brackets with brackets in them, such as arithmetic and arrays. */
  private skipBalanced(start: number): void {
    let open = 0;
    for (this.at = start; this.at < this.text.length; this.at++) {
      const char = this.text[this.at];
      if (char === '(') open++;
      else if (char === ')' && --open === 0) break;
    }
    this.at = Math.min(this.at + 1, this.text.length);
  }

  private readHeredocs(): void {
    for (const { draft, word, quoted, hasTabs } of this.heredocs.splice(0)) {
      const start = this.at;
      let end = this.text.length;
      for (const line of linesOf({ ...this.range.file, text: this.text.slice(start) })) {
        const text = this.text.slice(start + line.start, start + line.end);
        if ((hasTabs ? text.replace(/^\t+/, '') : text) !== word) continue;
        end = start + line.start;
        break;
      }
      draft.heredoc = { text: this.text.slice(start, end), span: { ...this.range, start, end }, quoted, target: this.targetOf(draft) };
      this.at = end === this.text.length ? end : this.lineEnd(end);
    }
  }

  /** `cat > FILE <<EOF`, `tee FILE <<EOF` and `cat <<EOF | tee FILE`. */
  private targetOf(draft: Draft): ShellCommand['output'] {
    const next = draft.operator === '|' ? this.commands.find(({ span }) => span.start > draft.span.start) : undefined;
    const tee = [draft, next].find((command) => command?.words.includes('tee'));
    const written = tee?.words.slice(tee.words.indexOf('tee') + 1).find((word) => !word.startsWith('-'));
    if (written !== undefined) return { path: written, isAdded: tee?.words.includes('-a') === true };
    return draft.output?.path === '/dev/null' ? undefined : draft.output;
  }

  private lineEnd(from = this.at): number {
    const next = this.text.indexOf('\n', from);
    return next === -1 ? this.text.length : next;
  }

  private unclosed(at: number): void {
    this.troubles.push({ kind: 'unclosed', at: { ...this.range, start: at, end: at + 1 }, detail: 'this quote is never closed' });
  }

  private newDraft(): Draft {
    return { words: [], spans: [], span: { ...this.range, start: this.at, end: this.at }, operator: '' };
  }

  private end(list: List, operator: ShellCommand['operator']): void {
    const { draft } = list;
    const [first, last] = [draft.spans[0], draft.spans.at(-1)];
    if (!list.isPattern && first !== undefined && last !== undefined) {
      draft.span = { ...first, end: last.end };
      draft.operator = operator;
      this.commands.push(draft);
    }
    list.draft = this.newDraft();
  }
}

/** Within `[[ … ]]`, operators are part of the condition. */
const isTest = ({ words }: Draft): boolean => words[0] === '[[' && words.at(-1) !== ']]';
