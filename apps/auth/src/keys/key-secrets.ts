import { createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { AUTH_CONFIG, type AuthConfig } from '../config.js';
import { KEY_SECRET_BYTES, keyPrefix, writeApiKey } from './domain/api-key.js';

/**
 * Makes key texts and the hashes that are stored in their place: HMAC-SHA-256 under a pepper the database does not
 * hold. The texts are 256 random bits, so a slow password hash would add cost and nothing else.
 */
@Injectable()
export class KeySecrets {
  readonly #pepper: Buffer;
  readonly #prefix: string;

  constructor(@Inject(AUTH_CONFIG) config: AuthConfig) {
    const source = (config.API_KEY_PEPPER ?? config.JWT_SECRET).reveal();
    // Derived, so that the bytes that sign tokens and those that hash keys are never the same.
    this.#pepper = Buffer.from(hkdfSync('sha256', source, '', 'spooled api key pepper v1', 32));
    this.#prefix = keyPrefix(config.API_KEY_PREFIX, config.isProduction);
  }

  issue(): { readonly text: string; readonly hash: Buffer } {
    const text = writeApiKey(this.#prefix, randomBytes(KEY_SECRET_BYTES));
    return { text, hash: this.hash(text) };
  }

  hash(text: string): Buffer {
    return createHmac('sha256', this.#pepper).update(text).digest();
  }

  /** Tells peppers apart without telling what they are. */
  fingerprint(): Buffer {
    return createHmac('sha256', this.#pepper).update('fingerprint').digest().subarray(0, 16);
  }
}
