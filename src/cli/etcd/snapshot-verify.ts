import { Command } from 'commander';
import { EXIT_FINDING } from '../../base/error.ts';
import { sizeText } from '../../core/etcd/size-text.ts';
import { interruptible } from '../interrupt.ts';
import { createProgress } from '../progress.ts';
import { DEFAULT_CONFIG } from '../read-cluster.ts';
import { renderVerified, verifiedDocument } from './render-verified.ts';
import { type SnapshotOptions, snapshotSettings, withS3Options } from './snapshot-settings.ts';
import { type Verified, verifySnapshot, type VerifyRequest } from './verify-snapshot.ts';

interface VerifyOptions extends Omit<VerifyRequest, 'source' | 's3'>, SnapshotOptions {
  json?: true;
}

/** `hale etcd snapshot verify`: is this file one that etcd can be restored from? */
export function snapshotVerifyCommand(): Command {
  const command = new Command('verify')
    .description('prove that a snapshot is whole: its hash, its structure, its content, and a restore into an etcd that is thrown away')
    .argument(
      '<file>',
      "snapshot, also one that is encrypted with age; s3://BUCKET/KEY; or a copy of a member's database (member/snap/db), which has no hash",
    )
    .option('--identity <file>', 'secret key of age for an encrypted snapshot')
    .option('--no-trial', 'do not restore it; hash, structure and content alone decide')
    .option('--programs <folder>', 'where etcd and etcdutl (or etcdctl until 3.5) for the trial are; else on PATH')
    .option(
      '--etcd-prefix <path>',
      '--etcd-prefix of the API servers, where it is more than one folder; hale finds others by what is in them',
    );
  return withS3Options(command.option('--config <file>', 'cluster description that says how a bucket is reached', DEFAULT_CONFIG))
    .option('--json', 'print one JSON document')
    .action(async (source: string, options: VerifyOptions, self: Command) => {
      const s3 = source.startsWith('s3://') ? { s3: snapshotSettings(options, self).s3 } : {};
      const verified = await interruptible((signal) => verify({ ...options, source, ...s3 }, signal));
      if (verified.verdict !== 'good') process.exitCode = EXIT_FINDING;
      process.stdout.write(options.json ? `${JSON.stringify(verifiedDocument(verified), null, 2)}\n` : renderVerified(verified));
    });
}

async function verify(request: VerifyRequest, signal: AbortSignal): Promise<Verified> {
  const progress = createProgress();
  try {
    return await verifySnapshot(request, {
      signal,
      onStep: (text) => progress.step(text),
      onBytes: (doing, bytes) => progress.at(`${doing}: ${sizeText(bytes)}`),
    });
  } finally {
    progress.end();
  }
}
