import { assert } from '../../base/assert.ts';
import type { HealSettings } from '../../core/cluster/heal.ts';
import type { Power } from '../../ports/power.ts';
import { commandController } from './command.ts';
import { type PowerController, powerOf } from './controller.ts';
import { readCredentials } from './credentials.ts';
import { ipmiController } from './ipmi.ts';
import { trustIn, redfishController } from './redfish.ts';

/**
 * What switches hosts off and on by these settings; undefined where nothing does. The files that they name are read now, so that what is wrong is
 * told at the start, and again with every call, so that what is renewed counts. HaleErrors `power_credentials_…`, `power_ca_unreadable`.
 */
export function openPower(settings: HealSettings['power']): Power | undefined {
  const controller = controllerOf(settings);
  return controller && powerOf(controller, settings.timeoutSeconds * 1000);
}

function controllerOf({ by, url, host, credentialsFile, caFile, command }: HealSettings['power']): PowerController | undefined {
  if (by === 'none') return undefined;
  if (by === 'command') {
    assert(command !== undefined, 'heal.power.command is there: cluster.yaml is checked');
    return commandController(command);
  }
  readCredentials(credentialsFile);
  if (by === 'ipmi') return ipmiController({ host, credentialsFile });
  if (caFile !== undefined) trustIn(caFile);
  return redfishController({ url, credentialsFile, ...(caFile === undefined ? {} : { caFile }) });
}
