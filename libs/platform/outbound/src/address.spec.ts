import fc from 'fast-check';
import { isPublicAddress } from './address.js';

/** Where nothing of a customer may lead, and one address at each end. */
const forbidden: readonly [string, string, string][] = [
  ['this network', '0.0.0.0', '0.255.255.255'],
  ['private 10/8', '10.0.0.0', '10.255.255.255'],
  ['carrier-grade NAT', '100.64.0.0', '100.127.255.255'],
  ['loopback', '127.0.0.0', '127.255.255.255'],
  ['link-local and metadata', '169.254.0.0', '169.254.255.255'],
  ['private 172.16/12', '172.16.0.0', '172.31.255.255'],
  ['IETF assignments', '192.0.0.0', '192.0.0.255'],
  ['documentation 1', '192.0.2.0', '192.0.2.255'],
  ['private 192.168/16', '192.168.0.0', '192.168.255.255'],
  ['benchmarks', '198.18.0.0', '198.19.255.255'],
  ['documentation 2', '198.51.100.0', '198.51.100.255'],
  ['documentation 3', '203.0.113.0', '203.0.113.255'],
  ['multicast', '224.0.0.0', '239.255.255.255'],
  ['reserved and broadcast', '240.0.0.0', '255.255.255.255'],
  ['metadata of Azure', '168.63.129.16', '168.63.129.16'],
];

const numberOf = (text: string): number =>
  text.split('.').reduce((value, part) => value * 256 + Number(part), 0);
const bytesOf = (value: number): number[] => [24, 16, 8, 0].map((bits) => (value >>> bits) & 255);
const dotted = (value: number): string => bytesOf(value).join('.');
const groups = (value: number): string =>
  `${(value >>> 16).toString(16)}:${(value & 0xffff).toString(16)}`;
/** IPv6 addresses that lead to an IPv4 one. */
const inIPv6 = (value: number): string[] => [
  `::ffff:${dotted(value)}`,
  `::ffff:${groups(value)}`,
  `0:0:0:0:0:ffff:${groups(value)}`,
  `64:ff9b::${groups(value)}`,
  `64:ff9b::${dotted(value)}`,
];

describe('an address that is forbidden', () => {
  it.each(forbidden)('%s: %s to %s, plain and inside IPv6', (_name, first, last) => {
    fc.assert(
      fc.property(fc.integer({ min: numberOf(first), max: numberOf(last) }), (value) => {
        for (const text of [dotted(value), ...inIPv6(value)]) {
          expect([text, isPublicAddress(text)]).toEqual([text, false]);
        }
      }),
      { numRuns: 50, examples: [[numberOf(first)], [numberOf(last)]] },
    );
  });

  it.each([
    ['unspecified', '::'],
    ['loopback', '::1'],
    ['deprecated, with an IPv4 one inside', '::127.0.0.1'],
    ['unique local', 'fc00::1'],
    ['unique local, metadata of AWS', 'fd00:ec2::254'],
    ['link-local', 'fe80::1'],
    ['link-local with a zone', 'fe80::1%eth0'],
    ['site-local', 'fec0::1'],
    ['multicast', 'ff02::1'],
    ['documentation', '2001:db8::1'],
    ['new documentation', '3fff::1'],
    ['Teredo', '2001:0:7f00:1::1'],
    ['6to4', '2002:7f00:1::1'],
    ['NAT64 of a network', '64:ff9b:1::7f00:1'],
    ['discard', '100::1'],
    ['nobody', '4000::1'],
    ['no address', 'example.com'],
    ['nothing', ''],
  ])('%s: %s', (_name, text) => {
    expect(isPublicAddress(text)).toBe(false);
  });
});

describe('an address that is allowed', () => {
  it.each(['1.1.1.1', '8.8.8.8', '9.255.255.255', '11.0.0.0', '100.63.255.255', '172.32.0.0'])(
    '%s, plain and inside IPv6',
    (text) => {
      for (const each of [text, ...inIPv6(numberOf(text))])
        expect(isPublicAddress(each)).toBe(true);
    },
  );

  it.each(['2606:4700:4700::1111', '2a00:1450:4001:81b::200e'])('%s', (text) => {
    expect(isPublicAddress(text)).toBe(true);
  });
});
