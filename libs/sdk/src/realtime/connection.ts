import type { SpooledError } from '../errors.js';
import type { Http } from '../http.js';
import type { Envelope, EventFilter, EventSelector } from './events.js';

/** What one connection says: that it is open, and where the log then stood; that it is alive; an event. */
export type Frame =
  | { readonly kind: 'open'; readonly cursor: string | undefined }
  | { readonly kind: 'alive' }
  | { readonly kind: 'event'; readonly event: Envelope };

/** What a transport needs to open one connection. */
export interface ConnectionRequest {
  readonly http: Http;
  readonly filters: readonly EventFilter[];
  /** True when `subscribe` may change the filters while the connection is open. */
  readonly isChangeable: boolean;
  readonly events: readonly EventSelector[];
  readonly cursor: string | undefined;
  /** A ticket of the application's own server, where no credential may be. */
  readonly getTicket: (() => Promise<string>) | undefined;
  readonly signal: AbortSignal;
  /** Gives out what sends commands, once there is a connection that takes them. */
  readonly onCommands: (send: SendCommand) => void;
  /** A filter that may change holds, or was refused. */
  readonly onSettled: (filter: EventFilter, refusal?: SpooledError) => void;
}

export type SendCommand = (cmd: 'Subscribe' | 'Unsubscribe', filter: EventFilter) => void;

/** One connection. Ends when the server ends it in a way that calls for another; throws what it was refused with. */
export type Transport = (request: ConnectionRequest) => AsyncGenerator<Frame, void>;

/** The query that is common to both transports. */
export function streamQuery({ events, cursor }: ConnectionRequest): Record<string, string> {
  return {
    ...(events.length > 0 && { events: events.join(',') }),
    ...(cursor !== undefined && { last_event_id: cursor }),
  };
}
