/** `top` on a terminal: everything after the first look is pushed, and drawn at most ten times a second. */
import { render, Text, useApp, useInput, type RenderOptions } from 'ink';
import { createElement } from 'react';
import type { SpooledClient } from '@spooled/sdk';

import type { Page } from '../output/table.js';
import { TopModel } from './model.js';
import { screen } from './screen.js';

const DRAW_EVERY_MS = 100;

export interface TopOptions {
  readonly client: SpooledClient;
  readonly server: string;
  readonly paint: Page['paint'];
  readonly signal: AbortSignal;
  readonly terminal?: Pick<RenderOptions, 'stdout' | 'stdin'>;
}

/** Until `q`, Ctrl-C or the signal. @throws SpooledError when the server refuses. */
export async function runTop(options: TopOptions): Promise<void> {
  const { client, server, paint, terminal = {} } = options;
  const stdout = terminal.stdout ?? process.stdout;
  const model = new TopModel();
  const end = new AbortController();
  const signal = AbortSignal.any([options.signal, end.signal]);
  const feed = client.events({ signal, events: ['*', 'queue.paused', 'queue.resumed'] });
  const frame = () => {
    const page = { width: stdout.columns, paint };
    const now = Date.now();
    return screen({ model, server, state: feed.state, now }, page, stdout.rows);
  };
  const app = render(createElement(Screen, { text: frame() }), {
    ...terminal,
    maxFps: 1000 / DRAW_EVERY_MS,
    incrementalRendering: true,
  });
  const drawing = setInterval(
    () => app.rerender(createElement(Screen, { text: frame() })),
    DRAW_EVERY_MS,
  );
  const ended = app.waitUntilExit().finally(() => end.abort());
  const look = async () => model.reset(...(await snapshot(client, signal)));
  // Events of the time between are in both, and only counts that are told anew change by them.
  feed.onStateChange((state) => {
    if (state === 'live') look().catch(() => undefined);
  });
  try {
    for await (const event of feed) {
      if (event.type === 'gap') await look();
      else model.apply(event);
    }
  } finally {
    clearInterval(drawing);
    app.unmount();
    await ended;
  }
}

async function snapshot(client: SpooledClient, signal: AbortSignal) {
  const [{ queues }, workers] = await Promise.all([
    client.dashboard.get({ signal }),
    client.workers.list({ signal }),
  ]);
  return [
    queues.map((queue) => ({ ...queue, failed: null })),
    workers
      .filter(({ status }) => status !== 'offline')
      .map(({ id, queueName: queue, status, currentJobs }) => ({ id, queue, status, currentJobs })),
  ] as const;
}

/** Ink writes only lines that differ from those of the frame before. */
function Screen({ text }: { readonly text: string }) {
  const { exit } = useApp();
  useInput(
    (input) => {
      if (input === 'q') exit();
    },
    { isActive: process.stdin.isTTY },
  );
  return createElement(Text, { wrap: 'truncate' }, text);
}
