import type { CallOptions, Http } from '../http.js';
import type { Body } from '../routes.js';

export class AuthResource {
  constructor(private readonly http: Http) {}

  /** Trades an API key for tokens. */
  login(body: Body<'auth', 'login'>, options?: CallOptions) {
    return this.http.call('auth', 'login', { body, isPublic: true }, options);
  }

  refresh(body: Body<'auth', 'refresh'>, options?: CallOptions) {
    return this.http.call('auth', 'refresh', { body, isPublic: true }, options);
  }

  logout(body?: Body<'auth', 'logout'>, options?: CallOptions) {
    return this.http.call('auth', 'logout', { body }, options);
  }

  /** Whom the access token speaks for; not for API keys. */
  me(options?: CallOptions) {
    return this.http.call('auth', 'me', {}, options);
  }

  /** A bad token is an answer, not an error. */
  validate(body: Body<'auth', 'validate'>, options?: CallOptions) {
    return this.http.call('auth', 'validate', { body, isPublic: true }, options);
  }

  /** For a browser: opens one stream within 30 seconds, and is no secret after that. */
  createTicket(body?: Body<'auth', 'createTicket'>, options?: CallOptions) {
    return this.http.call('auth', 'createTicket', { body }, options);
  }

  /** Sends a code to an address, to log in or sign up with. */
  startEmailLogin(email: string, options?: CallOptions) {
    return this.http.call('auth', 'startEmail', { body: { email }, isPublic: true }, options);
  }

  /** Trades the code for tokens, or for the right to sign up: `type` says which. */
  verifyEmailLogin(body: Body<'auth', 'verifyEmail'>, options?: CallOptions) {
    return this.http.call('auth', 'verifyEmail', { body, isPublic: true }, options);
  }

  /** Whether an organization has this address. */
  checkEmail(email: string, options?: CallOptions) {
    return this.http.call('auth', 'checkEmail', { query: { email }, isPublic: true }, options);
  }

  /** The organization of a verified address, with its first API key and tokens. */
  completeSignup(body: Body<'auth', 'completeSignup'>, options?: CallOptions) {
    return this.http.call('auth', 'completeSignup', { body, isPublic: true }, options);
  }
}
