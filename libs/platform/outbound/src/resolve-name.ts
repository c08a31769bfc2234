import { Resolver } from 'node:dns/promises';

/** The addresses behind a name. @throws Error when there is none, or nobody tells */
export type ResolveName = (name: string) => Promise<readonly string[]>;

/**
 * Asks the name servers itself: the system's own lookup has four threads for the whole process, and four names whose
 * servers keep silent would hold up everybody else's. It does not read `/etc/hosts` either, where nothing public stands.
 */
export function nameResolver(): ResolveName {
  const resolver = new Resolver({ timeout: 1500, tries: 2 });
  return async (name) => {
    if (name === 'localhost') return ['127.0.0.1', '::1'];
    const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
    const addresses = answers.flatMap((answer) =>
      answer.status === 'fulfilled' ? answer.value : [],
    );
    if (addresses.length > 0) return addresses;
    throw new Error(`${name} has no address`, {
      cause: (answers[0] as PromiseRejectedResult).reason,
    });
  };
}
