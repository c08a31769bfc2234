/** What `spooled login` keeps: servers and keys by name, in a file that only its owner can read. */
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import { CliError } from '../exit-code.js';

export interface Profile {
  readonly url: string;
  readonly apiKey?: string;
  /** Signs what `spooled listen` forwards. */
  readonly signingSecret?: string;
}

export interface Profiles {
  /** The one that is used when none is named. */
  readonly current: string;
  readonly profiles: Readonly<Record<string, Profile>>;
}

export class ProfileStore {
  constructor(readonly file: string) {}

  read(): Profiles {
    let text: string;
    try {
      text = readFileSync(this.file, 'utf8');
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') return { current: 'default', profiles: {} };
      throw new CliError(`The profiles cannot be read: ${message}`);
    }
    const read = parsed(text);
    if (read === undefined) throw new CliError(`${this.file} is damaged; mend or remove it.`);
    return read;
  }

  get(name: string): Profile | undefined {
    const { profiles } = this.read();
    return Object.hasOwn(profiles, name) ? profiles[name] : undefined;
  }

  /** Adds to a profile, or makes it; `isCurrent` also makes it the one in use. */
  save(name: string, profile: Profile, { isCurrent }: { readonly isCurrent: boolean }): void {
    const { current, profiles } = this.read();
    const known = Object.hasOwn(profiles, name) ? profiles[name] : undefined;
    this.write({
      current: isCurrent ? name : current,
      profiles: { ...profiles, [name]: { ...known, ...profile } },
    });
  }

  use(name: string): void {
    this.write({ ...this.read(), current: name });
  }

  remove(name: string): void {
    const { current, profiles } = this.read();
    const { [name]: _, ...others } = profiles;
    const next = current === name ? (Object.keys(others)[0] ?? 'default') : current;
    this.write({ current: next, profiles: others });
  }

  /** All or nothing: a command that is killed meanwhile leaves the old file. */
  private write(profiles: Profiles): void {
    mkdirSync(path.dirname(this.file), { recursive: true, mode: 0o700 });
    const next = `${this.file}.${process.pid}`;
    writeFileSync(next, `${JSON.stringify(profiles, null, 2)}\n`, { mode: 0o600 });
    chmodSync(next, 0o600);
    renameSync(next, this.file);
  }
}

function parsed(text: string): Profiles | undefined {
  try {
    const value = JSON.parse(text) as Partial<Profiles> | null;
    if (typeof value?.current !== 'string' || typeof value.profiles !== 'object') return undefined;
    return value as Profiles;
  } catch {
    return undefined;
  }
}
