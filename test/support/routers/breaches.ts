/** What a peer must not send, and what the RFCs answer. */
import { attribute, fourOctetAsn, goodAttributes, keepalive, message, multiprotocol, open, update } from './raw-peer.ts';

export const PEER_ASN = 65_001;

const header = (change: (bytes: Buffer) => void, body = Buffer.alloc(0), type = 4) => {
  const bytes = message(type, body);
  change(bytes);
  return bytes;
};

export interface Breach {
  name: string;
  /** Where the peer does so; Established without it. */
  at?: 'OpenSent' | 'OpenConfirm' | 'Established';
  bytes: Buffer;
  /** Code, subcode and data, in hexadecimal digits, of the NOTIFICATION that has to come. */
  answer: [number, number, string];
}

export const breaches: readonly Breach[] = [
  { name: 'RFC 4271 section 6.1: a bad marker', bytes: header((bytes) => (bytes[7] = 0)), answer: [1, 1, ''] },
  { name: 'section 6.1: a length of 18', bytes: header((bytes) => bytes.writeUInt16BE(18, 16)), answer: [1, 2, '0012'] },
  { name: 'section 6.1: a length of 4097', bytes: message(2, Buffer.alloc(4078)), answer: [1, 2, '1001'] },
  { name: 'section 6.1: a KEEPALIVE of 20 bytes', bytes: message(4, Buffer.alloc(1)), answer: [1, 2, '0014'] },
  { name: 'section 6.1: an UPDATE of 22 bytes', bytes: message(2, Buffer.alloc(3)), answer: [1, 2, '0016'] },
  { name: 'section 6.1: an OPEN of 28 bytes', at: 'OpenSent', bytes: message(1, Buffer.alloc(9)), answer: [1, 2, '001c'] },
  { name: 'section 6.1: a message of type 0', bytes: message(0), answer: [1, 3, '00'] },
  { name: 'section 6.1: a message of type 6', at: 'OpenConfirm', bytes: message(6), answer: [1, 3, '06'] },
  { name: 'no BGP at all', at: 'OpenSent', bytes: Buffer.from('GET / HTTP/1.1\r\nHost: hale\r\n\r\n'), answer: [1, 1, ''] },
  { name: 'section 6.2: version 3', at: 'OpenSent', bytes: open({ version: 3, asn: PEER_ASN }), answer: [2, 1, '0004'] },
  { name: 'section 6.2: another AS', at: 'OpenSent', bytes: open({ asn: 65_002 }), answer: [2, 2, ''] },
  {
    name: 'section 6.2: identifier 0.0.0.0',
    at: 'OpenSent',
    bytes: open({ asn: PEER_ASN, routerId: [0, 0, 0, 0] }),
    answer: [2, 3, ''],
  },
  { name: 'section 6.2: a hold time of 2 s', at: 'OpenSent', bytes: open({ asn: PEER_ASN, holdTimeS: 2 }), answer: [2, 6, ''] },
  {
    name: 'RFC 5492 section 5: no family that both have',
    at: 'OpenSent',
    bytes: open({ asn: PEER_ASN, capabilities: [multiprotocol(25), fourOctetAsn(PEER_ASN)] }),
    answer: [2, 7, '010400010001010400020001'],
  },
  {
    name: 'RFC 4271 section 6.2: a capability that is longer than its parameter',
    at: 'OpenSent',
    bytes: open({ asn: PEER_ASN, capabilities: [Buffer.from([65, 9, 0])] }),
    answer: [2, 0, ''],
  },
  { name: 'RFC 6608: a KEEPALIVE before OPEN', at: 'OpenSent', bytes: keepalive, answer: [5, 1, '04'] },
  { name: 'RFC 6608: an UPDATE before OPEN', at: 'OpenSent', bytes: update({}), answer: [5, 1, '02'] },
  { name: 'RFC 6608: an UPDATE before KEEPALIVE', at: 'OpenConfirm', bytes: update({}), answer: [5, 2, '02'] },
  { name: 'RFC 6608: a second OPEN', bytes: open({ asn: PEER_ASN }), answer: [5, 3, '01'] },
  {
    name: 'RFC 4271 section 6.3: withdrawn routes that are longer than the message',
    bytes: message(2, Buffer.from([0, 9, 0, 0])),
    answer: [3, 1, ''],
  },
  {
    name: 'RFC 4271 section 6.3: attributes that are longer than the message',
    bytes: message(2, Buffer.from([0, 0, 255, 255, 64])),
    answer: [3, 1, ''],
  },
  {
    name: 'RFC 7606 section 3 j: a prefix of 33 bits',
    bytes: update({ attributes: goodAttributes(PEER_ASN), nlri: [33, 1, 2, 3, 4, 5] }),
    answer: [3, 10, ''],
  },
  {
    name: 'RFC 7606 section 7.11: an IPv6 next hop of 5 bytes',
    bytes: update({ attributes: [...goodAttributes(PEER_ASN), attribute(0x80, 14, 0, 2, 1, 5, 1, 2, 3, 4, 5, 0)] }),
    answer: [3, 9, ''],
  },
  {
    name: 'RFC 7606 section 3 g: MP_UNREACH_NLRI twice',
    bytes: update({ attributes: [attribute(0x80, 15, 0, 2, 1), attribute(0x80, 15, 0, 2, 1)] }),
    answer: [3, 1, ''],
  },
];
