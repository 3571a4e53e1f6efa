import { readFileSync } from 'node:fs';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { parseIp } from '../../base/address.ts';
import { HaleError } from '../../base/error.ts';
import type { PowerTarget } from '../../ports/power.ts';
import { parseCertificates } from '../pki/certificates.ts';
import { filled, type KnownState, type PowerController, PowerProblem } from './controller.ts';
import { readCredentials } from './credentials.ts';
import { type Json, arrayOf, objectOf, RedfishClient, type Resource, withoutCredentials } from './redfish-client.ts';

export interface RedfishSettings {
  /** With placeholders, as in cluster.yaml. http only to an address of loopback, where nobody else hears the password. */
  url: string;
  credentialsFile: string;
  caFile?: string;
}

/**
 * DMTF Redfish (DSP0266, DSP0268 "ComputerSystem"). The system is the one at the path of the URL, or the only one of the service. It must call
 * itself by the path at which it was asked for: whoever answers for another system proves nothing.
 */
export function redfishController(settings: RedfishSettings): PowerController {
  const withClient = async <T>(
    { host, deadline }: { host: PowerTarget; deadline: AbortSignal },
    act: (client: RedfishClient, base: URL) => Promise<T>,
  ): Promise<T> => {
    const base = baseUrl(settings.url, host);
    const credentials = readCredentials(settings.credentialsFile).of(host.node);
    const trust = settings.caFile === undefined ? systemTrust() : trustIn(settings.caFile);
    try {
      return await act(new RedfishClient({ base, credentials, deadline, trust }), base);
    } catch (error) {
      throw new PowerProblem(withoutCredentials((error as Error).message, credentials));
    }
  };
  return {
    name: 'Redfish',
    read: (host, deadline) => withClient({ host, deadline }, async (client, base) => powerState(await findSystem(client, base))),
    order: (host, wanted, deadline) =>
      withClient({ host, deadline }, async (client, base) => reset(client, await findSystem(client, base), wanted)),
  };
}

let trustOfSystem: SecureContext | undefined;

/** Not Node's own list of authorities. Read once: it takes some 0.3 s. */
function systemTrust(): SecureContext {
  return (trustOfSystem ??= createSecureContext({ ca: getCACertificates('system') }));
}

/** HaleError `power_ca_unreadable`. */
export function trustIn(file: string): SecureContext {
  const fail = (reason: string, cause?: unknown) =>
    new HaleError({
      code: 'power_ca_unreadable',
      kind: 'usage',
      message: `${file}: the certificate authority of the management controllers cannot be read: ${reason}`,
      remedy: 'name a file with certificates in PEM in heal.power.caFile',
      cause,
    });
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw fail((error as Error).message, error);
  }
  // With an empty text, Node would trust its own list.
  if (parseCertificates(text) === undefined) throw fail('it holds no certificate');
  return createSecureContext({ ca: text });
}

function baseUrl(template: string, host: PowerTarget): URL {
  const text = filled(template, { ...host, address: bracketed(host.address), bmc: bracketed(host.bmc) });
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) throw new PowerProblem(`${JSON.stringify(text)} is no URL`);
  if (url.username !== '' || url.password !== '') throw new PowerProblem('heal.power.url has a name or a password in it');
  const isLoopback = /^(127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback)) return url;
  throw new PowerProblem(`${url.origin} is no https URL, so the password could be read on its way`);
}

/** An IPv6 address as URLs have it (RFC 3986 section 3.2.2). */
function bracketed(text: string): string {
  return parseIp(text)?.length === 16 ? `[${text}]` : text;
}

async function findSystem(client: RedfishClient, base: URL): Promise<Resource> {
  const system = await client.get(base.pathname === '/' ? await onlySystem(client, base) : base);
  const { url, body } = system;
  const type = body['@odata.type'];
  if (typeof type !== 'string' || !type.startsWith('#ComputerSystem.')) throw new PowerProblem(`${url.href} is no ComputerSystem`);
  const id = client.resolve(body['@odata.id'], url);
  if (pathOf(id) !== pathOf(url)) throw new PowerProblem(`${url.href} answers for another system, ${id.pathname}`);
  return system;
}

const pathOf = ({ pathname }: URL): string => pathname.replace(/\/$/, '');

async function onlySystem(client: RedfishClient, base: URL): Promise<URL> {
  const root = await client.get(new URL('/redfish/v1/', base));
  const collection = await client.get(client.resolve(objectOf(root.body['Systems'])?.['@odata.id'], root.url));
  const members = arrayOf(collection.body['Members']).map((member) => client.resolve(objectOf(member)?.['@odata.id'], collection.url));
  // A collection may come in parts (`Members@odata.nextLink`).
  const count = Math.max(members.length, Number(collection.body['Members@odata.count'] ?? 0));
  const [only] = members;
  if (only !== undefined && count === 1) return only;
  if (count === 0) throw new PowerProblem(`${collection.url.href} lists no system`);
  const shown = members.slice(0, 4).map(({ pathname }) => pathname);
  throw new PowerProblem(`${base.origin} has ${count} systems (${shown.join(', ')}): write the path of the right one into heal.power.url`);
}

/** DSP0268, ComputerSystem, PowerState: between on and off, and paused, are neither. */
function powerState({ url, body }: Resource): KnownState {
  const state = body['PowerState'];
  if (state === 'On') return { kind: 'on' };
  if (state === 'Off') return { kind: 'off' };
  throw new PowerProblem(
    `${url.href}: PowerState is ${state === undefined ? 'missing' : JSON.stringify(state).slice(0, 100)}, which is neither On nor Off`,
  );
}

/** What holding the button does, and pressing it; in the order in which they are taken. Never a shutdown that a broken system could ignore. */
const RESET_TYPES = { off: ['ForceOff'], on: ['On', 'ForceOn'] } as const;

async function reset(client: RedfishClient, { url, body }: Resource, wanted: 'on' | 'off'): Promise<void> {
  const action = objectOf(objectOf(body['Actions'])?.['#ComputerSystem.Reset']);
  if (action === undefined) throw new PowerProblem(`${url.href} has no action ComputerSystem.Reset`);
  const target = client.resolve(action['target'], url);
  const allowed = await allowedResetTypes(client, action, url);
  const types: readonly string[] = RESET_TYPES[wanted];
  const type = allowed === undefined ? types[0] : types.find((one) => allowed.includes(one));
  if (type === undefined)
    throw new PowerProblem(`${url.href} takes ${allowed?.join(', ').slice(0, 200) || 'no ResetType'}, but not ${types.join(' or ')}`);
  await client.post(target, { ResetType: type });
}

/** Undefined where the service does not say (DSP0266, "Actions property", "ActionInfo"). */
async function allowedResetTypes(client: RedfishClient, action: Json, from: URL): Promise<string[] | undefined> {
  const inline = action['ResetType@Redfish.AllowableValues'];
  if (inline !== undefined) return textsOf(inline);
  if (action['@Redfish.ActionInfo'] === undefined) return undefined;
  const info = await client.get(client.resolve(action['@Redfish.ActionInfo'], from));
  const parameter = arrayOf(info.body['Parameters'])
    .map(objectOf)
    .find((one) => one?.['Name'] === 'ResetType');
  return parameter?.['AllowableValues'] === undefined ? undefined : textsOf(parameter['AllowableValues']);
}

const textsOf = (value: unknown): string[] => arrayOf(value).filter((one) => typeof one === 'string');
