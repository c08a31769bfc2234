import { Inject, Injectable } from '@nestjs/common';
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { WEBHOOK_DISPATCHER_CONFIG, type WebhookDispatcherConfig } from '../config.js';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Keeps signing secrets such that the database alone does not tell them: AES-256-GCM, bound to their owner. */
@Injectable()
export class SecretBox {
  readonly #key: Buffer;

  constructor(@Inject(WEBHOOK_DISPATCHER_CONFIG) config: WebhookDispatcherConfig) {
    const material = config.encryptionKey.reveal();
    this.#key = Buffer.from(hkdfSync('sha256', material, '', 'spooled webhook secrets', 32));
  }

  /** `owner`: the id of the row it is kept in; moved to another row it cannot be opened. */
  seal(owner: string, secret: string): Buffer {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(owner));
    const sealed = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
  }

  /** @throws Error when it was sealed with another key or for another owner */
  open(owner: string, box: Buffer): string {
    const nonce = box.subarray(0, NONCE_BYTES);
    const tag = box.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES);
    const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce, { authTagLength: TAG_BYTES })
      .setAAD(Buffer.from(owner))
      .setAuthTag(tag);
    const sealed = box.subarray(NONCE_BYTES + TAG_BYTES);
    return Buffer.concat([decipher.update(sealed), decipher.final()]).toString('utf8');
  }
}
