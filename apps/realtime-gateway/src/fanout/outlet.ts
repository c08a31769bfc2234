import type { Writable } from 'node:stream';
import type { Transport } from './transport.js';

/** Why a stream is closed by us; each transport says it in its own way. */
export type CloseReason = 'slow' | 'revoked' | 'draining' | 'aged' | 'finished' | 'internal';

/** The writing end of one connection. */
export interface Outlet {
  readonly transport: Transport;
  /** Bytes go straight to the socket: no layer between it and us would add anything but cost. */
  readonly socket: Writable;
  /** False as soon as either side began to close. */
  readonly isOpen: boolean;
  close(reason: CloseReason): void;
}
