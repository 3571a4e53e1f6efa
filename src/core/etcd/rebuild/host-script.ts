/**
 * What is done to folders and files of a host, as small shell programs that any host runs. Each may be run again after it was cut short anywhere, also while what was
 * left of the run before still works: that has a folder of its own (mktemp), and only a rename shows the result. The disk has it before the program ends.
 */

const script = (text: string, ...words: readonly string[]): string[] => ['sh', '-c', `set -eu\numask 077\n${text}`, 'hale', ...words];

/** Moves a folder within its file system. Done when it is gone and the other is there; where both are, somebody else made one, and nothing is touched. */
const MOVE = `if [ -e "$1" ] && [ -e "$2" ]; then echo "$1 and $2 both exist" >&2; exit 9; fi
if [ -e "$1" ]; then mv -T "$1" "$2"; fi
if [ "$3" = must ] && [ ! -e "$2" ]; then echo "$1 does not exist" >&2; exit 9; fi
sync "$(dirname "$1")" "$(dirname "$2")"`;

/** `missing`: whether it is an error when there is nothing to move. */
export function moveArgv(from: string, to: string, { missing }: { missing: 'error' | 'fine' }): string[] {
  return script(MOVE, from, to, missing === 'error' ? 'must' : 'may');
}

const COPY = `list() { cd "$1" && find . -printf '%y %s %p\\n' | grep -v '^d' | sort; }
if [ -e "$2" ] || [ ! -e "$1" ]; then exit 0; fi
work=$(mktemp -d "$2.XXXXXX")
trap 'rm -rf "$work"' EXIT
cp -a --reflink=auto "$1" "$work/copy"
if [ "$(list "$1")" != "$(list "$work/copy")" ]; then echo "the copy of $1 has other sizes" >&2; exit 9; fi
sync -f "$work"
mv -T "$work/copy" "$2"
sync "$(dirname "$2")"`;

/** Copies a folder that nobody writes to, and compares the sizes of all files. */
export function copyArgv(from: string, to: string): string[] {
  return script(COPY, from, to);
}

const PUT = `if [ -e "$1" ] && [ "$(sha256sum <"$1")" = "$2  -" ]; then exit 0; fi
work=$(mktemp "$1.XXXXXX")
trap 'rm -f "$work"' EXIT
cat >"$work"
sync "$work"
if [ "$(sha256sum <"$work")" != "$2  -" ]; then echo "what arrived is not what was sent" >&2; exit 9; fi
mv -T "$work" "$1"
sync "$(dirname "$1")"`;

/** Writes its standard input to a file, mode 0600; the hash is that of what the disk gives back. */
export function putArgv(path: string, sha256: string): string[] {
  return script(PUT, path, sha256);
}

const RESTORE = `data=$1 made=$2
shift 2
if [ -e "$made" ]; then exit 0; fi
work=$(mktemp -d "$made.XXXXXX")
trap 'rm -rf "$work"' EXIT
"$@" --data-dir="$work/data" >&2
chmod 0700 "$work/data"
chown -R --reference="$data" "$work/data"
sync -f "$work"
mv -T "$work/data" "$made"
sync "$(dirname "$made")"`;

/** Runs a restore into a new folder beside the data in `dataDir`, and gives it that folder's owner. */
export function restoreArgv(options: { dataDir: string; made: string; command: readonly string[] }): string[] {
  return script(RESTORE, options.dataDir, options.made, ...options.command);
}

/** Removes what this operation made under that name, and what was left of it half made. */
const REMOVE = `for path in "$@"; do rm -rf -- "$path" "$path".??????; done`;

export function removeArgv(...paths: readonly string[]): string[] {
  return script(REMOVE, ...paths);
}

/** The first program that can restore a snapshot: what it is, what it can, and what room there is. */
const LOOK = `data=$1
shift
echo "avail=$(df -B1 --output=avail "$data" | tail -n 1 | tr -d ' ')"
echo "used=$(du -sB1 "$data/member" 2>/dev/null | cut -f1)"
for tool in "$@"; do
  path=$(command -v "$tool") || continue
  help=$(ETCDCTL_API=3 "$path" snapshot restore --help 2>&1) || continue
  case $help in *initial-cluster-token*) ;; *) continue ;; esac
  echo "tool=$path"
  case $help in *bump-revision*) echo bumps=yes ;; esac
  echo "version=$(ETCDCTL_API=3 "$path" version 2>/dev/null | sed -n 's/^etcd[a-z]* version: //p')"
  break
done`;

export function lookArgv(dataDir: string, toolFolders: readonly string[]): string[] {
  const tools = [...toolFolders.flatMap((folder) => [`${folder}/etcdutl`, `${folder}/etcdctl`]), 'etcdutl', 'etcdctl'];
  return script(LOOK, dataDir, ...tools);
}

export interface HostFacts {
  /** Free where the data is. */
  availableBytes: number;
  /** Of the data. */
  usedBytes: number;
  /** Undefined when the host has no program that restores. */
  tool: RestoreTool | undefined;
}

export interface RestoreTool {
  path: string;
  version: string;
  /** Whether it raises revisions (`--bump-revision`). */
  bumps: boolean;
}

export function readLook(stdout: string): HostFacts {
  const facts = new Map(stdout.split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
  const path = facts.get('tool');
  const tool = path === undefined ? undefined : { path, version: facts.get('version') ?? 'unknown', bumps: facts.get('bumps') === 'yes' };
  return { availableBytes: Number(facts.get('avail')), usedBytes: Number(facts.get('used')), tool };
}
