/** PostgreSQL refuses to run as root, so root runs it as the operating system's user `postgres`. */
import { execFileSync } from 'node:child_process';

/** Empty: run as the present user. */
export interface PostgresUser {
  uid?: number;
  gid?: number;
}

/** @throws Error when this is root and there is no such user and none can be made. */
export function postgresUser(): PostgresUser {
  return process.getuid?.() === 0 ? (findUser() ?? createUser()) : {};
}

function findUser(): PostgresUser | undefined {
  const id = (flag: string): number =>
    Number(execFileSync('id', [flag, 'postgres'], { stdio: ['ignore', 'pipe', 'ignore'] }));
  try {
    return { uid: id('-u'), gid: id('-g') };
  } catch {
    return undefined;
  }
}

function createUser(): PostgresUser {
  const env = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
  try {
    execFileSync('groupadd', ['--system', '--force', 'postgres'], { env });
    execFileSync('useradd', ['--system', '--gid', 'postgres', '--no-create-home', 'postgres'], {
      env,
    });
  } catch (error) {
    throw new Error(
      'PostgreSQL does not run as root and a user "postgres" could not be created. ' +
        'Run as an ordinary user, or set DATABASE_URL.',
      { cause: error },
    );
  }
  const user = findUser();
  if (!user) throw new Error('the user "postgres" was created but cannot be found');
  return user;
}
