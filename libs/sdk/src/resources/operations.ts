import { SpooledError } from '../errors.js';
import type { CallOptions, Http } from '../http.js';

export class DashboardResource {
  constructor(private readonly http: Http) {}

  /** Everything an overview page shows at once. */
  get(options?: CallOptions) {
    return this.http.call('dashboard', 'read', {}, options);
  }
}

export class FeaturesResource {
  constructor(private readonly http: Http) {}

  /** What the server has switched on. Needs no credential. */
  get(options?: CallOptions) {
    return this.http.call('features', 'read', { isPublic: true }, options);
  }
}

export class HealthResource {
  constructor(private readonly http: Http) {}

  get(options?: CallOptions) {
    return this.http.call('operations', 'health', { isPublic: true }, options);
  }

  /** Whether the process answers. */
  liveness(options?: CallOptions): Promise<boolean> {
    return this.isGood('live', options);
  }

  /** Whether the server can work. */
  readiness(options?: CallOptions): Promise<boolean> {
    return this.isGood('ready', options);
  }

  private async isGood(name: 'live' | 'ready', options?: CallOptions): Promise<boolean> {
    try {
      await this.http.call('operations', name, { isPublic: true, isProbe: true }, options);
      return true;
    } catch (error) {
      if (error instanceof SpooledError) return false;
      throw error;
    }
  }
}
