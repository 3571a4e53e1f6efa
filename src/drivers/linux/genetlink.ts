/** Generic netlink (include/uapi/linux/genetlink.h, Documentation/userspace-api/netlink/intro.rst): families are numbered when they register. */
import { attribute, attributes, type Netlink, type NetlinkMessage, type NetlinkRefusal, zeroTerminated } from './netlink.ts';

export const NETLINK_GENERIC = 16;

const GENL_ID_CTRL = 16;
const CTRL_VERSION = 1;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR_FAMILY_ID = 1;
const CTRL_ATTR_FAMILY_NAME = 2;
const HEADER_BYTES = 4;

/** struct genlmsghdr, then attributes. */
export function genericPayload(command: { command: number; version: number }, children: readonly Uint8Array[]): Buffer {
  return Buffer.concat([Buffer.from([command.command, command.version, 0, 0]), ...children]);
}

/** Attributes of the first level; none for a message that is too short. */
export function genericAttributes({ payload }: NetlinkMessage): Map<number, Buffer> {
  return attributes(payload.subarray(HEADER_BYTES));
}

/** The number of a family. The kernel tries to load the module of one that it does not know; refused with ENOENT when there is none. */
export function resolveFamily(netlink: Netlink, name: string): { ok: true; id: number } | NetlinkRefusal {
  const payload = genericPayload({ command: CTRL_CMD_GETFAMILY, version: CTRL_VERSION }, [
    attribute(CTRL_ATTR_FAMILY_NAME, zeroTerminated(name)),
  ]);
  const answer = netlink.request([{ type: GENL_ID_CTRL, flags: 0, payload }]);
  if (!answer.ok) return answer;
  const ids = answer.messages.map((message) => genericAttributes(message).get(CTRL_ATTR_FAMILY_ID));
  const id = ids.find((bytes) => bytes?.length === 2);
  return id === undefined ? { ok: false, errno: 0, reason: 'no number in the answer' } : { ok: true, id: id.readUInt16LE(0) };
}
