import { join } from 'node:path';
import { programCache } from '../../src/lab/program-cache.ts';

/** The S3-compatible server of the tests: objects are files, and it is one program without anything beside it. `npm run s3:get` builds it. */
export const S3_SERVER = { path: 'github.com/versity/versitygw/cmd/versitygw', version: 'v1.8.0' } as const;

/** Where it is when it is there. */
export function s3ServerProgram(): string {
  return join(programCache('versitygw', S3_SERVER.version), 'versitygw');
}
