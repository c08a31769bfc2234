import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnModuleInit,
} from '@nestjs/common';
import { ConfigError } from '@spooled/config';
import { AppError } from '@spooled/contracts';
import { Loop, Readiness } from '@spooled/runtime';
import { LOGGER, Metrics, type Logger } from '@spooled/telemetry';
import { AUTH_CONFIG, type AuthConfig } from '../config.js';
import { KeySecrets } from './key-secrets.js';
import { KeyRepository } from './store/key.repository.js';

const RETRY_MS = 1000;
const NEVER_MS = 2_147_483_647;

const SENTENCE =
  'The API keys in this database were made with another secret, so none of them would work. ' +
  'Set API_KEY_PEPPER to the value it had, or, if it was not set, to the JWT_SECRET of that time.';

/**
 * Notices when the secret behind the stored key hashes has changed: otherwise a rotation of JWT_SECRET would turn every
 * customer's key into a 401 and nothing would say why.
 */
@Injectable()
export class PepperGuard implements OnModuleInit, BeforeApplicationShutdown {
  readonly #loop: Loop;
  #isRefused = false;

  constructor(
    private readonly keys: KeyRepository,
    private readonly secrets: KeySecrets,
    private readonly readiness: Readiness,
    @Inject(AUTH_CONFIG) private readonly config: AuthConfig,
    @Inject(LOGGER) private readonly logger: Logger,
    metrics: Metrics,
  ) {
    const step = () => this.#checkLater();
    const name = 'auth.pepper-guard';
    this.#loop = new Loop({ name, step, errorDelayMs: RETRY_MS, logger, metrics });
  }

  /**
   * Before anything listens.
   * @throws ConfigError when the database says so now; one that is away is asked again until it answers.
   */
  async onModuleInit(): Promise<void> {
    this.readiness.add('api-key-pepper', () => Promise.resolve(!this.#isRefused));
    if (this.config.isSecretTemporary) {
      this.logger.warn(
        'JWT_SECRET is not set: tokens, and API keys without API_KEY_PEPPER, die with this process',
      );
    }
    try {
      if (!(await this.#isRight())) throw new ConfigError(SENTENCE);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      this.#loop.start();
    }
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.#loop.stop();
  }

  async #checkLater(): Promise<number> {
    this.#isRefused = !(await this.#isRight());
    if (this.#isRefused) this.logger.error(SENTENCE);
    return NEVER_MS;
  }

  async #isRight(): Promise<boolean> {
    const mine = this.secrets.fingerprint();
    return mine.equals(await this.keys.keepPepper(mine));
  }
}
