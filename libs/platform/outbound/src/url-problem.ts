import { isPublicAddress } from './address.js';

export interface OutboundRules {
  /** Development: http to this machine is allowed, by the names below and no others. */
  readonly allowsLocalHttp: boolean;
}

const MAX_LENGTH = 2048;
const LOCAL_HOSTS = new Set(['localhost', '127.0.0.1', '[::1]']);
/** Names that only mean something inside a network. So do names without a dot. */
const INTERNAL_SUFFIXES = [
  'internal',
  'local',
  'localhost',
  'localdomain',
  'svc',
  'cluster.local',
  'lan',
  'home.arpa',
];

/**
 * Why nothing may be sent to a URL that a customer gave, as far as the URL itself tells; `null` when nothing is wrong.
 * What its name resolves to is checked when it is connected to.
 */
export function urlProblem(text: string, { allowsLocalHttp }: OutboundRules): string | null {
  if (text.length > MAX_LENGTH) return 'too long';
  if (!URL.canParse(text)) return 'not a URL';
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') return 'must not hold credentials';
  if (isLocalHttp(url)) return allowsLocalHttp ? null : 'HTTP not allowed';
  if (url.protocol === 'http:') return 'HTTP not allowed';
  if (url.protocol !== 'https:') return 'must be https';
  return hostProblem(url.hostname);
}

/** The URL parser has made every spelling of an address the usual one: decimal, octal, hexadecimal, shortened. */
export function isLocalHttp({ protocol, hostname }: URL): boolean {
  return protocol === 'http:' && LOCAL_HOSTS.has(hostname);
}

function hostProblem(hostname: string): string | null {
  const literal = addressOf(hostname);
  if (literal !== null) return isPublicAddress(literal) ? null : 'the address is not allowed';
  // The dot at the end that names the root changes nothing about where a name leads.
  const name = hostname.replace(/\.$/, '');
  const isInternal =
    !name.includes('.') || INTERNAL_SUFFIXES.some((suffix) => name.endsWith(`.${suffix}`));
  return isInternal ? 'the name is not allowed' : null;
}

function addressOf(hostname: string): string | null {
  if (hostname.startsWith('[')) return hostname.slice(1, -1);
  return /^\d+\.\d+\.\d+\.\d+$/.test(hostname) ? hostname : null;
}
