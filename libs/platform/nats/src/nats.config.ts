import { env } from '@spooled/config';
import { z } from 'zod';

export const natsConfig = z.object({
  /** Comma list of servers; `nats://user:password@host:4222` or `nats://token@host:4222` where the bus wants to know who. */
  NATS_URL: z.string().default('nats://127.0.0.1:4222'),
  /** Name shown in the server's monitoring. */
  SERVICE_NAME: env.text('spooled'),
  /** Questions wait at least so long for their answer, in milliseconds; 0 = as long as each of them says. */
  BUS_MIN_WAIT_MS: env.int(0, 0, 60_000),
});
export type NatsConfig = Pick<z.output<typeof natsConfig>, 'NATS_URL' | 'SERVICE_NAME'> &
  Partial<z.output<typeof natsConfig>>;

/** Injection token of `NatsConfig`. */
export const NATS_CONFIG = Symbol('NATS_CONFIG');

export interface NatsAddress {
  readonly servers: string[];
  readonly user?: string;
  readonly pass?: string;
  readonly token?: string;
}

/** The client does not look for credentials in addresses: they are taken out here. All servers have the same ones. */
export function natsAddress(list: string): NatsAddress {
  const urls = list
    .split(',')
    .map((each) => each.trim())
    .map((each) => new URL(each.includes('://') ? each : `nats://${each}`));
  const servers = urls.map(({ protocol, host }) => `${protocol}//${host}`);
  const named = urls.find(({ username }) => username !== '');
  if (named === undefined) return { servers };
  const user = decodeURIComponent(named.username);
  if (named.password === '') return { servers, token: user };
  return { servers, user, pass: decodeURIComponent(named.password) };
}
