/** Redfish services that answer as they should not, or as only some do: the same client against a plain HTTP server on loopback. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { openPower } from '../../../../src/drivers/power/open.ts';
import type { Power } from '../../../../src/ports/power.ts';
import { powerSettings, reasonOf, target } from '../../../support/power.ts';

const PASSWORD = 'hale-test-bmc-password';
const PATH = '/redfish/v1/Systems/1';
const RESET = `${PATH}/Actions/ComputerSystem.Reset`;
const HOST = target('');

type Answer = object | string | ((request: IncomingMessage, response: ServerResponse) => void);

/** What each path answers; a text is sent as it is, an object as JSON. */
let answers: Record<string, Answer> = {};
/** `METHOD path body` of every request. */
let requests: string[] = [];

const system = (more: object = {}): object => ({
  '@odata.type': '#ComputerSystem.v1_20_0.ComputerSystem',
  '@odata.id': PATH,
  PowerState: 'On',
  Actions: { '#ComputerSystem.Reset': { target: RESET } },
  ...more,
});
const withReset = (reset: object, more: object = {}): object =>
  system({ Actions: { '#ComputerSystem.Reset': { target: RESET, ...reset } }, ...more });
const status =
  (code: number, body: object = {}): Answer =>
  (_, response) =>
    void response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
const redirect =
  (code: number, location: string): Answer =>
  (_, response) =>
    void response.writeHead(code, { location }).end();
const refused = (code: number, ...messages: string[]): Answer =>
  status(code, { error: { message: 'a general error', '@Message.ExtendedInfo': messages.map((Message) => ({ Message })) } });

let dir: string;
let server: Server;
/** Another service, which is to hear nothing. */
let other: Server;
let heardElsewhere = 0;
const urlOf = (one: Server) => `http://127.0.0.1:${(one.address() as AddressInfo).port}`;

async function listen(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<Server> {
  const made = createServer(answer);
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve));
  return made;
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'hale-odd-bmc-'));
  writeFileSync(join(dir, 'credentials'), `username = admin\npassword = ${PASSWORD}\n`, { mode: 0o600 });
  other = await listen((_, response) => void (heardElsewhere++, response.end()));
  server = await listen((request, response) => {
    let body = '';
    request.on('data', (part: Buffer) => (body += part.toString()));
    request.on('end', () => {
      requests.push(`${request.method} ${request.url} ${body}`.trim());
      const answer = answers[`${request.method} ${request.url}`] ?? answers[request.url ?? ''] ?? status(404);
      if (typeof answer === 'function') answer(request, response);
      else response.end(typeof answer === 'string' ? answer : JSON.stringify(answer));
    });
  });
});

afterEach(() => {
  expect(heardElsewhere).toBe(0);
  answers = {};
  requests = [];
});

afterAll(() => {
  for (const one of [server, other]) {
    one?.closeAllConnections();
    one?.close();
  }
  rmSync(dir, { recursive: true, force: true });
});

function power(path = `${PATH}`, timeoutSeconds = 10): Power {
  const url = `${urlOf(server)}${path}`;
  return openPower(powerSettings({ by: 'redfish', url, credentialsFile: join(dir, 'credentials'), timeoutSeconds })) as Power;
}

const posts = () => requests.filter((one) => one.startsWith('POST')).map((one) => one.replace(`POST ${RESET} `, ''));

describe('what is not the answer of the one system is unknown', () => {
  test.each<[string, Answer, string]>([
    ['a page', '<html><body>Off</body></html>', 'is no JSON object'],
    ['half an answer', '{"@odata.type":"#ComputerSystem.v1_0_0.ComputerSystem","PowerState":"Off"', 'is no JSON object'],
    ['a list', '[{"PowerState":"Off"}]', 'is no JSON object'],
    ['no type', system({ '@odata.type': undefined, PowerState: 'Off' }), 'is no ComputerSystem'],
    ['another type', system({ '@odata.type': '#Chassis.v1_0_0.Chassis', PowerState: 'Off' }), 'is no ComputerSystem'],
    [
      'another system',
      system({ '@odata.id': '/redfish/v1/Systems/11', PowerState: 'Off' }),
      'answers for another system, /redfish/v1/Systems/11',
    ],
    ['no name of its own', system({ '@odata.id': undefined, PowerState: 'Off' }), 'a link is missing'],
    ['a list of states', system({ PowerState: ['Off'] }), 'PowerState is ["Off"]'],
    ['no state', system({ PowerState: null }), 'PowerState is null'],
    ['an error with a state', status(500, system({ PowerState: 'Off' })), 'HTTP 500'],
    [
      'an answer that is cut',
      (_, response) => (response.writeHead(200, { 'content-length': 1000 }), response.end('{'), undefined),
      'aborted',
    ],
    ['a hang-up', (request) => void request.socket.destroy(), 'socket hang up'],
    ['without end', (_, response) => void response.write('{'.padEnd(5_000_000)), 'longer than 4194304 bytes'],
    ['a circle', redirect(301, PATH), 'more than 3 redirections'],
    ['a redirection to nowhere', status(302), 'a link is missing'],
  ])('%s', async (_, answer, reason) => {
    answers = { [PATH]: answer };
    expect(await power().state(HOST)).toEqual({ kind: 'unknown', reason: expect.stringContaining(reason) });
  });

  test('bytes that come too slowly', async () => {
    const drip = (_: IncomingMessage, response: ServerResponse) => {
      const timer = setInterval(() => response.write(' '), 50);
      response.on('close', () => clearInterval(timer));
    };
    answers = { [PATH]: drip };
    expect(await power(PATH, 1).state(HOST)).toEqual({ kind: 'unknown', reason: 'no answer within 1 s' });
  });

  test('a collection in parts, though it shows one member', async () => {
    const members = { Members: [{ '@odata.id': PATH }], 'Members@odata.count': 2, 'Members@odata.nextLink': '/redfish/v1/Systems?$skip=1' };
    answers = { '/redfish/v1/': { Systems: { '@odata.id': '/redfish/v1/Systems' } }, '/redfish/v1/Systems': members, [PATH]: system() };
    expect(reasonOf(await power('').state(HOST))).toContain('has 2 systems');
    answers['/redfish/v1/Systems'] = { Members: [] };
    expect(reasonOf(await power('').state(HOST))).toContain('lists no system');
    answers['/redfish/v1/Systems'] = { Members: [{ '@odata.id': PATH }] };
    expect(await power('').state(HOST)).toEqual({ kind: 'on' });
  });
});

describe('the credentials go to no other service', () => {
  test.each([301, 302, 303, 307, 308])('not by a redirection (%i)', async (code) => {
    answers = { [PATH]: redirect(code, `${urlOf(other)}${PATH}`) };
    expect(reasonOf(await power().state(HOST))).toContain('which is not where the credentials belong');
    answers = { [PATH]: system(), [RESET]: redirect(code, `${urlOf(other)}${RESET}`) };
    expect(reasonOf(await power().off(HOST))).toContain(`HTTP ${code}`);
  });

  test('not by a link', async () => {
    const links = () => [
      `${urlOf(other)}${PATH}`,
      `//127.0.0.1:${(other.address() as AddressInfo).port}${PATH}`,
      `http://a:b@127.0.0.1${PATH}`,
    ];
    for (const link of links()) {
      answers = { '/redfish/v1/': { Systems: { '@odata.id': link } } };
      expect(reasonOf(await power('').state(HOST))).toContain('not where the credentials belong');
      answers = { [PATH]: withReset({ target: link }) };
      expect(reasonOf(await power().off(HOST))).toContain('not where the credentials belong');
      answers = { [PATH]: withReset({ '@Redfish.ActionInfo': link }) };
      expect(reasonOf(await power().off(HOST))).toContain('not where the credentials belong');
      expect(posts()).toEqual([]);
    }
  });

  test('not in the clear, except to an address of this machine', async () => {
    const { port } = other.address() as AddressInfo;
    for (const url of [`http://localhost:${port}`, `http://[::ffff:127.0.0.1]:${port}`, `ftp://127.0.0.1:${port}`]) {
      const { state } = openPower(powerSettings({ by: 'redfish', url, credentialsFile: join(dir, 'credentials') })) as Power;
      expect(reasonOf(await state(HOST))).toContain('is no https URL');
    }
  });

  test('not into a reason, though the service repeats them', async () => {
    answers = {
      [PATH]: (request, response) =>
        void response.writeHead(400).end(JSON.stringify({ error: { message: `${PASSWORD} ${request.headers.authorization}` } })),
    };
    expect(reasonOf(await power().state(HOST))).toMatch(/HTTP 400: \(hidden\) Basic \(hidden\)$/);
    answers = { [PATH]: system({ PowerState: `is ${PASSWORD}` }) };
    expect(reasonOf(await power().state(HOST))).toContain('PowerState is "is (hidden)"');
  });
});

describe('an order', () => {
  test.each<[string, object, string, string]>([
    ['what the service says nothing of', {}, '{"ResetType":"ForceOff"}', '{"ResetType":"On"}'],
    [
      'what it lists',
      { 'ResetType@Redfish.AllowableValues': ['GracefulShutdown', 'ForceOff', 'ForceOn'] },
      '{"ResetType":"ForceOff"}',
      '{"ResetType":"ForceOn"}',
    ],
    ['what its ActionInfo lists', { '@Redfish.ActionInfo': '/info' }, '{"ResetType":"ForceOff"}', '{"ResetType":"ForceOn"}'],
  ])('takes %s', async (_, reset, off, on) => {
    const info = {
      Parameters: [
        { Name: 'Other', AllowableValues: ['On'] },
        { Name: 'ResetType', AllowableValues: ['ForceOff', 'ForceOn'] },
      ],
    };
    for (const code of [200, 202, 204]) {
      answers = { [PATH]: withReset(reset), [RESET]: status(code), '/info': info };
      expect(await power().off(HOST)).toEqual({ ok: true });
      expect(await power().on(HOST)).toEqual({ ok: true });
      expect(posts()).toEqual([off, on]);
      requests = [];
    }
  });

  test('is never a graceful one, and is not given where none fits', async () => {
    answers = { [PATH]: withReset({ 'ResetType@Redfish.AllowableValues': ['GracefulShutdown', 'PushPowerButton'] }), [RESET]: status(204) };
    expect(reasonOf(await power().off(HOST))).toContain('takes GracefulShutdown, PushPowerButton, but not ForceOff');
    answers = { [PATH]: system({ Actions: {} }) };
    expect(reasonOf(await power().off(HOST))).toContain('has no action ComputerSystem.Reset');
    expect(posts()).toEqual([]);
  });

  test('that is refused fails in the words of the service, unless it is so already', async () => {
    const already = refused(409, 'The system is powered off already.', 'Check it.');
    answers = { [PATH]: system({ PowerState: 'On' }), [RESET]: already };
    expect(await power().off(HOST)).toEqual({
      ok: false,
      reason: expect.stringContaining('HTTP 409: The system is powered off already. Check it.'),
    });
    expect(await power().on(HOST)).toEqual({ ok: true });
    answers = { [PATH]: system({ PowerState: 'Off' }), [RESET]: already };
    expect(await power().off(HOST)).toEqual({ ok: true });
    expect((await power().on(HOST)).ok).toBe(false);
    // It was ordered each time: one to the contrary may have been under way.
    expect(posts()).toHaveLength(4);
    answers = { [PATH]: system({ PowerState: 'PoweringOff' }), [RESET]: already };
    expect((await power().off(HOST)).ok).toBe(false);
  });
});
