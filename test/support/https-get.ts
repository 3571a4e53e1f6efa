/** Prints what each of several https URLs answers, as a list in JSON. Argument: `{urls, ca, cert?, key?}`, the last three files. */
import { readFileSync } from 'node:fs';
import { request } from 'node:https';

export interface Answer {
  /** 0 when there was none. */
  status: number;
  body: string;
}

interface Wanted {
  urls: string[];
  ca: string;
  cert?: string;
  key?: string;
}

const TIMEOUT_MS = 5000;
const { urls, ...files } = JSON.parse(process.argv[2] as string) as Wanted;
const tls = Object.fromEntries(Object.entries(files).map(([name, path]) => [name, readFileSync(path)]));

function get(url: string): Promise<Answer> {
  return new Promise((resolve) => {
    const req = request(url, { ...tls, agent: false, timeout: TIMEOUT_MS }, (res) => {
      let body = '';
      res.setEncoding('utf8').on('data', (text: string) => (body += text));
      res.on('end', () => resolve({ status: res.statusCode ?? 0, body }));
    });
    req.on('timeout', () => req.destroy(new Error('no answer')));
    req.on('error', (error) => resolve({ status: 0, body: error.message }));
    req.end();
  });
}

process.stdout.write(JSON.stringify(await Promise.all(urls.map(get))));
