import { ConfigError } from '@spooled/config';

/** Why a port cannot be listened on, in words for its operator when it is taken. */
export function listenProblem(error: unknown, setting: string, port: number): Error {
  const problem = error as NodeJS.ErrnoException;
  if (problem.code !== 'EADDRINUSE') return problem;
  return new ConfigError(
    `Port ${port} is taken by another program. Stop it, or choose another port with ${setting}=…`,
  );
}
