import { webhookEventName } from '@spooled/contracts';
import { readFileSync } from 'node:fs';
import { signatureHeaders } from '../src/deliveries/signature.js';

const page = readFileSync(new URL('../../../docs/webhooks.md', import.meta.url), 'utf8');

interface Snippet {
  readonly isFromSpooled: (headers: object, rawBody: string, secret: string) => boolean;
}

describe('docs/webhooks.md', () => {
  it('has a snippet that verifies signatures, exactly as it is printed', async () => {
    const code = /```js\n([^]*?)```/.exec(page)![1]!;
    const file = `data:text/javascript,${encodeURIComponent(code)}`;
    const { isFromSpooled } = (await import(file)) as Snippet;
    const timestamp = Math.floor(Date.now() / 1000);
    const body = '{"id":"a","event":"job.created"}';
    const sign = (at: number, ...secrets: string[]) =>
      signatureHeaders({ id: 'a', body, timestamp: at }, secrets);
    expect(isFromSpooled(sign(timestamp, 'new'), body, 'new')).toBe(true);
    expect(isFromSpooled(sign(timestamp, 'new', 'old'), body, 'old')).toBe(true);
    expect(isFromSpooled(sign(timestamp, 'new'), body, 'old')).toBe(false);
    expect(isFromSpooled(sign(timestamp, 'new'), `${body} `, 'new')).toBe(false);
    expect(isFromSpooled(sign(timestamp - 301, 'new'), body, 'new')).toBe(false);
    expect(isFromSpooled(sign(timestamp), body, 'new')).toBe(false);
    expect(isFromSpooled({}, body, 'new')).toBe(false);
  });

  it('lists every event', () => {
    const listed = [...page.matchAll(/^\| `([a-z]+\.[a-z]+)`/gm)].map(([, name]) => name);
    expect(listed).toEqual(webhookEventName.options);
  });
});
