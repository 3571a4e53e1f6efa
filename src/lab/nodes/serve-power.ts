/** A program of its own beside the hosts of a lab: switches its control-plane hosts for those inside one. */
import { createServer } from 'node:http';
import { openLab } from '../lab.ts';
import { powerOf, switchHost } from './power.ts';
import { powerSocket } from './power-server.ts';

const lab = openLab(process.argv[2]);

createServer((asked, answer) => {
  const [, node, order] = /^\/([a-z0-9-]+)\/(state|on|off)$/.exec(asked.url ?? '') ?? [];
  const host = lab.controlPlane.find(({ name }) => name === node);
  const done = host === undefined || order === 'state' || order === undefined ? Promise.resolve() : switchHost(host, order as 'on' | 'off');
  done.then(
    () => {
      answer.statusCode = host === undefined ? 404 : 200;
      answer.end(host === undefined ? 'no such host' : powerOf(host));
    },
    (error: Error) => {
      answer.statusCode = 500;
      answer.end(error.message);
    },
  );
}).listen(powerSocket(lab.folder));
