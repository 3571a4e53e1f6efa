import { expect, test } from 'vitest';
import { readCommands, readScript } from '../../../../src/core/doctor/read/script.ts';
import { placeOf } from '../../../../src/core/doctor/text-file.ts';

const read = (text: string) => readScript({ path: 'check.sh', text });
const words = (text: string) => read(text).script.commands.map((command) => command.words);

test.each([
  ['a b; c & d | e && f || g\nh', ['a b', 'c', 'd', 'e', 'f', 'g', 'h']],
  ['if ! curl -f x; then exit 1; fi', ['curl -f x', 'exit 1']],
  ['while true; do sleep 1; done # for ever', ['true', 'sleep 1']],
  ['f() {\n  a\n}\nfunction g {\n b; }', ['a', 'g {', 'b']],
  ['for ep in 1 2; do etcdctl defrag; done', ['for ep in 1 2', 'etcdctl defrag']],
  ['case $1 in\n a|b) x ;;\n (c) y;;\n *) z\nesac\nend', ['case $1 in', 'x', 'y', 'z', 'end']],
  ['kubeadm join \\\r\n  10.0.0.1:6443 \\\n --token a', ['kubeadm join 10.0.0.1:6443 --token a']],
  ['curl x >/dev/null 2>&1 <in &>>log', ['curl x']],
  ['[[ a == b && (c || d) ]] && e', ['[[ a == b c d ]]', 'e']],
  ['x=(1 2 3) y', ['x=(1 2 3) y']],
  ['(a; b) | c', ['a', 'b', 'c']],
  ['((i++)); a $((1 << 2))', ['a $((1 << 2))']],
  ['export A=1\r\nETCDCTL_API=3 etcdctl get', ['export A=1', 'ETCDCTL_API=3 etcdctl get']],
])('commands of %j', (text, commands) => {
  expect(words(text).map((command) => command.join(' '))).toEqual(commands);
  expect(read(text).troubles).toEqual([]);
});

test('quotes are taken off, variables stay', () => {
  expect(words(`echo 'a b' "c $D" e\\ f "g"'h' $'i\\'j' \${K#l} "\\$m"`)).toEqual([
    ['echo', 'a b', 'c $D', 'e f', 'gh', "i\\'j", '${K#l}', '$m'],
  ]);
});

test('what is substituted is run too', () => {
  expect(words('v="$(ip addr | grep -q "$VIP")" w=`hostname -s` x')).toEqual([
    ['v=$(ip addr | grep -q "$VIP")', 'w=`hostname -s`', 'x'],
    ['ip', 'addr'],
    ['grep', '-q', '$VIP'],
    ['hostname', '-s'],
  ]);
});

test('what stands behind a command', () => {
  expect(read('a || true; b').script.commands.map(({ operator }) => operator)).toEqual(['||', ';', '']);
});

test('here-documents are text, and know whether the shell expands them', () => {
  const { commands } = read("cat <<EOF | tee a\nx $Y\nEOF\ncat <<-'END' >b\n\tz\n\tEND\nc\n").script;
  expect(commands.map((command) => [command.words.join(' '), command.heredoc?.text, command.heredoc?.quoted])).toEqual([
    ['cat', 'x $Y\n', false],
    ['tee a', undefined, undefined],
    ['cat', '\tz\n', true],
    ['c', undefined, undefined],
  ]);
});

test('a quote that is never closed is told', () => {
  expect(read('a\nb "c\nd').troubles.map(({ kind, at }) => [kind, placeOf(at)])).toEqual([['unclosed', { line: 2, column: 3 }]]);
});

test('a part of a file has the places of the whole', () => {
  const text = 'script "killall -0 haproxy"\n';
  const [command] = readCommands({ file: { path: 'keepalived.conf', text }, start: 8, end: text.length - 2 });
  expect(command?.words).toEqual(['killall', '-0', 'haproxy']);
  expect(placeOf(command!.spans[2]!)).toEqual({ line: 1, column: 20 });
});
