import { styleText } from 'node:util';

export type Tone = 'good' | 'bad' | 'warning' | 'active' | 'dim' | 'title';
/** Colours a text, or leaves it as it is. */
export type Paint = (tone: Tone | undefined, text: string) => string;

const formats = {
  good: 'green',
  bad: 'red',
  warning: 'yellow',
  active: 'cyan',
  dim: 'dim',
  title: 'bold',
} as const;

export function painter(isColored: boolean): Paint {
  return (tone, text) =>
    isColored && tone !== undefined
      ? styleText(formats[tone], text, { validateStream: false })
      : text;
}

const tones: Readonly<Record<string, Tone>> = {
  completed: 'good',
  success: 'good',
  healthy: 'good',
  active: 'good',
  processing: 'active',
  running: 'active',
  deadletter: 'bad',
  failed: 'bad',
  offline: 'bad',
  auto_disabled: 'bad',
  revoked: 'dim',
  disabled: 'warning',
  cancelled: 'dim',
  paused: 'warning',
  degraded: 'warning',
  draining: 'warning',
};

/** The tone of a status of whatever has one. */
export function toneOf(status: string): Tone | undefined {
  return tones[status];
}
