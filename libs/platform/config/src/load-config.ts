import { z } from 'zod';
import { Secret } from './secret.js';

/** The environment does not make a valid configuration; `message` lists every problem, one a line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/**
 * Parses the environment once into a frozen, typed object. An empty variable counts as unset.
 * @throws ConfigError naming every problem at once, never a value.
 */
export function loadConfig<S extends z.ZodObject>(
  schema: S,
  environment: NodeJS.ProcessEnv = process.env,
): Readonly<z.output<S>> {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const parsed = schema.safeParse(given);
  if (parsed.success) return Object.freeze(parsed.data);
  const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  throw new ConfigError(`The configuration is not valid:\n  ${problems.join('\n  ')}`);
}

/** Schemas for the usual kinds of variable. Environment values are always text. */
export const env = {
  port: (preset: number) => z.coerce.number().int().min(0).max(65_535).default(preset),
  int: (preset: number, min: number, max: number) =>
    z.coerce.number().int().min(min).max(max).default(preset),
  bool: (preset: boolean) =>
    z
      .enum(['true', 'false', '1', '0'])
      .default(preset ? 'true' : 'false')
      .transform((value) => value === 'true' || value === '1'),
  text: (preset: string) => z.string().default(preset),
  list: () =>
    z
      .string()
      .default('')
      .transform((value) =>
        value
          .split(',')
          .map((entry) => entry.trim())
          .filter((entry) => entry !== ''),
      ),
  secret: (minLength = 1) =>
    z
      .string()
      .min(minLength)
      .transform((value) => new Secret(value)),
};
