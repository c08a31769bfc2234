import { randomInt } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { reservedSlugs, slugFormat, type SlugCheck } from '@spooled/contracts';
import { SharedLimits } from '@spooled/http';
import { Allowance, HOUR_MS, MINUTE_MS } from '../limits/allowance.js';
import { slugOf, withSuffix } from './domain/slug.js';
import { OrganizationRepository } from './store/organization.repository.js';

const SUFFIX_CHARS = 6;
const SUFFIX_ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** Use cases of whoever is about to name an organization. */
@Injectable()
export class SlugsService {
  readonly #checks: Allowance;

  constructor(
    private readonly organizations: OrganizationRepository,
    limits: SharedLimits,
  ) {
    this.#checks = new Allowance(limits, 'check-slug', [
      { requests: 60, windowMs: MINUTE_MS },
      { requests: 300, windowMs: HOUR_MS },
    ]);
  }

  /** @throws AppError `RATE_LIMIT_EXCEEDED`: each answer tells who is a customer. */
  async check(slug: string, ip: string): Promise<SlugCheck> {
    this.#checks.take(ip);
    const format = slugFormat.safeParse(slug);
    if (!format.success) {
      const error = `The slug ${format.error.issues[0]!.message}.`;
      return { available: false, valid: false, error, suggestion: null };
    }
    if (await this.#isFree(slug)) {
      return { available: true, valid: true, error: null, suggestion: null };
    }
    const error = reservedSlugs.has(slug) ? 'The slug is reserved.' : 'The slug is in use.';
    return { available: false, valid: true, error, suggestion: await this.#freeLike(slug) };
  }

  async generate(name: string): Promise<string> {
    const slug = slugOf(name);
    return slug !== '' && (await this.#isFree(slug)) ? slug : this.#freeLike(slug);
  }

  async #freeLike(slug: string): Promise<string> {
    for (;;) {
      const candidate = withSuffix(slug, randomSuffix());
      if (await this.#isFree(candidate)) return candidate;
    }
  }

  async #isFree(slug: string): Promise<boolean> {
    return !reservedSlugs.has(slug) && (await this.organizations.findIdBySlug(slug)) === null;
  }
}

function randomSuffix(): string {
  const letter = (): string => SUFFIX_ALPHABET[randomInt(SUFFIX_ALPHABET.length)]!;
  return Array.from({ length: SUFFIX_CHARS }, letter).join('');
}
