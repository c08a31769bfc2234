import type { Environment } from '../environment.js';
import { CliError, exitCodes, usageError } from '../exit-code.js';
import type { ProfileStore } from './profile-store.js';

const DEFAULT_URL = 'http://localhost:8080';

/** Which server, as whom. */
export interface Account {
  readonly profile: string;
  readonly url: string;
  readonly apiKey: string | undefined;
}

export interface AccountOptions {
  readonly profile?: string;
  readonly url?: string;
  readonly apiKey?: string;
}

/**
 * Options come first, then the profile that is named, then the environment, then the profile in use. The key of a profile
 * goes to the server of that profile alone, so that `--url` cannot make it known to another.
 *
 * @throws CliError when a profile is named that is not there.
 */
export function resolveAccount(
  options: AccountOptions,
  environment: Environment,
  store: ProfileStore,
): Account {
  const named = options.profile;
  const name = named ?? store.read().current;
  const profile = store.get(name);
  if (named !== undefined && profile === undefined) {
    throw new CliError(
      `There is no profile ${named}: see \`spooled profiles list\`.`,
      exitCodes.notFound,
      'NOT_FOUND',
    );
  }
  const fromEnvironment = named === undefined ? environment : undefined;
  const url = serverUrl(options.url ?? fromEnvironment?.url ?? profile?.url ?? DEFAULT_URL);
  const isOfProfile = profile !== undefined && serverUrl(profile.url) === url;
  return {
    profile: name,
    url,
    apiKey: options.apiKey ?? fromEnvironment?.apiKey ?? (isOfProfile ? profile.apiKey : undefined),
  };
}

/** As it is compared and called. @throws CliError when it is no address of a server. */
export function serverUrl(text: string): string {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw usageError(`${text} is no URL of a server, such as ${DEFAULT_URL}.`);
  }
  return url.href.replace(/\/+$/, '');
}
